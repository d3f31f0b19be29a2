"""What a verdict about several training seeds is worth to one of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.baselines import read_pins
from tests.harness.pipeline.gated import Gate

SEEDS = ("s1", "s2", "s3")


@pytest.fixture
def gate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Gate:
    """Three training seeds of the recipe ``careful``; all blocking rules are about recipes."""
    gate = Gate(tmp_path, capsys)
    gate.config["candidates"] = [{"name": "old", "engine": "fake"}, *(seed(name, wrong) for wrong, name in enumerate(SEEDS))]
    gate.config["rules"] = [{"metric": "qa/*/exact_match", "require": "non_inferior", "margin": 0.15, "about": "recipe"}]
    return gate


def seed(name: str, wrong: int) -> dict[str, Any]:
    """Each gets other items wrong."""
    answers = {f"question {index}": "no idea" for index in range(10 * wrong, 11 * wrong)}
    return {"name": name, "engine": "fake", "recipe": "careful", "options": {"answers": answers}}


def test_a_recipe_is_no_checkpoint_and_the_refusal_says_what_to_name(gate: Gate) -> None:
    gate.does("run")
    for words in (("promote", "recipe careful"), ("promote", "careful"), ("pin", "w46", "--of", "recipe careful")):
        said = gate.does("baseline", *words, code=2)
        assert "'careful' is a recipe, which is judged by several checkpoints (s1, s2, s3)" in said
        assert "such as s1" in said
    assert "no recipe is named 'carefull'. Did you mean 'careful'" in gate.does("baseline", "promote", "recipe carefull", code=2)
    assert not gate.pins.exists()


def test_a_checkpoint_without_a_verdict_of_its_own_is_promoted_on_that_of_its_recipe(gate: Gate) -> None:
    gate.does("run")
    assert [verdict.candidate for verdict in gate.conclusion().verdicts] == ["recipe careful"]
    gate.does("baseline", "promote", "s2", "--name", "w46", "--by", "Ana")
    pins = read_pins(gate.pins)
    assert pins.promoted == "w46"
    assert pins.promotions[0].outcome == "pass"
    assert pins.promotions[0].sentence.startswith("Ship recipe careful")
    assert pins.pins["w46"].candidate == "s2"


def test_a_recipe_that_did_not_pass_promotes_none_of_its_checkpoints(gate: Gate) -> None:
    gate.config["rules"][0]["margin"] = 0.001
    gate.does("run", code=11)
    assert "recipe careful" in gate.does("baseline", "promote", "s1", code=2)
    assert not gate.pins.exists()


def test_the_verdict_counts_only_while_it_speaks_of_every_seed(gate: Gate) -> None:
    gate.does("run")
    gate.config["candidates"][3] = seed("s3", 3)
    gate.does("measure")
    assert "no verdict about 's1'" in gate.does("baseline", "promote", "s1", code=12)
    gate.does("gate")
    gate.does("baseline", "promote", "s1")


def test_where_a_rule_is_about_checkpoints_each_answers_for_itself(gate: Gate) -> None:
    gate.config["rules"].append({"metric": "qa/*/exact_match", "require": "at_least", "value": 0.97})
    gate.does("run", code=11)
    outcomes = {verdict.candidate: verdict.outcome for verdict in gate.conclusion().verdicts}
    assert outcomes == {"s1": "inconclusive", "s2": "inconclusive", "s3": "inconclusive", "recipe careful": "pass"}
    assert "Unknown whether s2 may ship" in gate.does("baseline", "promote", "s2", code=2)
