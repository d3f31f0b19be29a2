"""Many tests at once: families that are corrected, those that are not, and pooling."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from harness.records import Measured, Rule, Sample
from tests.harness.gate.deciding import MARGIN, against, decide
from tests.harness.runs import measured, samples


def many(base_flags: int, suites: dict[str, tuple[int, int]]) -> Iterator[Measured]:
    """Suites with this many lost and won of 400 items."""
    for suite, (lost, won) in suites.items():
        base, new = against(lost, won, 200, 200 - lost - won)
        yield measured("base", samples(base), suite=suite)
        yield measured("new", samples(new), suite=suite)


def test_light_rules_are_corrected_as_a_family_and_margins_are_not() -> None:
    rule = Rule(metric="*/*/acc", require="not_regressed")
    alone = decide(*many(0, {"a": (8, 1)}), rules=(rule,))
    assert alone.verdicts[0].findings[0].outcome == "fail"
    together = decide(*many(0, {"a": (8, 1), "b": (5, 6), "c": (7, 7), "d": (6, 9)}), rules=(rule,))
    first = together.verdicts[0].findings[0]
    assert first.outcome == "pass"
    assert "after Holm" in first.reason
    assert first.comparison is not None
    assert first.comparison.parameters["p_holm"] == pytest.approx(4 * (first.comparison.p or 0.0))
    margins = Rule(metric="*/*/acc", require="non_inferior", margin=0.05)
    for found in decide(*many(0, {"a": (8, 1), "b": (5, 6)}), rules=(margins,)).verdicts[0].findings:
        assert found.comparison is not None
        assert "p_holm" not in found.comparison.parameters


def test_the_table_for_reading_is_adjusted_for_how_long_it_is() -> None:
    found = decide(*many(0, {"a": (8, 1), "b": (5, 6), "c": (7, 7), "d": (6, 9)}), rules=()).comparisons
    assert len(found) == 4
    smallest = min(found, key=lambda each: each.p or 0.0)
    assert smallest.metric == "a/t/acc"
    assert smallest.parameters["p_bh"] == pytest.approx(4 * (smallest.p or 0.0))


def test_a_rule_that_only_warns_never_weakens_a_blocking_one() -> None:
    block = Rule(metric="a/*/acc", require="not_regressed")
    warn = Rule(metric="[bcd]/*/acc", require="not_regressed", severity="warn")
    runs = list(many(0, {"a": (8, 1), "b": (5, 6), "c": (7, 7), "d": (6, 9)}))
    assert decide(*runs, rules=(block, warn)).outcome == "fail"


def test_suites_without_any_difference_do_not_count_in_the_family() -> None:
    rule = Rule(metric="*/*/acc", require="not_regressed")
    runs = many(0, {"a": (8, 1), "b": (0, 0), "c": (0, 0), "d": (1, 0)})
    assert decide(*runs, rules=(rule,)).verdicts[0].findings[0].outcome == "fail"


def test_pooling_decides_what_no_part_can() -> None:
    base: list[Sample] = []
    new: list[Sample] = []
    for task in range(30):
        for index in range(40):
            was, now = float(index < 30), float(index < 30 if index % 20 else index >= 30)
            base.append(Sample(key=f"{task}-{index}", task=f"t{task}", scores={"acc": was}))
            new.append(Sample(key=f"{task}-{index}", task=f"t{task}", scores={"acc": now if task % 2 else was}))
    runs = (measured("base", base), measured("new", new))
    single = decide(*runs, rules=(MARGIN,))
    assert len(single.verdicts[0].findings) == 30
    assert single.outcome == "inconclusive"
    rule = msgspec.structs.replace(MARGIN, pool=True, margin=0.05)
    whole = decide(*runs, rules=(rule,)).verdicts[0].findings
    assert len(whole) == 1
    assert whole[0].metric == "facts/*/acc"
    assert whole[0].comparison is not None
    assert whole[0].comparison.items == 1200
    assert whole[0].outcome == "pass"
