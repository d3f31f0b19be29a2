"""What tests of the gate share: conclusions, verdicts and findings from nothing but scores."""

from __future__ import annotations

from typing import Any

from harness.gate import Policy, conclude
from harness.records import Conclusion, Finding, Measured, Rule, Verdict
from tests.harness.runs import measured, right, samples, table

MARGIN = Rule(metric="facts/*/acc", require="non_inferior", margin=0.03)
CLAIM = Rule(metric="facts/*/acc", require="superior")
LIGHT = Rule(metric="facts/*/acc", require="not_regressed")


def decide(*runs: Measured, rules: tuple[Rule, ...] = (MARGIN,), **policy: Any) -> Conclusion:
    """Conclude with ``base`` as the baseline."""
    settings: dict[str, Any] = {"baseline": "base", "rules": rules, **policy}
    return conclude(table(*runs), Policy(**settings), created="2026-11-20", environment={"python": "3.11"})


def verdict(base: list[float | None], new: list[float | None], *rules: Rule, **fields: Any) -> Verdict:
    """The verdict over one candidate in one suite; ``fields`` are of both runs."""
    runs = (measured("base", samples(base), **fields), measured("new", samples(new), **fields))
    return decide(*runs, rules=rules).verdicts[0]


def finding(base: list[float | None], new: list[float | None], rule: Rule, **fields: Any) -> Finding:
    """The one finding of one rule."""
    return verdict(base, new, rule, **fields).findings[0]


def against(lost: int, won: int, tied_right: int, tied_wrong: int = 0) -> tuple[list[float | None], list[float | None]]:
    """Scores of baseline and candidate with this table."""
    base = [1.0] * lost + [0.0] * won + right(tied_right, tied_wrong)
    new = [0.0] * lost + [1.0] * won + right(tied_right, tied_wrong)
    return [*base], [*new]
