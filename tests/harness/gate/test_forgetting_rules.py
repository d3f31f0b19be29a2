"""What was lost against the reference."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from harness.errors import ConfigError
from harness.gate import Policy, conclude
from harness.records import Conclusion, Rule
from tests.harness.gate.deciding import against, decide
from tests.harness.runs import measured, right, samples, table

LOST = Rule(metric="facts/*/lost", require="at_most", value=0.05, against="reference")


def forgetting(lost: int, **policy: Any) -> Conclusion:
    """``base`` knew 500 of 600; ``prod`` is the baseline and equal to it; ``new`` lost some."""
    base, new = against(lost, 0, 500 - lost, 100)
    runs = [measured(name, samples(scores), retained=True) for name, scores in (("prod", base), ("base", base), ("new", new))]
    settings_: dict[str, Any] = {"baseline": "prod", "references": {"new": "base", "prod": "base"}, "rules": (LOST,), **policy}
    return conclude(table(*runs), Policy(**settings_), created="", environment={})


def test_losses_are_counted_against_the_reference() -> None:
    assert forgetting(10).outcome == "pass"
    failed = forgetting(60)
    assert failed.outcome == "fail"
    assert failed.verdicts[0].change == "facts/t/lost must come under 5.0 % (now 10.0 %)."
    assert {(c.baseline, c.metric) for c in failed.comparisons if c.candidate == "new"} == {
        (other, f"facts/t/{name}") for other in ("prod", "base") for name in ("acc", "lost", "gained")
    }


def test_a_reference_is_not_judged_itself() -> None:
    assert [answer.candidate for answer in forgetting(10).verdicts] == ["new"]


def test_without_a_reference_nothing_can_be_called_lost() -> None:
    conclusion = forgetting(10, references={"prod": "base"})
    answer = next(each for each in conclusion.verdicts if each.candidate == "new")
    assert answer.outcome == "no_baseline"
    assert conclusion.exit_code == 12


def test_what_the_reference_never_knew_cannot_be_lost() -> None:
    runs = [measured(name, right(0, 300), retained=True) for name in ("base", "new")]
    conclusion = decide(*runs, rules=(LOST,), references={"new": "base"})
    # A reference that is also the baseline is never judged, its candidate is.
    assert conclusion.verdicts[0].findings[0].outcome == "insensitive"


def test_the_conclusion_survives_its_own_file() -> None:
    conclusion = forgetting(60)
    again = msgspec.json.decode(msgspec.json.encode(conclusion), type=Conclusion)
    assert msgspec.json.encode(again) == msgspec.json.encode(conclusion)
    assert again.health[0].value == pytest.approx(500 / 600)
    assert again.runs["facts"]["new"] == "graded new"


def test_a_budget_says_against_whom_it_is_lost() -> None:
    assert "10.0 % lost against base (90 % interval" in forgetting(60).verdicts[0].findings[0].reason


def test_a_budget_against_anyone_but_the_reference_is_refused() -> None:
    pinned = msgspec.structs.replace(LOST, against="pin:w30")
    for rule in (pinned, msgspec.structs.replace(pinned, metric="facts/*/l?st")):
        with pytest.raises(ConfigError, match="what is lost is counted against the reference") as caught:
            forgetting(10, rules=(rule,))
        assert caught.value.where == "rules[0].against"
    assert forgetting(10, rules=(msgspec.structs.replace(LOST, against="baseline"),)).outcome == "pass", "the default, unwritten"


def test_what_failed_is_counted_as_lost_in_the_worst_case() -> None:
    base, new = [1.0] * 300, [0.0] * 4 + [1.0] * 293 + [None] * 3
    runs = [measured(name, samples(scores), retained=True) for name, scores in (("base", base), ("new", new))]
    found = decide(*runs, rules=(LOST,), references={"new": "base"}).verdicts[0].findings[0]
    assert found.outcome == "pass"
    assert "; 3 missing items counted at the worse end would not change that" in found.reason
    tight = msgspec.structs.replace(LOST, value=0.035)
    found = decide(*runs, rules=(tight,), references={"new": "base"}).verdicts[0].findings[0]
    assert found.outcome == "pass"
    assert "; 3 missing items counted at the worse end would change that" in found.reason
