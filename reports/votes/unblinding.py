"""Votes with the key laid beside them: two ordinary runs of the suite ``human``, compared, gated and reported like any other."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from harness.errors import UsageError
from harness.fingerprint import digest
from harness.records import Flag, Judgment, Measured, Metric, People, Run, Sample
from reports.blind.form import SCALE
from reports.blind.key import Key, KeyEntry, Side
from reports.people.arms import preference, score
from reports.people.winning import stands_for
from reports.votes.vote import Vote

VERSION = "2"
EVEN = 0.5
_NO_NAME = re.compile(r"[^\w.-]+")


def metrics_of(key: Key) -> dict[str, Metric]:
    """``win``; ``preference``, where raters say how much better; ``criterion_…``, where they rate."""
    rate = Metric(kind="real", range=(1.0, float(SCALE)))
    graded = {"preference": Metric(kind="bounded")} if key.form.strength else {}
    return {"win": Metric(kind="bounded"), **graded, **{criterion_name(name): rate for name in key.form.criteria}}


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
    votes: Sequence[Vote], key: Key, people: People, *, created: str = "", environment: Mapping[str, Any] | None = None
) -> tuple[Measured, Measured]:
    """Baseline and candidate as runs of the suite ``human``: in ``win`` and ``preference`` ½ everywhere for the baseline, in each
    ``criterion_…`` the ratings of its own answers.

    Votes on one item are averaged inside it. Planted rows do not count. Items that nobody voted on are left out of both sides and
    counted: ``planned`` holds all, ``asked`` those with votes. An item that was likelier to be drawn weighs less (its weight over
    its probability). Raises UsageError where there are no votes.
    """
    by_item: dict[str, list[Vote]] = defaultdict(list)
    for vote in votes:
        by_item[vote.review_id].append(vote)
    voted = [entry for entry in key.items if entry.review_id in by_item]
    if not voted:
        raise UsageError("there are no votes to import: every choice is empty, or does not count")
    theirs = [_candidates(entry, by_item[entry.review_id], key) for entry in voted]
    own = [_baselines(entry, by_item[entry.review_id], key) for entry in voted]
    rest = {"created": created, "environment": dict(environment or {})}
    return (
        Measured(run=_run(key.baseline, key, votes, own, people, rest), samples=tuple(own)),
        Measured(run=_run(key.candidate, key, votes, theirs, people, rest), samples=tuple(theirs)),
    )


def _candidates(entry: KeyEntry, votes: Sequence[Vote], key: Key) -> Sample:
    draws = {"win": [score(vote, entry) for vote in votes]}
    if key.form.strength:
        draws["preference"] = [preference(vote, entry) for vote in votes]
    draws |= _ratings(entry, votes, key, candidate=True)
    flags: tuple[Flag, ...] = ("conflict",) if {0.0, 1.0} <= set(draws["win"]) else ()
    return Sample(
        **_shared(entry, key.suite),
        outputs=(entry.candidate_text,),
        scores={name: sum(values) / len(values) for name, values in draws.items()},
        draws=draws,
        judgments=tuple(judgment(vote, entry) for vote in votes),
        flags=flags,
        prompt_hash=entry.candidate_prompt_hash,
    )


def _baselines(entry: KeyEntry, votes: Sequence[Vote], key: Key) -> Sample:
    even = {name: EVEN for name in ("win", "preference") if name == "win" or key.form.strength}
    draws = _ratings(entry, votes, key, candidate=False)
    return Sample(
        **_shared(entry, key.suite),
        outputs=(entry.baseline_text,),
        scores=even | {name: sum(values) / len(values) for name, values in draws.items()},
        draws=draws,
        prompt_hash=entry.baseline_prompt_hash,
    )


def _ratings(entry: KeyEntry, votes: Sequence[Vote], key: Key, *, candidate: bool) -> dict[str, list[float]]:
    """Of one side, by raters who rated both answers: an opinion about one of two cannot be compared."""
    side: Side = "left" if (entry.candidate_side == "left") == candidate else "right"
    found: dict[str, list[float]] = {}
    for name in key.form.criteria:
        given = [vote.ratings[name] for vote in votes if name in vote.ratings]
        both = [(each.left, each.right) for each in given if each.left is not None and each.right is not None]
        if both:
            found[criterion_name(name)] = [float(left if side == "left" else right) for left, right in both]
    return found


def _shared(entry: KeyEntry, suite: str) -> dict[str, Any]:
    """What both sides' samples have in common. The key names the suite too: two reviewed suites may use the same keys."""
    return {
        "key": f"{suite}/{entry.item}",
        "task": "",
        "prompt": entry.question,
        "cluster": entry.cluster,
        "slices": entry.slices,
        "weight": stands_for(entry),
    }


def _run(of: Run, key: Key, votes: Sequence[Vote], samples: Sequence[Sample], people: People, rest: Mapping[str, Any]) -> Run:
    """The run of one side: the candidate, its fingerprints and engine as they were when the answers were given.

    The baseline of several packages gathers the votes of all, so what both sides must have in common says nothing of the package:
    that they were asked the same is proved item by item (key and prompt hash). ``graded`` does cover the package and the votes.
    """
    version = digest(["human", VERSION])
    return Run(
        candidate=of.candidate,
        suite="human",
        use="human",
        fingerprints=of.fingerprints,
        graded=digest([of.graded, version, key.commitment, votes]),
        items_hash=version,
        suite_hash=version,
        judge_hash=version,
        engine=of.engine,
        metrics=metrics_of(key),
        primary="win",
        planned=len(key.items),
        asked=len(samples),
        flags=dict(Counter(flag for sample in samples for flag in sample.flags)),
        people=(people,) if of.candidate == key.candidate.candidate else (),
        seed=key.seed,
        reference=of.reference,
        **rest,
    )
