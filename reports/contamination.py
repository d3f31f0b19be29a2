"""Which rules rest on items that were found in training data, and how many those were."""

from __future__ import annotations

from markupsafe import Markup

from harness.records import Comparison, Conclusion, Record
from reports.drawing.strips import stacked
from reports.figures import Figure, count_figure, pointer
from reports.wording import rule_name


class Tainted(Record, frozen=True, kw_only=True):
    """One rule about one candidate. ``found``: of its items, in training data; ``left_out``: the rule did not count them."""

    candidate: str
    rule: str
    metric: str
    items: Figure
    found: Figure | None
    left_out: Figure | None
    picture: Markup


def tainted(conclusion: Conclusion) -> tuple[Tainted, ...]:
    """One row per rule and candidate; empty where nothing was found, or nobody looked."""
    rows = []
    for number, verdict in enumerate(conclusion.verdicts):
        for index, finding in enumerate(verdict.findings):
            comparison = finding.comparison
            if comparison is None or not any(comparison.parameters.get(word) for word in ("contaminated", "excluded")):
                continue
            at = pointer("conclusion", "verdicts", number, "findings", index, "comparison")
            counts = {
                word: count_figure(comparison.parameters[word], f"{at}/parameters/{word}")
                for word in ("contaminated", "excluded")
                if comparison.parameters.get(word)
            }
            rows.append(
                Tainted(
                    candidate=verdict.candidate,
                    rule=rule_name(finding.rule),
                    metric=finding.metric or comparison.metric,
                    items=count_figure(comparison.items, f"{at}/items"),
                    found=counts.get("contaminated"),
                    left_out=counts.get("excluded"),
                    picture=_shares(verdict.candidate, comparison),
                )
            )
    return tuple(rows)


def _shares(candidate: str, comparison: Comparison) -> Markup:
    """What is clean, what was found and counts all the same, and what was found and left out."""
    found, left_out = (int(comparison.parameters.get(word) or 0) for word in ("contaminated", "excluded"))
    clean = max(0, comparison.items - found)
    words = f"{candidate}: {clean} items not found, {found} found and counted, {left_out} found and left out"
    return stacked([("not found", clean, "plain"), ("found", found, "loss"), ("left out", left_out, "tie")], words)
