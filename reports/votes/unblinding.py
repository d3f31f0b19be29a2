"""Votes with the key laid beside them: two ordinary runs of the suite ``human``, compared, gated and reported like any other."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from harness.compare.winning import EVEN
from harness.errors import UsageError
from harness.fingerprint import digest
from harness.records import Flag, Judgment, Measured, Metric, People, Run, Sample
from reports.blind.assigning import same_name
from reports.blind.form import SCALE, Form
from reports.blind.key import KeyEntry
from reports.people.arms import preference, score
from reports.votes.pooling import Poll, counting, human_key, stands_for_all
from reports.votes.vote import Rated, Vote

VERSION = "3"
_NO_NAME = re.compile(r"[^\w.-]+")


def metrics_of(form: Form) -> dict[str, Metric]:
    """``win``; ``preference``, where raters say how much better; ``criterion_…``, where they rate."""
    rate = Metric(kind="real", range=(1.0, float(SCALE)))
    graded = {"preference": Metric(kind="bounded")} if form.strength else {}
    return {"win": Metric(kind="bounded"), **graded, **{criterion_name(name): rate for name in form.criteria}}


def criterion_name(name: str) -> str:
    """As the id of a metric; two criteria that differ in signs only stay apart by their digest."""
    plain = _NO_NAME.sub("_", name.strip()).strip("_")
    return f"criterion_{plain}" if plain == name else f"criterion_{plain}_{digest(name)[:4]}".replace("__", "_")


def judgment(vote: Vote, entry: KeyEntry) -> Judgment:
    """A vote, unblinded: 1 the candidate's answer, ½ a tie or both bad, 0 the baseline's."""
    said = "; ".join(part for part in (", ".join(vote.reasons), vote.comment) if part)
    order = entry.candidate_side or "alone"
    return Judgment(score=score(vote, entry), reason=said, raw=vote.choice, judge=f"human:{vote.rater}", order=order)


def to_measured(
    polls: Sequence[Poll], *, rivals: Sequence[Poll] = (), created: str = "", environment: Mapping[str, Any] | None = None
) -> tuple[Measured, Measured]:
    """Baseline and candidate as runs of the suite ``human``: in ``win`` and ``preference`` ½ everywhere for the baseline, in each
    ``criterion_…`` the ratings of its own answers. ``polls`` are packages of these two, ``rivals`` of the baseline and others,
    which rated the baseline's answers, too.

    Where packages hold items that were drawn, and others items that were picked by hand, only the former count; ``people`` tells of
    all of them. Votes on one item are averaged inside it, and before that what one person said of it in several packages. Planted
    rows do not count. Items that nobody voted on are left out of both sides and counted: ``planned`` holds all, ``asked`` those
    with votes. An item weighs what it stands for. Raises UsageError where there are no votes.
    """
    counted = counting(polls)
    theirs, everybodys = _said(counted), _said((*counted, *rivals))
    if not theirs:
        raise UsageError("there are no votes to import: every choice is empty, or does not count")
    weights = stands_for_all((*counted, *rivals)) | stands_for_all(counted)
    rest = {"created": created, "environment": dict(environment or {})}
    own = tuple(_candidates(key, said, weights[key]) for key, said in theirs.items())
    others = tuple(_baselines(key, said, weights[key]) for key, said in everybodys.items())
    first, people = polls[0].key, tuple(poll.people for poll in polls)
    return (
        Measured(run=_run(first.baseline, (*counted, *rivals), others, (), rest), samples=others),
        Measured(run=_run(first.candidate, counted, own, people, rest), samples=own),
    )


@dataclass(frozen=True)
class Said:
    """One vote on an item, with what it takes to read it."""

    poll: Poll
    entry: KeyEntry
    vote: Vote


def _said(polls: Sequence[Poll]) -> dict[str, list[Said]]:
    """By item, package after package."""
    found: dict[str, list[Said]] = defaultdict(list)
    for poll in polls:
        rows: dict[str, list[Vote]] = defaultdict(list)
        for vote in poll.votes:
            rows[vote.review_id].append(vote)
        for entry in poll.key.items:
            for vote in rows[entry.review_id]:
                found[human_key(poll, entry)].append(Said(poll, entry, vote))
    return dict(found)


def _by_rater(said: Sequence[Said], value: Callable[[Said], float | None]) -> list[float]:
    """One value for each person: what they said of an item in several packages is averaged."""
    found: dict[str, list[float]] = defaultdict(list)
    for one in said:
        if (number := value(one)) is not None:
            found[same_name(one.vote.rater)].append(number)
    return [sum(values) / len(values) for values in found.values()]


def _candidates(key: str, said: Sequence[Said], weight: float) -> Sample:
    draws = {"win": _by_rater(said, lambda one: score(one.vote, one.entry))}
    draws["preference"] = _by_rater(said, lambda one: preference(one.vote, one.entry) if one.poll.key.form.strength else None)
    draws |= _ratings(said, candidate=True)
    draws = {name: values for name, values in draws.items() if values}
    flags: tuple[Flag, ...] = ("conflict",) if {0.0, 1.0} <= set(draws["win"]) else ()
    entry = said[0].entry
    return Sample(
        **_shared(key, entry, weight),
        outputs=(entry.candidate_text,),
        scores={name: sum(values) / len(values) for name, values in draws.items()},
        draws=draws,
        judgments=tuple(judgment(one.vote, one.entry) for one in said),
        flags=flags,
        prompt_hash=entry.candidate_prompt_hash,
    )


def _baselines(key: str, said: Sequence[Said], weight: float) -> Sample:
    even = {"win": EVEN} | ({"preference": EVEN} if any(one.poll.key.form.strength for one in said) else {})
    draws = {name: values for name, values in _ratings(said, candidate=False).items() if values}
    entry = said[0].entry
    return Sample(
        **_shared(key, entry, weight),
        outputs=(entry.baseline_text,),
        scores=even | {name: sum(values) / len(values) for name, values in draws.items()},
        draws=draws,
        prompt_hash=entry.baseline_prompt_hash,
    )


def _ratings(said: Sequence[Said], *, candidate: bool) -> dict[str, list[float]]:
    names = dict.fromkeys(name for one in said for name in one.poll.key.form.criteria)
    return {criterion_name(name): _by_rater(said, partial(_rating, name, candidate)) for name in names}


def _rating(name: str, candidate: bool, one: Said) -> float | None:
    """Of one side, by a rater who rated both answers: an opinion about one of two cannot be compared."""
    given = one.vote.ratings.get(name, Rated())
    if given.left is None or given.right is None:
        return None
    return float(given.left if (one.entry.candidate_side == "left") == candidate else given.right)


def _shared(key: str, entry: KeyEntry, weight: float) -> dict[str, Any]:
    """What both sides' samples have in common."""
    return {
        "key": key,
        "task": "",
        "prompt": entry.question,
        "cluster": entry.cluster,
        "slices": entry.slices,
        "weight": weight,
    }


def _run(of: Run, polls: Sequence[Poll], samples: Sequence[Sample], people: tuple[People, ...], rest: Mapping[str, Any]) -> Run:
    """The run of one side: the candidate, its fingerprints and engine as they were when the answers were given.

    The baseline of several packages gathers the votes of all, so what both sides must have in common says nothing of the package:
    that they were asked the same is proved item by item (key and prompt hash). ``graded`` does cover the packages and the votes.
    """
    version = digest(["human", VERSION])
    return Run(
        candidate=of.candidate,
        suite="human",
        use="human",
        fingerprints=of.fingerprints,
        graded=digest([of.graded, version, [(poll.key.commitment, poll.votes) for poll in polls], people]),
        items_hash=version,
        suite_hash=version,
        judge_hash=version,
        engine=of.engine,
        metrics={name: metric for poll in polls for name, metric in metrics_of(poll.key.form).items()},
        primary="win",
        planned=len({human_key(poll, entry) for poll in polls for entry in poll.key.items}),
        asked=len(samples),
        flags=dict(Counter(flag for sample in samples for flag in sample.flags)),
        people=people,
        seed=polls[0].key.seed,
        reference=of.reference,
        **rest,
    )
