"""The smallest conclusions that the outlets in text are tested with, and a name that attacks each of them."""

from __future__ import annotations

from typing import Any

from harness.records import Comparison, Conclusion, Finding, Rule, Verdict

HOSTILE_NAME = "<img src=x onerror=alert(1)> @everyone #1 [x](javascript:1) `|` ::error::\x1b[31m\u202e\x00"


def finding(outcome: Any = "fail", severity: Any = "block", name: str | None = None, metric: str = "s/t/acc") -> Finding:
    comparison = Comparison(
        metric=metric,
        baseline="b",
        candidate="c",
        baseline_value=0.7,
        candidate_value=0.66,
        gain=-0.04,
        low=-0.06,
        high=-0.0201,
        p=0.0,
        items=1200,
        lost=60,
        won=12,
    )
    rule = Rule(name=name, metric=metric, require="non_inferior", margin=0.02, severity=severity)
    return Finding(rule=rule, outcome=outcome, reason=f"{metric}: a loss is proven.", metric=metric, comparison=comparison)


def concluded(*findings: Finding, outcome: Any = "fail", candidate: str = "c") -> Conclusion:
    verdict = Verdict(candidate=candidate, outcome=outcome, sentence=f"Do not ship {candidate}: s/t/acc fell.", findings=findings)
    return Conclusion(created="", baseline="b", outcome=outcome, exit_code=10, verdicts=(verdict,))
