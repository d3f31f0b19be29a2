"""Items that failed, items that one side lacks, and sides that were not asked alike."""

from __future__ import annotations

import msgspec

from harness.records import Rule
from tests.harness.gate.deciding import MARGIN, against, decide, finding
from tests.harness.runs import measured, right


def test_failures_above_the_limit_make_the_finding_invalid_and_below_they_do_not() -> None:
    base, new = against(2, 2, 400, 196)
    few: list[float | None] = [*new[:-3], None, None, None]
    many_: list[float | None] = [*new[:-30], *[None] * 30]
    assert finding(base, few, MARGIN).outcome == "pass"
    found = finding(base, many_, MARGIN)
    assert found.outcome == "invalid"
    assert "30 of 600 items (5.0 %) of facts failed for new" in found.reason
    assert "the engine gave up" in found.reason
    assert finding(base, many_, msgspec.structs.replace(MARGIN, max_errors=0.1)).outcome in {"pass", "inconclusive"}
    assert finding(many_, base, MARGIN).outcome == "invalid"


def test_an_error_is_not_a_zero() -> None:
    base, new = against(0, 0, 400, 200)
    found = finding(base, [*new[:3], None, None, *new[5:]], MARGIN).comparison
    assert found is not None
    assert found.gain == 0.0
    assert found.missing == 2


def test_missing_items_are_also_decided_under_the_worst_case() -> None:
    base, new = against(4, 4, 400, 192)
    assert "3 missing items counted as lost would not change that" in finding(base, [*new[:-3], None, None, None], MARGIN).reason
    tight = Rule(metric="facts/*/acc", require="non_inferior", margin=0.012)
    found = finding(base, [*new[:-5], *[None] * 5], tight)
    assert found.outcome == "pass"
    assert "5 missing items counted as lost would change that" in found.reason


def test_items_on_one_side_only_are_not_averaged_over() -> None:
    base, new = against(4, 4, 400, 192)
    found = finding(base, new[:-20], MARGIN)
    assert found.outcome == "inconclusive"
    assert "20 items are on one side only" in found.reason
    assert finding(base, new[:-20], msgspec.structs.replace(MARGIN, max_missing=0.05)).outcome == "pass"


def test_everything_failed_is_an_evaluation_error_and_not_a_config_error() -> None:
    conclusion = decide(measured("base", [None] * 5), measured("new", [None] * 5))
    assert conclusion.outcome == "invalid"
    assert conclusion.exit_code == 13


def test_sides_that_were_not_asked_alike_are_not_compared() -> None:
    base, new = measured("base", right(50, 50)), measured("new", right(50, 50), items_hash="other")
    conclusion = decide(base, new)
    assert conclusion.outcome == "not_comparable"
    assert conclusion.exit_code == 12
    assert "differ in facts by items (items against other)" in conclusion.verdicts[0].findings[0].reason
    assert conclusion.comparisons == ()


def test_an_allowed_difference_is_said_as_a_warning() -> None:
    engine = {"name": "fake", "version": "1", "dtype": "bfloat16"}
    base, new = measured("base", right(400, 200)), measured("new", right(400, 200), engine=engine)
    assert decide(base, new).outcome == "not_comparable"
    conclusion = decide(base, new, allow=("dtype",))
    assert conclusion.outcome == "pass"
    assert any("differ in dtype" in warning for warning in conclusion.verdicts[0].warnings)


def test_a_suite_that_the_candidate_was_not_put_through_is_invalid() -> None:
    half = right(5, 5)
    runs = (measured("base", half), measured("base", half, suite="skill"), measured("new", half, suite="skill"))
    conclusion = decide(*runs)
    assert conclusion.outcome == "invalid"
    assert "new was not put through facts" in conclusion.verdicts[0].sentence
