"""A judge of the candidate's family: said before anything is asked, and in the verdict."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.pipeline.kinship import FAMILIES, families_of, kinship
from harness.records import Candidate, Fingerprints
from tests.harness.pipeline.gated import Gate


@pytest.mark.parametrize(
    ("model", "families"),
    [
        ("Qwen/Qwen2.5-7B-Instruct", {"Qwen"}),
        ("/models/qwen3-8b", {"Qwen"}),
        ("meta-llama/Llama-3.1-8B", {"Llama"}),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", {"DeepSeek", "Qwen"}),
        ("gpt-4o-mini", {"GPT"}),
        ("o3-mini", {"GPT"}),
        ("microsoft/Phi-4", {"Phi"}),
        ("THUDM/glm-4-9b-chat", {"GLM"}),
        ("claude-sonnet-4-5", {"Claude"}),
        ("google/gemma-3-12b-it", {"Gemma and Gemini"}),
        ("/data/qwen-runs/week47", set()),  # a folder above the model says nothing
        ("graphite-7b", set()),
        ("philosopher", set()),
        ("yield-2", set()),
        ("", set()),
    ],
)
def test_a_family_is_read_from_the_name_of_the_model(model: str, families: set[str]) -> None:
    assert families_of(Candidate(name="x", model=model)) == families


def test_a_local_folder_says_what_it_was_made_from(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"_name_or_path": "Qwen/Qwen2.5-0.5B", "model_type": "qwen2"}))
    assert families_of(Candidate(name="x", model=str(tmp_path))) == {"Qwen"}
    (tmp_path / "config.json").write_text("[")
    assert families_of(Candidate(name="x", model=str(tmp_path))) == set()


def test_no_word_stands_for_two_families() -> None:
    words = [word for beginnings in FAMILIES.values() for word in beginnings]
    assert len(words) == len(set(words))


@pytest.fixture
def gate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Gate:
    found = Gate(tmp_path, capsys)
    prompt = '+++\nkind = "pointwise"\nanswer = "word"\nverdicts = { yes = 1, no = 0 }\n+++\n{question}|{answer}\n'
    (tmp_path / "alone.md").write_text(prompt)
    found.config["engines"] = {"judge": {"engine": "fake", "model": "Qwen/Qwen3-8B", "options": {"answers": {}}}}
    options = {"items": "items.jsonl", "judge": "judge", "prompt": "alone.md"}
    found.config["suites"] = [{"name": "open", "use": "graded", "options": options}]
    found.config["rules"] = [{"metric": "open/*/grade", "require": "non_inferior", "margin": 0.3}]
    found.items([{"key": f"k{index}", "prompt": f"question {index}"} for index in range(12)])
    answers = {f"question {index}|question {index}": "yes" if index % 3 else "no" for index in range(12)}
    found.config["engines"]["judge"]["options"]["answers"] = answers
    found.config["candidates"][1] |= {"model": "Qwen/Qwen2.5-7B-Instruct", "options": {}}
    return found


SAID = "new and judge, which judges open, are both of the family of Qwen"


def test_a_judge_of_the_family_is_said_before_asking_in_the_verdict_and_in_the_report(gate: Gate) -> None:
    assert SAID in " ".join(gate.does("run", "--dry-run").split())
    gate("run")
    conclusion = gate.conclusion()
    assert any(SAID in warning for warning in conclusion.verdicts[0].warnings)
    assert SAID in (gate.folder / "runs" / "summary.md").read_text()
    assert "are both of the family" in (gate.folder / "runs" / "report.html").read_text()


def test_the_candidate_as_its_own_judge_is_said(gate: Gate) -> None:
    gate.config["engines"]["judge"]["model"] = "Qwen/Qwen2.5-7B-Instruct"
    assert "new and judge, which judges open, are the same model" in " ".join(gate.does("run", "--dry-run").split())


@pytest.mark.parametrize(
    ("own", "its", "how"),
    [
        ({"weights": "w"}, {"weights": "w"}, "new and judge, which judges open, are the same model"),
        ({"weights": "w", "adapter": "a"}, {"weights": "w"}, "new and judge, which judges open, have the same base weights"),
        ({"weights": "w", "tokenizer": "t"}, {"weights": "v", "tokenizer": "t"}, "have the same tokenizer"),
        ({"weights": "w", "tokenizer": "t"}, {"weights": "v", "tokenizer": "u"}, None),
        ({}, {}, None),
    ],
)
def test_folders_without_a_telling_name_are_told_by_their_content(
    own: dict[str, str], its: dict[str, str], how: str | None
) -> None:
    prints = {"new": Fingerprints(asked="1", **own), "judge": Fingerprints(asked="2", **its)}
    candidates = {name: Candidate(name=name, model=f"/ckpts/{name}") for name in prints}
    suite = SimpleNamespace(judge="judge")
    prepared: Any = SimpleNamespace(prints=prints, candidates=candidates, suites={"open": suite})
    said = list(kinship(prepared, ("open", "new")))
    assert [how in each for each in said if how] == ([] if how is None else [True])
    assert bool(said) == (how is not None)


def test_a_judge_of_another_family_is_not_warned_of(gate: Gate) -> None:
    gate.config["engines"]["judge"]["model"] = "google/gemma-3-12b-it"
    assert "judges favour" not in gate.does("run", "--dry-run")
