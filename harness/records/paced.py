"""How long answers take, taken apart, and what they cost, for reading."""

from __future__ import annotations

from harness.records.record import Record


class Pace(Record, frozen=True, kw_only=True):
    """Seconds of a candidate's answers in one task of a suite that measures speed: ``base`` + ``per_token`` · tokens, over
    ``items``, of which ``clusters`` are independent. None where they are too few, or all of one length; ``note`` says so."""

    task: str
    candidate: str
    items: int
    clusters: int
    base: float | None = None
    base_low: float | None = None
    base_high: float | None = None
    per_token: float | None = None
    per_token_low: float | None = None
    per_token_high: float | None = None
    level: float = 0.90
    note: str = ""


class Spent(Record, frozen=True, kw_only=True):
    """The tokens of a candidate's answers in a suite, those from the journal included and those of a judge or a writer left out;
    and ``cost``: what they are worth at the candidate's price. None without a price. With ``judge``: what that judge read and wrote
    to judge them, at its own price; without a candidate, to be examined.
    """

    suite: str
    candidate: str
    items: int
    tokens_in: int
    tokens_out: int
    cost: float | None = None
    judge: str = ""
