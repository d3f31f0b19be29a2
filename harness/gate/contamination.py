"""Items that were found in training data: each of them says so in a slice, and a rule may be refused for too many of them.

The slice is derived from the policy and stands in no run: the same answers are read with another list, or without one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from harness.errors import ConfigError
from harness.gate import sentences as words
from harness.gate.policy import HUMAN_WIN, Policy
from harness.records import Rule

CONTAMINATED = "contaminated"
"""The field of the slice: ``yes`` or ``no``."""

CLEAN = f"{CONTAMINATED}=no"

REMEDY = "must look at fewer items that training data contain"
"""Follows the metric's name."""


def found_in(contaminated: Mapping[str, Collection[str]] | None, suite: str) -> frozenset[str] | None:
    """Keys of a suite's items that were found in training data; None where nothing says which. A vote's key names its suite."""
    if contaminated is None:
        return None
    if suite == HUMAN_WIN.split("/")[0]:
        return frozenset(f"{name}/{key}" for name, keys in contaminated.items() for key in keys)
    return frozenset(contaminated.get(suite, ()))


def marked(slices: Mapping[str, str], key: str, found: Collection[str] | None) -> Mapping[str, str]:
    """What is known of an item: what it says of itself, and whether it was found in training data, where that is known."""
    return slices if found is None else {**slices, CONTAMINATED: "yes" if key in found else "no"}


def check_unmarked(items: Iterable[tuple[str, str, Mapping[str, str]]]) -> None:
    """ConfigError for an item that has a slice of that name itself. ``items``: suite, key and slices, where a list is named."""
    for suite, key, slices in items:
        if CONTAMINATED in slices:
            raise ConfigError(
                f"item {key!r} of suite {suite!r} has a slice {CONTAMINATED!r} of its own, which the file of contaminated items "
                "says of every item: one word, two meanings. Give the item's slice another name, or take the file out.",
                where=CONTAMINATED,
            )


def limit_of(rule: Rule, policy: Policy) -> float | None:
    """Share of a rule's items that may be contaminated; None: any. A rule that nobody wrote cannot be told to leave them out,
    and how an answer ends is not what training data give away."""
    if rule.implicit:
        return None
    return policy.max_contaminated if rule.max_contaminated is None else rule.max_contaminated


def refusal(rule: Rule, policy: Policy, counts: Mapping[str, tuple[int, int]]) -> str:
    """Why a rule decides nothing; empty where it may. ``counts``: suite -> how many of its items are contaminated, of how many."""
    limit = limit_of(rule, policy)
    for suite, (bad, items) in counts.items():
        if limit is not None and items and bad / items > limit:
            share = f"{bad:,} of {items:,} items ({words.share(bad / items, 'binary', bounds=(limit,))})"
            return (
                f"{share} of {suite} were found in training data, more than the {100 * limit:g} % allowed: leave them out "
                '(exclude = "contaminated"), take another test set, or train without them'
            )
    return ""
