"""Are the two sides doing the same work? Same questions, same log-probabilities within 1e-4 nats, same score of every document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.row import Unequal

NATS = 1e-4
"""How far two log-probabilities of the same choice may lie apart."""

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
    if largest > within:
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


def same_logprobs(what: str, ours: Scores, theirs: Scores, exact: Callable[[], tuple[Scores, Scores]]) -> dict[str, Any]:
    """Raises Unequal unless the two sides agree within 1e-4 nats; says what was found.

    Float32 cannot always keep that promise: on the lab's base lm-eval differs by 1.3e-4 from itself when only its batch size
    changes. Where float32 results lie further apart, ``exact`` gives both sides' results in float64, which must agree within 1e-4;
    and the float32 ones may then lie apart by that and by twice lm-eval's own rounding (its float32 against its float64).
    """
    about = {"choices": len(ours), "our mean, nats": sum(ours.values()) / max(1, len(ours))}
    try:
        return about | {"largest difference in float32, nats": same(what, ours, theirs, within=NATS)}
    except Unequal:
        own, others = exact()
    found = same(f"{what} in float64", own, others, within=NATS)
    rounding = max(abs(theirs[key] - others[key]) for key in others)
    return about | {
        "largest difference in float64, nats": found,
        "lm-eval's own rounding in float32, nats": rounding,
        "largest difference in float32, nats": same(what, ours, theirs, within=NATS + 2 * rounding),
    }
