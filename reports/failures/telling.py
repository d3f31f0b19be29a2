"""What lost items have in common, in sentences, for where there is no page."""

from __future__ import annotations

from collections.abc import Mapping

from reports.failures.reading import Found, Looks, Reading
from reports.wording import count_text, score_text

MOST = 3
_WORDS = {"suite": "suite", "task": "task", "slice": "slice", "question": "questions alike"}


def failure_lines(readings: Mapping[str, Reading]) -> list[str]:
    """Few lines per candidate that lost enough to be grouped: where most was lost, and what the lost answers look like."""
    lines = []
    for name, found in readings.items():
        lost = count_text(found.lost)
        lines += [f"{name}: {_group(each)}" for each in found.groups[:MOST]]
        lines += [f"{name}: {count_text(each.count)} of {lost} lost answers {_looks(each)}" for each in found.answers[:1]]
    return lines


def _group(each: Found) -> str:
    where = f"{_WORDS[each.by]} {each.name}".strip() + ("" if each.by == "suite" else f" of {each.suite}")
    return (
        f"{where}: {count_text(each.lost)} of {count_text(each.items)} lost, elsewhere {score_text(each.elsewhere, 'bounded')}; "
        f"explains {score_text(each.excess, 'bounded')} of the loss"
    )


def _looks(each: Looks) -> str:
    if each.empty:
        return "are empty"
    return f"have in common: {each.words}" if each.words else "are alike in their signs"
