"""Who was asked in part: how far, and why that was enough. Everything comes from the conclusion's health."""

from __future__ import annotations

from harness.records import Conclusion, Health, Record
from reports.figures import Figure, count_figure, pointer


class LookLine(Record, frozen=True, kw_only=True):
    """One candidate in one suite that was asked look by look."""

    suite: str
    candidate: str
    asked: Figure
    planned: Figure
    early: bool
    why: str


def look_lines(conclusion: Conclusion) -> tuple[LookLine, ...]:
    """For the page; empty where everybody was asked in full."""
    return tuple(
        LookLine(
            suite=each.suite,
            candidate=each.candidate,
            asked=count_figure(each.asked, pointer("conclusion", "health", index, "asked")),
            planned=count_figure(each.planned, pointer("conclusion", "health", index, "planned")),
            early=stopped_early(each),
            why=why(each),
        )
        for index, each in enumerate(conclusion.health)
        if each.looks is not None
    )


def why(health: Health) -> str:
    """Where asking ended and why, as a sentence without its full stop; empty where it was not asked look by look."""
    looks = health.looks
    if looks is None:
        return ""
    return looks.stopped or f"asked in full: the last of {len(looks.planned)} looks saw all {looks.planned[-1]:,} items"


def stopped_early(health: Health) -> bool:
    """Whether items were left unasked because they were not needed."""
    return health.looks is not None and bool(health.looks.stopped)


def told(conclusion: Conclusion) -> list[str]:
    """How far each candidate was asked, a line per candidate, without the reasons."""
    lines = []
    for name in dict.fromkeys(each.candidate for each in conclusion.health):
        mine = [each for each in conclusion.health if each.candidate == name and each.looks is not None]
        parts = [
            f"{each.asked:,} of {each.planned:,} items of {each.suite} (look {len(each.looks.made)} of {len(each.looks.planned)})"
            for each in mine
            if each.looks is not None
        ]
        if parts:
            lines.append(f"{name}: asked {', '.join(parts)}")
    return lines
