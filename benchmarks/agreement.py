"""Are the two sides doing the same work? Same questions, same log-probabilities within 1e-4 nats, same score of every document."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.row import Unequal

NATS = 1e-4
"""How far two log-probabilities of the same choice may lie apart."""

ROUNDING = 4
"""How many times as far from float64 as lm-eval's own float32 ours may lie, where float64 has shown the two to be the same."""

Scores = Mapping[Any, float]


def same(what: str, ours: Scores, theirs: Scores, *, within: float = 0.0) -> float:
    """The largest difference of two mappings of numbers. Raises Unequal where it exceeds ``within``, or the keys differ."""
    if ours.keys() != theirs.keys():
        odd = sorted(map(str, ours.keys() ^ theirs.keys()))
        raise Unequal(f"{what}: {len(ours)} of ours against {len(theirs)} of theirs; on one side only: {', '.join(odd[:5])}")
    if not ours:
        raise Unequal(f"{what}: there is nothing to compare")
    worst = max(ours, key=lambda key: _distance(ours[key], theirs[key]))
    largest = _distance(ours[worst], theirs[worst])
    if not largest <= within or math.isinf(largest):
        raise Unequal(f"{what} {worst}: {ours[worst]} with us, {theirs[worst]} with them; allowed is a difference of {within:.2g}")
    return largest


def _distance(one: float, other: float) -> float:
    distance = abs(one - other)
    return distance if distance == distance else float("inf")  # a NaN equals nothing


def same_questions(what: str, ours: Mapping[int, list[str]], theirs: Mapping[int, list[str]]) -> None:
    """Raises Unequal where the two sides did not ask the same texts about the same documents."""
    if ours.keys() != theirs.keys():
        raise Unequal(f"{what}: {len(ours)} documents of ours against {len(theirs)} of theirs")
    for document, texts in ours.items():
        if texts != theirs[document]:
            raise Unequal(f"{what}: document {document} is asked as {texts} with us and as {theirs[document]} with them")


def same_logprobs(what: str, ours: Scores, theirs: Scores, exact: Callable[[list[int]], tuple[Scores, Scores]]) -> dict[str, Any]:
    """Raises Unequal unless the two sides agree within 1e-4 nats; says what was found. Keys are (document, choice).

    Float32 cannot always keep that promise: on the lab's base lm-eval differs by 1.3e-4 from itself when only its batch size
    changes, and with a random adapter by 6e-4 from its own float64. Where a document's float32 results lie further apart, both
    sides score that document again in float64 (``exact``: documents -> ours, theirs), where they must agree within 1e-4; and our
    float32 score must be as right as float32 can be: off float64 by at most 1e-4 and ``ROUNDING`` times lm-eval's furthest.
    """
    about = {"choices": len(ours), "our mean, nats": sum(ours.values()) / max(1, len(ours))}
    largest = same(what, ours, theirs, within=math.inf)
    open_ones = sorted({key[0] for key in ours if _distance(ours[key], theirs[key]) > NATS})
    about["largest difference in float32, nats"] = largest
    if not open_ones:
        return about
    own, others = exact(open_ones)
    difference = same(f"{what} in float64", own, others, within=NATS)
    rounded = max(abs(theirs[key] - others[key]) for key in others)
    ours_there = {key: ours[key] for key in others}
    own_rounding = same(f"{what} against float64", ours_there, others, within=NATS + ROUNDING * rounded)
    return about | {
        "documents that float32 leaves open": len(open_ones),
        "their largest difference in float64, nats": difference,
        "lm-eval's own float32 against its float64 there, nats": rounded,
        "our float32 against that float64, nats": own_rounding,
    }
