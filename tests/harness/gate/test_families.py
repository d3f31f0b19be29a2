"""Many tests at once: families that are corrected, those that are not, and pooling."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from harness import stats
from harness.records import Measured, Rule, Sample
from tests.harness.gate.deciding import CLAIM, LIGHT, MARGIN, against, decide
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


def test_what_a_pass_could_have_missed_is_of_the_rules_own_test() -> None:
    base, new = against(18, 0, 200, 82)
    runs = (measured("base", samples(base)), measured("new", samples(new)))
    plain = msgspec.structs.replace(LIGHT, margin=0.0)
    wide = msgspec.structs.replace(LIGHT, margin=0.05)
    found = decide(*runs, rules=(wide,)).verdicts[0].findings[0]
    assert found.comparison is not None
    assert found.comparison.mde == pytest.approx(stats.mde(stats.Design(300, 19 / 300), 0.05), rel=1e-6)
    assert found.comparison.mde > 0.08, "the margin, and what chance hides beyond it"
    assert "a loss under 8.5 points could not have been seen" in found.reason
    narrow = decide(*runs, rules=(plain,)).verdicts[0].findings[0].comparison
    assert narrow is not None
    assert narrow.mde == pytest.approx(stats.binary_mde(18, 300, 0.05))


def test_what_a_pass_could_have_missed_is_at_the_level_that_the_family_leaves() -> None:
    rule = Rule(metric="*/*/acc", require="not_regressed")
    runs = many(0, {"a": (8, 5), "b": (5, 6), "c": (7, 7), "d": (0, 0)})
    seen = [each.comparison for each in decide(*runs, rules=(rule,)).verdicts[0].findings]
    assert [each.mde for each in seen if each is not None] == [
        pytest.approx(stats.binary_mde(discordant, 400, 0.05 / tests)) for discordant, tests in ((13, 3), (11, 3), (14, 3), (0, 4))
    ]


def test_a_claim_says_the_smallest_gain_beyond_its_margin() -> None:
    base, new = against(2, 60, 200, 138)
    runs = (measured("base", samples(base)), measured("new", samples(new)))
    found = decide(*runs, rules=(msgspec.structs.replace(CLAIM, margin=0.05),)).verdicts[0].findings[0]
    assert found.outcome == "pass"
    assert found.comparison is not None
    assert found.comparison.mde == pytest.approx(stats.smallest_gain(stats.Design(400, 63 / 400), 0.05), rel=1e-6)
    assert f"a gain under {100 * (found.comparison.mde or 0):.1f} points could not have been seen" in found.reason


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
