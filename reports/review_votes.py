"""Votes of people: read from the page's JSON or from the spreadsheet, checked, unblinded, and graded like any judge's opinions."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from harness.errors import UsageError
from harness.fingerprint import digest
from harness.plugins import did_you_mean
from harness.records import FORMAT, Flag, Judgment, Measured, Metric, Record, Run, Sample
from harness.stats.binary import mcnemar
from reports.review_key import Key, KeyEntry

VERSION = "1"
Choice = Literal["left", "right", "tie", "both_bad"]
SPOKEN: dict[str, Choice] = {
    "1": "left", "left": "left", "answer 1": "left", "2": "right", "right": "right", "answer 2": "right",
    "3": "tie", "tie": "tie", "4": "both_bad", "both_bad": "both_bad", "both bad": "both_bad",
}  # fmt: skip


class Vote(Record, frozen=True, kw_only=True):
    """One rater's opinion about one item, still blind. ``seconds``: time with the item in view, 0 where unknown."""

    review_id: str
    rater: str
    choice: Choice
    comment: str = ""
    seconds: float = 0.0


class _Ballot(Record, frozen=True, kw_only=True):
    review_id: str
    choice: Choice
    comment: str = ""
    seconds: float = 0.0


class _VotesFile(Record, frozen=True, kw_only=True):
    format: int
    kind: Literal["sftgate-votes"]
    package: str
    commitment: str
    rater: str
    votes: tuple[_Ballot, ...]


class Tally(Record, frozen=True, kw_only=True):
    """What the votes say at a glance. ``agreement``: share of pairs of raters on one item that chose alike, None without overlap.

    ``left_votes`` of ``sided_votes`` chose answer 1; ``side_p`` is the exact binomial p of raters having no favourite side.
    """

    items: int
    voted: int
    votes: int
    raters: tuple[str, ...]
    candidate: int
    baseline: int
    tie: int
    both_bad: int
    left_votes: int
    sided_votes: int
    side_p: float | None
    agreement: float | None


# ----------------------------------------------------------------------------------------------------------- reading


def read_votes(paths: Sequence[Path], key: Key) -> list[Vote]:
    """All votes of the files (``.json`` from the page, ``.csv`` from the spreadsheet), in the order of the package.

    Raises UsageError for a file that holds no votes, belongs to another package or key, names an unknown item, or repeats a vote
    of one rater.
    """
    place = {entry.review_id: number for number, entry in enumerate(key.entries)}
    votes: list[Vote] = []
    seen: dict[tuple[str, str], Path] = {}
    for path in paths:
        for vote in _read_csv(path, key) if path.suffix.lower() == ".csv" else _read_json(path, key):
            own = (vote.rater, vote.review_id)
            if vote.review_id not in place:
                raise UsageError(
                    f"{path}: there is a vote on {vote.review_id!r}, an item that package {key.package!r} does not hold"
                )
            if own in seen:
                files = f"twice in {path}" if seen[own] == path else f"in {seen[own]} and again in {path}"
                raise UsageError(f"rater {vote.rater!r} voted on {vote.review_id!r} {files}; remove one of the two votes")
            seen[own] = path
            votes.append(vote)
    return sorted(votes, key=lambda vote: (place[vote.review_id], vote.rater))


def _read_json(path: Path, key: Key) -> list[Vote]:
    try:
        file = msgspec.json.decode(_content(path), type=_VotesFile)
    except msgspec.DecodeError as error:
        raise UsageError(f"{path}: not a file of votes as the review page saves it: {error}") from error
    if file.format != FORMAT:
        raise UsageError(f"{path}: votes of format {file.format}; this version of sftgate reads format {FORMAT}")
    _require_package(path, file.package, key)
    if file.commitment != key.commitment:
        raise UsageError(f"{path}: these votes were cast under another key: its digest differs, so it was changed or exchanged")
    if not file.rater.strip():
        raise UsageError(f"{path}: the votes name no rater")
    return [
        Vote(
            review_id=ballot.review_id,
            rater=file.rater.strip(),
            choice=ballot.choice,
            comment=ballot.comment,
            seconds=ballot.seconds,
        )
        for ballot in file.votes
    ]


def _read_csv(path: Path, key: Key) -> list[Vote]:
    try:
        text = _content(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8; save the sheet as 'CSV UTF-8' ({error})") from error
    head = text.split("\n", 1)[0]
    limit = csv.field_size_limit(max(len(text), 1))
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count)))
    except csv.Error as error:
        raise UsageError(f"{path}: not a CSV file: {error}") from error
    finally:
        csv.field_size_limit(limit)
    for column in ("package", "review_id", "choice"):
        if not rows or column not in rows[0]:
            known = did_you_mean(column, [name for name in rows[0] if name]) if rows else "The file has no rows."
            raise UsageError(f"{path}: the column {column!r} of items.csv is missing. {known}")
    voted = [(number, row) for number, row in enumerate(rows, start=1) if (row["choice"] or "").strip()]
    return [_vote(path, number, row, key) for number, row in voted]


def _vote(path: Path, number: int, row: Mapping[str, str | None], key: Key) -> Vote:
    _require_package(path, (row["package"] or "").strip(), key)
    said = (row["choice"] or "").strip()
    choice = SPOKEN.get(said.casefold())
    if choice is None:
        raise UsageError(f"{path}, item {number}: choice is {said!r}; expected 1, 2, tie or both_bad")
    rater = (row.get("rater") or "").strip() or path.stem
    return Vote(review_id=(row["review_id"] or "").strip(), rater=rater, choice=choice, comment=(row.get("comment") or "").strip())


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error


def _require_package(path: Path, package: str, key: Key) -> None:
    if package != key.package:
        raise UsageError(f"{path}: these votes belong to package {package!r}, and the key to {key.package!r}")


# --------------------------------------------------------------------------------------------------------- unblinding


def judgment(vote: Vote, entry: KeyEntry) -> Judgment:
    """A vote, unblinded: 1 the candidate's answer, ½ a tie or both bad, 0 the baseline's."""
    score = float(vote.choice == entry.candidate_side) if vote.choice in ("left", "right") else 0.5
    return Judgment(score=score, reason=vote.comment, raw=vote.choice, judge=f"human:{vote.rater}", order=entry.candidate_side)


def to_measured(
    votes: Sequence[Vote], key: Key, *, created: str = "", environment: Mapping[str, Any] | None = None
) -> tuple[Measured, Measured]:
    """Baseline and candidate as runs of the suite ``human`` with the metric ``win``: ½ everywhere for the baseline.

    Votes on one item are averaged inside it. Items that nobody voted on are left out of both sides and counted: ``planned`` holds
    all, ``asked`` those with votes. Raises UsageError where there are no votes.
    """
    if not votes:
        raise UsageError("there are no votes to import: every choice is empty")
    by_item: dict[str, list[Vote]] = defaultdict(list)
    for vote in votes:
        by_item[vote.review_id].append(vote)
    voted = [entry for entry in key.entries if entry.review_id in by_item]
    theirs = [_sample(entry, by_item[entry.review_id], key.suite) for entry in voted]
    own = [_baseline_sample(entry, key.suite) for entry in voted]
    rest = {"created": created, "environment": dict(environment or {})}
    return (
        Measured(run=_run(key.baseline, key, votes, own, rest), samples=tuple(own)),
        Measured(run=_run(key.candidate, key, votes, theirs, rest), samples=tuple(theirs)),
    )


def _sample(entry: KeyEntry, votes: Sequence[Vote], suite: str) -> Sample:
    judgments = tuple(judgment(vote, entry) for vote in votes)
    scores = [opinion.score for opinion in judgments if opinion.score is not None]
    flags: tuple[Flag, ...] = ("conflict",) if {0.0, 1.0} <= set(scores) else ()
    win = sum(scores) / len(scores)
    return Sample(
        **_shared(entry, suite),
        outputs=(entry.candidate_text,),
        scores={"win": win},
        draws={"win": scores},
        judgments=judgments,
        flags=flags,
        prompt_hash=entry.candidate_prompt_hash,
    )


def _baseline_sample(entry: KeyEntry, suite: str) -> Sample:
    return Sample(
        **_shared(entry, suite), outputs=(entry.baseline_text,), scores={"win": 0.5}, prompt_hash=entry.baseline_prompt_hash
    )


def _shared(entry: KeyEntry, suite: str) -> dict[str, Any]:
    """What both sides' samples have in common. The key names the suite too: two reviewed suites may use the same keys."""
    return {
        "key": f"{suite}/{entry.item}",
        "task": "",
        "prompt": entry.question,
        "cluster": entry.cluster,
        "slices": entry.slices,
        "weight": entry.weight,
    }


def _run(of: Run, key: Key, votes: Sequence[Vote], samples: Sequence[Sample], rest: Mapping[str, Any]) -> Run:
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
        metrics={"win": Metric(kind="bounded")},
        primary="win",
        planned=len(key.entries),
        asked=len(samples),
        flags=dict(Counter(flag for sample in samples for flag in sample.flags)),
        seed=key.seed,
        reference=of.reference,
        **rest,
    )


# ------------------------------------------------------------------------------------------------------------- tally


def tally(votes: Sequence[Vote], key: Key) -> Tally:
    """Counts over votes (not items), the raters' favourite side, and how often two raters of one item chose alike."""
    sides = {entry.review_id: entry.candidate_side for entry in key.entries}
    won = sum(vote.choice == sides[vote.review_id] for vote in votes)
    choices = Counter(vote.choice for vote in votes)
    sided = choices["left"] + choices["right"]
    by_item: dict[str, Counter[str]] = defaultdict(Counter)
    for vote in votes:
        by_item[vote.review_id][vote.choice] += 1
    alike = sum(count * (count - 1) for counts in by_item.values() for count in counts.values())
    pairs = sum(counts.total() * (counts.total() - 1) for counts in by_item.values())
    return Tally(
        items=len(key.entries),
        voted=len(by_item),
        votes=len(votes),
        raters=tuple(sorted({vote.rater for vote in votes})),
        candidate=won,
        baseline=sided - won,
        tie=choices["tie"],
        both_bad=choices["both_bad"],
        left_votes=choices["left"],
        sided_votes=sided,
        side_p=mcnemar(choices["left"], choices["right"]) if sided else None,
        agreement=alike / pairs if pairs else None,
    )
