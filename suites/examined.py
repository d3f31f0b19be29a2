"""Suites whose judge is examined on labels: where these come from, and what the pipeline asks of such a suite (``Anchored``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from harness.errors import ConfigError
from harness.fingerprint import digest
from harness.protocols import Conversation
from harness.records import Admission
from judges.admission import EXAMINATION, Limits, check_limits
from judges.anchors import Scores
from suites.rows import locate, read_rows

BOUND = 20_000
"""Characters of an answer that are looked at."""


class Examiner(Protocol):
    """Who examines the judge of a suite, and knows it again."""

    @property
    def examined(self) -> str: ...
    def admit(self) -> Conversation[Admission] | None: ...
    def rejudge(self) -> Conversation[Scores] | None: ...
    def rejudged(self, admission: Admission, again: Scores) -> Admission: ...


class Examined:
    """A suite that leaves all of this to its ``examiner``."""

    examiner: Examiner

    @property
    def examined(self) -> str:
        """Hash of all that decides how the judge does in the examination, besides its engine."""
        return self.examiner.examined

    def admit(self) -> Conversation[Admission] | None:
        """The examination of the only judge, where the options name labels."""
        return self.examiner.admit()

    def rejudge(self) -> Conversation[Scores] | None:
        """Its verdicts on the anchors among the labels, once more."""
        return self.examiner.rejudge()

    def rejudged(self, admission: Admission, again: Scores) -> Admission:
        """The admission in the light of what it says of the anchors now."""
        return self.examiner.rejudged(admission, again)


class Labels(NamedTuple):
    """``rows``: (line, fields) of the ``file`` of labels; None of them where the options name no file."""

    rows: tuple[tuple[int, Mapping[str, Any]], ...]
    file: str
    where: str


def read_labels(admission: str | None, limits: Limits, *, what: str, folder: Path, where: str) -> Labels | None:
    """What the options of a suite (``where``) name to examine its judge on; ``what`` it is called (labelled pairs, labelled
    answers). ConfigError for limits that nothing could meet, or that nothing reads."""
    check_limits(limits, where=f"{where}.limits")
    place = f"{where}.admission"
    if admission is None:
        if limits != Limits():
            raise ConfigError(f"limits are those of an examination: name {what} (admission)", where=f"{where}.limits")
        return None
    path = locate(admission, folder=folder, where=place)
    return Labels(tuple((row.line, row.fields) for row in read_rows(path, where=place)), str(path), place)


def examined_hash(judge: object, labels: object, limits: Limits) -> str:
    """Of the judge's prompts and parser, the labels, the limits, and the way to examine."""
    return digest({"judge": judge, "labels": labels, "limits": limits, "examination": EXAMINATION})
