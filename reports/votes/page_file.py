"""What the review page saves."""

from __future__ import annotations

from typing import Any

from harness.errors import UsageError
from reports.blind.key import REVIEW_FORMAT
from reports.votes.statement import Statement, seconds_of, text_of, understood

KIND = "sftgate-votes"
INSTANT = 0.05  # seconds: the page counts in tenths, and what it calls 0 was over before half of one had passed


def read_page(source: str, content: dict[str, Any]) -> list[Statement]:
    """UsageError for another format, and where the votes or the rater's name are missing."""
    if content.get("format") != REVIEW_FORMAT:
        raise UsageError(
            f"{source}: votes of format {content.get('format')!r}; this version of sftgate reads format "
            f"{REVIEW_FORMAT}. Open a package that it made itself, and save the votes there"
        )
    rater, ballots = text_of(content.get("rater")), content.get("votes")
    if not rater:
        raise UsageError(f'{source}: the votes name no rater. Write a name under "rater" in the file, and import it again')
    if not isinstance(ballots, list) or not all(isinstance(ballot, dict) for ballot in ballots):
        raise UsageError(f'{source}: not a file of votes as the review page saves it: "votes" is no list of objects')
    return [_statement(source, number, ballot, content, rater) for number, ballot in enumerate(ballots, start=1)]


def _statement(source: str, number: int, ballot: dict[str, Any], content: dict[str, Any], rater: str) -> Statement:
    said = text_of(ballot.get("choice"))
    reasons, ratings = ballot.get("reasons"), ballot.get("ratings")
    return Statement(
        source=source,
        place=f"vote {number}",
        form="page",
        rater=rater,
        review_id=text_of(ballot.get("review_id")),
        said=said,
        choice=understood(said),
        reasons=tuple(map(text_of, reasons)) if isinstance(reasons, list) else (),
        ratings=ratings if isinstance(ratings, dict) else {},
        comment=text_of(ballot.get("comment")),
        seconds=_seconds(ballot.get("seconds")),
        when=text_of(ballot.get("when") or content.get("saved")),
        sitting=text_of(content.get("sitting")),
        package=text_of(content.get("package")),
        commitment=text_of(content.get("commitment")),
        raw=ballot,
    )


def _seconds(counted: object) -> float:
    """Elsewhere 0 is a time that nobody took. The page took one: votes without any reading must not look like untimed ones."""
    return INSTANT if isinstance(counted, int | float) and not isinstance(counted, bool) and counted == 0 else seconds_of(counted)
