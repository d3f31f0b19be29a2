"""Any judgments, one per line: {"key", "order", "verdict"}.

key                          which item
order                        where the candidate's answer stood: "left", "right", or "alone" where each was judged by itself
verdict                      "candidate", "baseline", "tie", "none" (could not be read), or the candidate's score from 0 to 1
candidate, baseline          who answered; where one of them is always the same, the command can say it
judge, reason                who said it, and why
prompt, output, other        the question, the candidate's answer, the baseline's
cluster, task, slice.NAME    of the item, as in imported scores
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast, get_args

from harness.errors import UsageError
from harness.plugins import did_you_mean
from suites.elsewhere.opinion import Asked, Opinion, Order, judge_of, name_of, number_of, text_of

FIELDS = ("key", "order", "verdict")
KNOWN = (*FIELDS, "candidate", "baseline", "judge", "reason", "prompt", "output", "other", "cluster", "task")
SLICE = "slice."
WORTH = {"candidate": 1.0, "baseline": 0.0, "tie": 0.5, "none": None}


def opinions(fields: Mapping[str, Any], place: str, candidate: str | None, baseline: str | None) -> list[Opinion]:
    """The one opinion of a row; ``candidate`` and ``baseline`` where the row does not say."""
    for name in fields:
        if name not in KNOWN and not (name.startswith(SLICE) and len(name) > len(SLICE)):
            raise UsageError(f"{place}: nothing is known of {name!r}. {did_you_mean(name, (*KNOWN, f'{SLICE}NAME'))}")
    order = text_of(fields, "order", place)
    if order not in get_args(Order):
        raise UsageError(f"{place}: order is {order[:80]!r}; expected left, right or alone: where the candidate's answer stood")
    texts = ("output" in fields, "other" in fields)
    if any(texts) and not all(texts):
        raise UsageError(
            f"{place}: there is {'an output' if texts[0] else 'another answer (other)'} alone; expected both, or neither"
        )
    slices = {name.removeprefix(SLICE): text_of(fields, name, place) for name in sorted(fields) if name.startswith(SLICE)}
    return [
        Opinion(
            place=place,
            item=Asked(
                key=name_of(fields, "key", place),
                prompt=text_of(fields, "prompt", place, ""),
                cluster=None if fields.get("cluster") is None else name_of(fields, "cluster", place),
                task=text_of(fields, "task", place, ""),
                slices=slices,
            ),
            first=name_of(fields, "candidate", place, candidate),
            second=name_of(fields, "baseline", place, baseline),
            score=_worth(fields["verdict"], place),
            order=cast(Order, order),
            judge=judge_of(fields, "judge", place),
            reason=text_of(fields, "reason", place, ""),
            texts=(text_of(fields, "output", place), text_of(fields, "other", place)) if all(texts) else None,
        )
    ]


def _worth(verdict: Any, place: str) -> float | None:
    if isinstance(verdict, str) and verdict in WORTH:
        return WORTH[verdict]
    if verdict is None:
        return None
    return number_of(verdict, "verdict", place, 0.0, 1.0, f" (the candidate's score), or one of {', '.join(WORTH)}")
