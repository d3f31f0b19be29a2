"""Which suites can be asked in part, in what order, and when it is looked."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness.config import load
from harness.errors import ConfigError
from harness.pipeline import prepare
from harness.pipeline.portions import looks
from harness.pipeline.preparing import Prepared

RULE = {"metric": "qa/*/exact_match", "require": "non_inferior", "margin": 0.1}


def prepared(
    folder: Path,
    rows: list[dict[str, Any]],
    sequential: dict[str, Any] | None = None,
    *,
    rules: list[dict[str, Any]] | None = None,
    suites: list[dict[str, Any]] | None = None,
    limit: int | None = None,
    **more: Any,
) -> Prepared:
    (folder / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = {
        "baseline": "old",
        "candidates": [{"name": name, "engine": "fake"} for name in ("old", "new")],
        "suites": [{"name": "qa", "use": "prompted", "options": {"items": "items.jsonl"}}, *(suites or [])],
        "rules": [RULE] if rules is None else rules,
        "sequential": {"min_items": 10, **(sequential or {})},
        **more,
    }
    (folder / "gate.yaml").write_text(json.dumps(config))
    return prepare(load(folder / "gate.yaml"), limit=limit)


def items(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [{"key": f"q{index:03d}", "prompt": f"question {index}", "target": "x", **fields} for index in range(count)]


@pytest.mark.parametrize(
    ("sizes", "most", "min_items", "expected"),
    [
        ([1] * 100, 5, 10, (20, 40, 60, 80, 100)),
        ([1] * 100, 5, 40, (50, 100)),
        ([1] * 100, 5, 60, (100,)),
        ([1] * 101, 4, 1, (26, 51, 76, 101)),
        ([40, 40, 40], 5, 10, (40, 80, 120)),
        ([100, 1], 5, 10, (100, 101)),
        ([], 5, 10, ()),
    ],
)
def test_looks_are_equal_steps_of_whole_clusters(sizes: list[int], most: int, min_items: int, expected: tuple[int, ...]) -> None:
    assert looks(sizes, most, min_items) == expected


def test_the_first_look_never_comes_before_its_minimum() -> None:
    for total in range(2, 200):
        for least in (1, 7, 50):
            found = looks([1] * total, 10, least)
            assert bool(found) == (total >= least)
            assert list(found) == sorted(set(found))
            if found:
                assert found[0] >= least
                assert found[-1] == total


def test_clusters_stay_whole_and_every_look_holds_each_task_in_proportion(tmp_path: Path) -> None:
    rows = [row | {"task": "big", "cluster": f"c{index // 3}"} for index, row in enumerate(items(300))]
    rows += [row | {"key": f"s{index}", "task": "small"} for index, row in enumerate(items(60))]
    parts = prepared(tmp_path, rows).division.parts["qa"]
    assert Counter(item.key for item in parts.items) == Counter(row["key"] for row in rows)
    for end in parts.planned:
        tasks = Counter(item.task for item in parts.items[:end])
        assert abs(tasks["big"] - 5 * tasks["small"]) <= 9, tasks
        seen = Counter(item.cluster for item in parts.items[:end] if item.cluster)
        assert set(seen.values()) <= {3}, "a cluster was cut"
    assert [item.key for item in parts.items] != [row["key"] for row in rows]


def test_the_order_follows_the_seed_and_nothing_else(tmp_path: Path) -> None:
    def keys(seed: int, rows: list[dict[str, Any]]) -> list[str]:
        return [item.key for item in prepared(tmp_path, rows, seed=seed).division.parts["qa"].items]

    first = keys(1, items(100))
    assert first == keys(1, items(100))
    assert first == keys(1, items(100)[::-1]), "the order of the file decides nothing"
    assert first != keys(2, items(100))


def test_a_suite_too_small_for_two_looks_is_asked_in_full_and_says_so(tmp_path: Path) -> None:
    division = prepared(tmp_path, items(19)).division
    assert not division.parts
    assert division.small["qa"] == "19 items are too few for two looks of 10 or more"


LATENCY = {"name": "speed", "use": "latency", "options": {"items": "items.jsonl"}}
JUDGED = {"name": "pref", "use": "preference", "options": {"items": "items.jsonl", "judge": "judge"}}
OTHER = {"name": "qb", "use": "prompted", "options": {"items": "items.jsonl"}}
JUDGE = {"judge": {"engine": "fake"}}


@pytest.mark.parametrize(
    ("suite", "rules", "says"),
    [
        (LATENCY, [], "measures speed"),
        (JUDGED, [{"metric": "pref/*/win", "require": "not_regressed"}], "judged after all"),
        (OTHER, [{"metric": "q?/*/exact_match", "require": "not_regressed", "pool": True}], "pools it with other suites"),
        (OTHER, [], "no rule is about it"),
    ],
)
def test_what_cannot_be_asked_in_part_is_asked_in_full_and_may_not_be_named(
    tmp_path: Path, suite: dict[str, Any], rules: list[dict[str, Any]], says: str
) -> None:
    found = prepared(tmp_path, items(40), suites=[suite], rules=rules, engines=JUDGE).division
    assert says in found.cannot[suite["name"]]
    with pytest.raises(ConfigError, match=rf"sequential\.suites\[0\]: suite '{suite['name']}' cannot be asked in part: .*{says}"):
        prepared(tmp_path, items(40), {"suites": [suite["name"]]}, suites=[suite], rules=rules, engines=JUDGE)


def test_a_rule_over_each_of_several_suites_decides_them_one_by_one(tmp_path: Path) -> None:
    rules = [{"metric": "q?/*/exact_match", "require": "not_regressed"}]
    assert set(prepared(tmp_path, items(40), suites=[OTHER], rules=rules).division.parts) == {"qa", "qb"}


def test_only_the_suites_that_are_named_are_asked_in_part(tmp_path: Path) -> None:
    rules = [{"metric": "q?/*/exact_match", "require": "not_regressed"}]
    found = prepared(tmp_path, items(40), {"suites": ["qb"]}, suites=[OTHER], rules=rules)
    assert set(found.division.parts) == {"qb"}
    assert not found.in_part(("qa", "new"))
    assert found.in_part(("qb", "new"))


def test_whoever_is_compared_with_is_asked_in_full(tmp_path: Path) -> None:
    candidates = [{"name": name, "engine": "fake"} for name in ("old", "new", "rival", "base")]
    candidates[1]["reference"] = "base"
    found = prepared(tmp_path, items(40), candidates=candidates, rules=[RULE, RULE | {"against": "rival", "name": "rival"}])
    assert {name: found.in_part(("qa", name)) for name in ("old", "new", "rival", "base")} == {
        "old": False, "new": True, "rival": False, "base": False,
    }  # fmt: skip


def test_a_smoke_run_asks_everybody_the_same(tmp_path: Path) -> None:
    assert not prepared(tmp_path, items(40), limit=30).division.parts


@pytest.mark.parametrize(
    ("sequential", "says"),
    [
        ({"looks": 1}, r"sequential\.looks: expected 2 to 10 looks"),
        ({"looks": 11}, r"sequential\.looks: expected 2 to 10 looks .* found 11"),
        ({"futility": 1.0}, r"sequential\.futility: expected a chance from 0"),
        ({"futility": -0.1}, r"sequential\.futility"),
        ({"min_items": 0}, r"sequential\.min_items: expected 1 item or more"),
        ({"suites": ["qq"]}, r"sequential\.suites\[0\]: no suite is named 'qq'\. Did you mean 'qa'\?"),
        ({"method": "group_sequental"}, r"sequential\.method: .*Did you mean 'group_sequential'"),
        ({"spending": "pocok"}, r"sequential\.spending: .*Did you mean 'pocock'"),
        ({"look": 3}, r"sequential.look: unknown key 'look'\. Did you mean 'looks'"),
    ],
)
def test_mistakes_in_the_settings_are_found_before_anything_is_asked(tmp_path: Path, sequential: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        prepared(tmp_path, items(40), sequential)


def test_a_margin_that_is_a_share_of_an_uncertain_score_takes_all_items(tmp_path: Path) -> None:
    lost = RULE | {"relative": True}
    assert "qa" in prepared(tmp_path, items(100), rules=[lost]).division.parts, "a share of right answers is lost among those"
    gained = {"metric": "qa/*/exact_match", "require": "superior", "margin": 0.1, "relative": True}
    division = prepared(tmp_path, items(100), rules=[gained]).division
    assert not division.parts
    assert "is a share of a score that is uncertain itself" in division.cannot["qa"]
    passages = [row | {"cluster": f"c{index // 2}"} for index, row in enumerate(items(100))]
    assert "is a share of a score" in prepared(tmp_path, passages, rules=[lost]).division.cannot["qa"]
