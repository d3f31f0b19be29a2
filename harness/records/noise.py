"""What is known about noise, and about the gate itself: the baseline against itself, and against damage done on purpose."""

from __future__ import annotations

from typing import Literal

from harness.records.decided import Finding
from harness.records.record import FORMAT, Direction, MetricKind, Outcome, Record


class Noise(Record, frozen=True, kw_only=True):
    """One metric of one candidate, measured twice: other order, other seeds.

    ``differ`` of ``items`` have another value the second time: ``gained`` a better one, ``lost`` a worse one. ``sd`` is the
    standard deviation of the paired difference of one item (None with fewer than two). ``low`` and ``high`` bound the gain of the
    repetition, which is 0 but for noise; ``p`` is of "no difference". Of ``lost`` and ``gained`` they bound the share itself, and
    there is no p: the first run lost nothing against itself.
    """

    metric: str
    value: float
    repeat: float
    items: int
    clusters: int
    differ: int
    gained: int
    lost: int
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    level: float = 0.90
    p: float | None = None
    method: str = ""
    note: str = ""
    kind: MetricKind = "binary"
    direction: Direction = "higher"


class Repetition(Record, frozen=True, kw_only=True):
    """One candidate against itself. ``runs``: suite -> the *graded* fingerprints of the first and the second run. ``identical``:
    suite -> how many of its items were answered the same, of how many. ``outcome`` and ``sentence``: what the gate makes of it."""

    candidate: str
    outcome: Outcome
    sentence: str
    runs: dict[str, tuple[str, str]] = {}
    identical: dict[str, tuple[int, int]] = {}
    noise: tuple[Noise, ...] = ()
    findings: tuple[Finding, ...] = ()


Sight = Literal["noticed", "missed", "no rule", "not planted"]
"""Whether a suite's blocking rules saw damage: they did, they did not, none is about losses, or the suite was left out of it."""


class Plant(Record, frozen=True, kw_only=True):
    """Damage done on purpose, which the gate must not let pass. ``how``: answers given to other items, or noise of ``strength``
    times their own spread on the weights. ``sight``: suite -> whether its rules noticed; ``why``: what was left out, and why."""

    how: Literal["shuffled", "noised"]
    outcome: Outcome
    sentence: str
    strength: float | None = None
    sight: dict[str, Sight] = {}
    why: dict[str, str] = {}
    findings: tuple[Finding, ...] = ()


class SelfTest(Record, frozen=True, kw_only=True):
    """The content of ``aa.json``: what the last ``aa-test`` of a store found."""

    format: int = FORMAT
    created: str
    baseline: str
    repetitions: tuple[Repetition, ...] = ()
    plants: tuple[Plant, ...] = ()
    limit: int | None = None
    seed: int = 0
    command: str = ""
