"""The policy, what it says about comparisons, and the conclusion."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from harness.records.forgotten import Forgotten, LostByAll, Stages, Tax
from harness.records.measured import Admission, Looks
from harness.records.paced import Pace, Spent
from harness.records.people import People
from harness.records.record import FORMAT, Direction, MetricKind, Outcome, Record, Require, Severity
from harness.records.winning import Calibrated, Strengths, WinRate


class Comparison(Record, frozen=True, kw_only=True):
    """One metric, a candidate against another over shared items. ``gain`` > 0 is better whatever the direction.

    ``p`` belongs to the rule's own hypothesis (margin included) when a rule made the comparison, else to "no difference".
    ``won``/``lost``/``tied`` count items; ``mde`` is the smallest true loss (of a claim: gain)
    that would have been seen with 80 % power; of a rule that is corrected (Holm) by its own test, margin and family included.
    ``unit``: what they are in where they are no shares; empty where metrics of several units were pooled.
    """

    metric: str
    baseline: str
    candidate: str
    baseline_value: float
    candidate_value: float
    gain: float
    low: float | None = None
    high: float | None = None
    level: float = 0.90
    p: float | None = None
    method: str = ""
    parameters: dict[str, Any] = {}
    items: int = 0
    clusters: int = 0
    missing: int = 0
    won: int = 0
    lost: int = 0
    tied: int = 0
    mde: float | None = None
    kind: MetricKind = "binary"
    direction: Direction = "higher"
    unit: str = ""
    note: str = ""


class Rule(Record, frozen=True, kw_only=True):
    """One line of policy. ``metric`` is a glob over ``suite/task/metric``.

    ``against``: ``baseline``, ``reference``, a candidate's name, or ``pin:NAME``. ``slice``: ``field=value``, or ``field=*`` for
    each value by itself. ``split``: only the items that select checkpoints, or only those that certify them. ``exclude``: leave out
    what the audit found in training data; ``max_contaminated``: share of that kind with which nothing is decided any more.
    ``about``: this checkpoint, or the recipe that it is a replicate of. ``above_noise``: count only what is lost beyond a second
    run of the reference (A/A); ``above_chance``: of multiple choice, only what guessing does not explain. ``line``: where it
    stands in the policy's file.
    """

    metric: str
    require: Require
    name: str | None = None
    margin: float | None = None
    value: float | None = None
    relative: bool = False
    guard_below: float | None = None
    against: str = "baseline"
    pool: bool = False
    slice: str | None = None
    alpha: float = 0.05
    min_items: int = 1
    max_missing: float = 0.0
    max_errors: float | None = None
    max_contaminated: float | None = None
    severity: Severity = "block"
    on_inconclusive: Literal["inconclusive", "fail", "pass"] = "inconclusive"
    split: Literal["select", "gate"] | None = None
    exclude: Literal["contaminated"] | None = None
    about: Literal["checkpoint", "recipe"] = "checkpoint"
    above_noise: bool = False
    above_chance: bool = False
    line: int | None = None
    implicit: bool = False


class Quarantined(Record, frozen=True, kw_only=True):
    """An item that does not count until a day: ``suite``, ``key``, why, and the last day on which it is left out."""

    suite: str
    key: str
    reason: str
    until: date


class Finding(Record, frozen=True, kw_only=True):
    """What one rule says about one comparison, and why, in one sentence. ``waived``: it was not decided, and ``outcome`` is what
    the rule takes that for (``on_inconclusive``). ``remedy``: what would decide it, in words that follow the metric's name, where
    asking again would not."""

    rule: Rule
    outcome: Outcome
    reason: str
    metric: str = ""
    comparison: Comparison | None = None
    waived: bool = False
    remedy: str = ""


class Verdict(Record, frozen=True, kw_only=True):
    """The gate's answer for one candidate. ``sentence`` is what a person reads first; ``change`` what would change it."""

    candidate: str
    outcome: Outcome
    sentence: str
    change: str = ""
    findings: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = ()


class Health(Record, frozen=True, kw_only=True):
    """How asking went for one candidate in one suite. ``looks``: it was asked in part, and why that was enough."""

    candidate: str
    suite: str
    planned: int
    asked: int
    failed: int
    flags: dict[str, int] = {}
    value: float | None = None
    metric: str = ""
    expect: tuple[float, float] | None = None
    in_band: bool | None = None
    looks: Looks | None = None


class Parity(Record, frozen=True, kw_only=True):
    """One thing that two sides of a comparison had in common, or not. ``allowed``: named in ``[comparability] allow``."""

    candidate: str
    suite: str
    what: str
    equal: bool
    baseline_value: str = ""
    candidate_value: str = ""
    required: bool = True
    allowed: bool = False


class HistoryPoint(Record, frozen=True, kw_only=True):
    """One run of a metric's history. ``pins`` are the names under which it was pinned, ``promoted`` when it last became the
    baseline, ``baseline`` whether it is now; ``now``: it is judged just now. ``replicate`` and ``seed`` as in its run. ``failed``
    of the ``asked`` items have an error, and no share in the score. ``otherwise``: in what it was asked otherwise than the one
    before."""

    candidate: str
    created: str
    score: float
    graded: str
    replicate: int = 0
    seed: int = 0
    asked: int = 0
    failed: int = 0
    otherwise: tuple[str, ...] = ()
    pins: tuple[str, ...] = ()
    promoted: str = ""
    baseline: bool = False
    now: bool = False


class History(Record, frozen=True, kw_only=True):
    """A suite's primary metric over the runs that the store holds of the same items, oldest first; ``omitted`` older ones are left
    out, and ``elsewhere`` runs of other items, or of another version of suite or judge. ``noise``: the standard deviation within
    the ``noise_runs`` runs that differ by a seed only (``noise_of``: which seed); None without any."""

    suite: str
    metric: str
    kind: MetricKind
    direction: Direction
    unit: str = ""
    points: tuple[HistoryPoint, ...] = ()
    omitted: int = 0
    elsewhere: int = 0
    noise: float | None = None
    noise_runs: int = 0
    noise_of: str = ""


class SliceReading(Record, frozen=True, kw_only=True):
    """One metric of a candidate against the baseline, over the items whose slices say ``field = value``. For reading: no rule is
    about it, and no verdict rests on it.

    ``p`` is of "no difference"; ``p_bh`` is adjusted for the false discovery rate over all slices of the candidate, which are a
    family of their own. What could not be had is None, and ``note`` says why. ``missing``: items without a score on either side.
    """

    metric: str
    candidate: str
    baseline: str
    field: str
    value: str
    items: int
    clusters: int
    missing: int = 0
    baseline_value: float | None = None
    candidate_value: float | None = None
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    level: float = 0.90
    p: float | None = None
    p_bh: float | None = None
    method: str = ""
    won: int = 0
    lost: int = 0
    kind: MetricKind = "binary"
    direction: Direction = "higher"
    unit: str = ""
    note: str = ""


class Conclusion(Record, frozen=True, kw_only=True):
    """All that the gate concluded: the content of ``verdict.json`` and the only source of the report's numbers.

    ``judged``: suite -> how many different candidates the store has measured on these very items. ``quarantined``: the items that
    were left out by name. ``policy``: the file that holds the rules; ``policy_digest``: a hash of what
    it says about deciding. ``pins``: ``pin:NAME`` -> the day on which it was pinned. ``slices``, ``forgotten``, ``lost_by_all``,
    ``taxes``, ``stages``, ``paces``, ``spent``, ``win_rates``, ``strengths``, ``calibrated`` and ``people``
    (candidate -> what raters said, package by package): for reading.
    """

    format: int = FORMAT
    created: str
    baseline: str
    reference: dict[str, str] = {}
    outcome: Outcome
    exit_code: int
    verdicts: tuple[Verdict, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    slices: tuple[SliceReading, ...] = ()
    forgotten: tuple[Forgotten, ...] = ()
    lost_by_all: tuple[LostByAll, ...] = ()
    taxes: tuple[Tax, ...] = ()
    stages: Stages | None = None
    paces: tuple[Pace, ...] = ()
    spent: tuple[Spent, ...] = ()
    win_rates: tuple[WinRate, ...] = ()
    strengths: tuple[Strengths, ...] = ()
    calibrated: tuple[Calibrated, ...] = ()
    health: tuple[Health, ...] = ()
    parity: tuple[Parity, ...] = ()
    admissions: dict[str, Admission] = {}
    people: dict[str, tuple[People, ...]] = {}
    runs: dict[str, dict[str, str]] = {}
    seed: int = 0
    command: str = ""
    judged: dict[str, int] = {}
    quarantined: tuple[Quarantined, ...] = ()
    policy: str = ""
    policy_digest: str = ""
    pins: dict[str, str] = {}
    history: tuple[History, ...] = ()
    environment: dict[str, Any] = {}
