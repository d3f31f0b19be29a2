"""What changed between two runs of one suite: who answered, how they were asked, which items, and what came of it.

Runs that may not be compared are read too: why they may not is what somebody wants to know. Pure: two runs in, a record out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

from harness.compare.parity import ALLOWABLE, parity
from harness.errors import ComparabilityError
from harness.records import Measured, Record, Run, Sample
from reports.apart import Piece, apart
from reports.items.texts import target_text

MOST = 5
"""Examples of a kind."""
ANSWERED = "other answer"
SCORED = "same answer, scored otherwise"
RESCORED = f"{SCORED} (another version of the suite, or of a judge)"
ABOUT = ("who", "questions", "engine", "machine")

_ITEMS = ("items", "prompts", "suite", "judge", "draws", "metrics", "task settings", "request options", "template date")
_GROUPS = {**dict.fromkeys(_ITEMS, "questions"), **dict.fromkeys(ALLOWABLE, "engine"), "seed": "questions"}


class Difference(Record, frozen=True, kw_only=True):
    """One thing that is not the same. ``about``: who (weights, names), the ``questions``, the ``engine``, or the ``machine``.
    ``forbids`` comparing, unless it is ``allowable`` and the policy allows it."""

    about: str
    what: str
    old: str
    new: str
    forbids: bool = False
    allowable: bool = False


class Example(Record, frozen=True, kw_only=True):
    """An item: what it was and what it is, cut to where they differ. Nothing where only its being there differs."""

    key: str
    old: tuple[Piece, ...] = ()
    new: tuple[Piece, ...] = ()


class ItemDifference(Record, frozen=True, kw_only=True):
    """Items of which something is not the same, and some of them."""

    what: str
    count: int
    examples: tuple[Example, ...] = ()


class Changes(Record, frozen=True, kw_only=True):
    """``shared``: items that both have. ``same_weights``: weights, adapter and tokenizer are known, and the same."""

    suite: str
    old: str
    new: str
    shared: int
    same_weights: bool
    differences: tuple[Difference, ...]
    items: tuple[ItemDifference, ...]

    @property
    def forbids(self) -> tuple[str, ...]:
        """What must be equal, and is not."""
        return tuple(each.what for each in self.differences if each.forbids)

    def about(self, what: str) -> tuple[Difference, ...]:
        """The differences of one kind, what forbids comparing first."""
        return tuple(sorted((each for each in self.differences if each.about == what), key=lambda each: not each.forbids))


def changes(old: Measured, new: Measured) -> Changes:
    """Everything that differs. ComparabilityError where they are of two suites, which have nothing to change."""
    if old.run.suite != new.run.suite:
        raise ComparabilityError(
            f"these are runs of different suites ({old.run.suite}, {new.run.suite}), which have no question in common"
        )
    return Changes(
        suite=old.run.suite,
        old=old.run.candidate.name,
        new=new.run.candidate.name,
        shared=len(_by_key(old).keys() & _by_key(new).keys()),
        same_weights=same_weights(old.run, new.run),
        differences=tuple(_differences(old, new)),
        items=tuple(_items(old, new)),
    )


def same_weights(old: Run, new: Run) -> bool:
    """Whether the same weights answered, as far as hashes say so; an endpoint's are not known."""
    one, other = old.fingerprints, new.fingerprints
    return bool(one.weights) and (one.weights, one.adapter, one.tokenizer) == (other.weights, other.adapter, other.tokenizer)


def _differences(old: Measured, new: Measured) -> Iterator[Difference]:
    left, right = old.run, new.run
    for what, a, b in _who(left, right):
        yield Difference(about="who", what=what, old=a, new=b)
    for line in parity(old, new):
        if not line.equal:
            about = "who" if line.what in ("weights", "adapter", "tokenizer") else _GROUPS.get(line.what, "engine")
            values = (line.baseline_value, line.candidate_value)
            if line.what == "prompts":  # counted, where other things have a value on either side
                values = ("–", line.candidate_value.replace(" differ", " items asked otherwise"))
            yield Difference(
                about=about, what=line.what, old=values[0], new=values[1], forbids=line.required, allowable=line.what in ALLOWABLE
            )  # fmt: skip
    yield from _table("questions", "file", left.sources, right.sources)
    for name in ("planned", "limit"):
        a, b = str(getattr(left, name)), str(getattr(right, name))
        if a != b:
            yield Difference(about="questions", what=name, old=a, new=b)
    yield from _table("engine", "option", left.candidate.options, right.candidate.options)
    packages = [run.environment.get("packages") or {} for run in (left, right)]
    yield from _table("machine", "package", packages[0], packages[1])
    rest = [{name: value for name, value in run.environment.items() if name != "packages"} for run in (left, right)]
    yield from _table("machine", "environment", rest[0], rest[1])


def _who(left: Run, right: Run) -> Iterator[tuple[str, str, str]]:
    for what in ("name", "model", "revision", "adapter", "engine"):
        a, b = (str(getattr(run.candidate, what) or "none") for run in (left, right))
        if a != b:
            yield what if what != "adapter" else "adapter path", a, b


def _table(about: str, word: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    for name in sorted({*old, *new}):
        a, b = (_short(side.get(name)) for side in (old, new))
        if old.get(name) != new.get(name):
            yield Difference(about=about, what=f"{word} {name}", old=a, new=b)


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text[:12] if re.fullmatch("[0-9a-f]{32,}", text) else text[:200]


# ------------------------------------------------------------------------------------------------------------ items


def _by_key(side: Measured) -> dict[tuple[str, str], Sample]:
    return {(sample.task, sample.key): sample for sample in side.samples}


def _items(old: Measured, new: Measured) -> Iterator[ItemDifference]:
    before, after = _by_key(old), _by_key(new)
    both = [key for key in before if key in after]
    pairs = [(key[1], before[key], after[key]) for key in both]
    for what, only in (
        ("items only the old run has", before.keys() - after.keys()),
        ("items only the new run has", after.keys() - before.keys()),
    ):
        found = sorted(only)
        yield ItemDifference(what=what, count=len(found), examples=tuple(Example(key=key) for _, key in found[:MOST]))
    yield _differing("other prompt", [(key, a.prompt, b.prompt) for key, a, b in pairs if a.prompt != b.prompt])
    yield _differing(
        "same prompt, asked otherwise (decoding, other messages, or tools)",
        [
            (key, "", "")
            for key, a, b in pairs
            if a.prompt == b.prompt and a.prompt_hash and b.prompt_hash and a.prompt_hash != b.prompt_hash
        ],
    )
    yield _differing(
        "other expected answer",
        [(key, target_text(a.target), target_text(b.target)) for key, a, b in pairs if a.target != b.target],
    )
    yield _differing(
        "other slices, cluster or weight", [(key, _place(a), _place(b)) for key, a, b in pairs if _place(a) != _place(b)]
    )
    yield _differing(
        RESCORED if (old.run.suite_hash, old.run.judge_hash) != (new.run.suite_hash, new.run.judge_hash) else SCORED,
        [(key, _scores(a), _scores(b)) for key, a, b in pairs if a.outputs == b.outputs and a.outputs and _scores(a) != _scores(b)],
    )
    yield _differing(ANSWERED, [(key, *_answers(a, b)) for key, a, b in pairs if a.outputs != b.outputs])


def _differing(what: str, found: list[tuple[str, str, str]]) -> ItemDifference:
    examples = []
    for key, a, b in found[:MOST]:
        old, new = apart(a, b)
        examples.append(Example(key=key, old=old, new=new))
    return ItemDifference(what=what, count=len(found), examples=tuple(examples))


def _answers(old: Sample, new: Sample) -> tuple[str, str]:
    """The first of several answers that is not the same; an error where there is none."""
    sides = [each.outputs or (f"error: {each.error}",) if each.error else each.outputs or ("",) for each in (old, new)]
    pairs = list(zip_longest(sides[0], sides[1], fillvalue=""))
    return next(((a, b) for a, b in pairs if a != b), pairs[0])


def _place(sample: Sample) -> str:
    slices = ", ".join(f"{name}={value}" for name, value in sorted(sample.slices.items()))
    return f"{slices}; cluster {sample.cluster}; weight {sample.weight:g}"


def _scores(sample: Sample) -> str:
    if sample.scores is None:
        return f"error: {sample.error}"
    return ", ".join(f"{name} {value:.4g}" for name, value in sample.scores.items())
