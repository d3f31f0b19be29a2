"""What a suite holds, how the answers were graded, and the runs that keep them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from harness.records.asked import Candidate, Completion, Frame, Price
from harness.records.people import People
from harness.records.record import FORMAT, SHARES, Direction, Flag, MetricKind, Record

IMPORTED = "scores"
"""``Run.use`` of scores that another tool gave: nobody was asked."""


class Metric(Record, frozen=True, kw_only=True):
    """How the numbers of one metric are to be read and aggregated.

    ``aggregator`` is ``mean`` for per-item scores, or the name of a corpus aggregation in ``harness.stats`` (``ratio``, ``bleu``,
    ``chrf``, ``bits_per_byte``) over ``Sample.statistics``. ``chance`` is the expected score of guessing, for multiple choice.
    ``range``: the lowest and the highest score that an item can have, or that there can be where no item has one, if that is
    known; of shares it is always. ``signature``: how a published tool describes this very score, its version included.
    ``falls_from``: the metric of the same task that this one is the fall of, inside an item; who is at 0 there cannot fall.
    """

    kind: MetricKind = "binary"
    direction: Direction = "higher"
    aggregator: str = "mean"
    unit: str = ""
    chance: float | None = None
    range: tuple[float, float] | None = None
    signature: str = ""
    falls_from: str = ""

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The lowest and the highest score there can be; None where nothing says it."""
        return (0.0, 1.0) if self.kind in SHARES else self.range

    @property
    def span(self) -> float | None:
        """The largest difference between two scores; None where nothing bounds it."""
        return None if self.bounds is None else self.bounds[1] - self.bounds[0]


class Item(Record, frozen=True, kw_only=True):
    """One question. Items of one ``cluster`` (same passage, same source document) are not independent."""

    key: str
    task: str
    data: dict[str, Any] = {}
    target: Any = None
    cluster: str | None = None
    slices: dict[str, str] = {}
    weight: float = 1.0


class Answer(Record, frozen=True, kw_only=True):
    """What one candidate answered to one item: completions, or why there are none."""

    key: str
    completions: tuple[Completion, ...] = ()
    error: str | None = None


Preferred = Literal["left", "right", "tie", "none"]
"""Left is the answer that was asked about; none: the verdict could not be read."""


class Judgment(Record, frozen=True, kw_only=True):
    """One opinion of one judge. ``score`` None: the judge's words could not be parsed (its own outcome, never a tie).

    ``order`` says which side the candidate stood on when the judge looked: ``left``, ``right`` or ``alone``. ``criterion``: what of
    the answer it is about, where a judge has several. ``draw``: which of an item's answers. ``weight``: how much this judge counts
    among several.
    """

    score: float | None = None
    reason: str = ""
    raw: str = ""
    judge: str = ""
    order: Literal["left", "right", "alone"] = "alone"
    criterion: str = ""
    draw: int = 0
    weight: float = 1.0

    @property
    def prefers(self) -> Preferred:
        """Which of two answers, where ``score`` is about two; a fraction goes to the nearest of 1, ½, 0."""
        if self.score is None:
            return "none"
        return "left" if self.score >= 0.75 else "right" if self.score <= 0.25 else "tie"


class Rendered(Record, frozen=True, kw_only=True, array_like=True):
    """A prompt as the model saw it, beside a sample's ``prompt``. ``frame``: its number in ``Run.frames``, or the frame itself.
    ``contents``: what stands in it, each a text or where it stands in the prompt (from, to); empty: the prompt is all of it."""

    frame: int | Frame
    contents: tuple[str | tuple[int, int], ...] = ()


class Sample(Record, frozen=True, kw_only=True):
    """One item as one candidate answered it: ``scores`` or ``error``, never both, never neither.

    ``draws`` holds the per-draw values behind a score; ``statistics`` the per-item sufficient statistics of corpus metrics.
    ``unscored``: of an item with an error, the metrics that it would have no score of without one, either. ``missing``: of an item
    with scores, those that it has none of because another item of its cluster has an error.
    ``prompt`` and ``outputs`` are for people, and so are ``thinking`` (what stood before each output; empty where nobody thought)
    and ``extracted`` (the part of each output that was graded, None where it was not there; empty where all of an output is
    graded). ``prompt_hash`` is the hash of the first requests (messages and decoding), by which
    two sides prove that they were asked the same; ``prompt_length`` the characters of the longest of these requests, before the
    template, where somebody was asked; ``tokens`` those that the candidate read and wrote for all of its answers.
    ``rendered``: the first of these requests as the model saw it, or where the conversation went on, the last one; None where
    the engine does not know.
    """

    key: str
    task: str
    prompt: str = ""
    target: Any = None
    outputs: tuple[str, ...] = ()
    cluster: str | None = None
    slices: dict[str, str] = {}
    weight: float = 1.0
    scores: dict[str, float] | None = None
    error: str | None = None
    draws: dict[str, list[float]] = {}
    statistics: dict[str, list[float]] = {}
    flags: tuple[Flag, ...] = ()
    unscored: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    judgments: tuple[Judgment, ...] = ()
    thinking: tuple[str, ...] = ()
    extracted: tuple[str | None, ...] = ()
    prompt_hash: str = ""
    prompt_length: int | None = None
    tokens: tuple[int, int] | None = None
    rendered: Rendered | None = None

    def __post_init__(self) -> None:
        if (self.scores is None) == (self.error is None):
            raise ValueError(f"sample {self.key!r} must have scores or an error, and not both")

    def seen(self, frames: Sequence[Frame]) -> tuple[Frame, tuple[str, ...]] | None:
        """The frame of ``rendered``, and what stands in it. ``frames``: those of the sample's run; None where it is not one of
        them."""
        if self.rendered is None:
            return None
        frame = self.rendered.frame
        if isinstance(frame, int):
            if not 0 <= frame < len(frames):
                return None
            frame = frames[frame]
        places = self.rendered.contents
        contents = tuple(place if isinstance(place, str) else self.prompt[place[0] : place[1]] for place in places)
        return frame, contents or (self.prompt,)


class AdmittedPart(Record, frozen=True, kw_only=True):
    """How a judge did on some of the labelled pairs; the numbers are those of ``Admission``."""

    pairs: int
    accuracy: float
    kappa: float
    consistency: float
    unparsable: float


class Juror(Record, frozen=True, kw_only=True):
    """One judge of several. ``weight``: how much its opinions count; ``accuracy``: its own on the labelled pairs, None where
    nothing could be read; ``jury_without``: that of the others without it."""

    judge: str
    weight: float
    accuracy: float | None
    jury_without: float
    consistency: float
    unparsable: float


class Admission(Record, frozen=True, kw_only=True):
    """How a judge did on labelled pairs, and whether it may gate.

    ``accuracy`` and Cohen's ``kappa`` are three-way, over both orders; ``consistency`` is the share of pairs whose two orders
    agree; ``first_slot`` the share of the ``conflicts`` in which the first answer was preferred twice (``first_slot_p``: exact
    binomial p). ``accuracy_first``, ``accuracy_second``: where the better answer stood first, second. ``kappa_low`` and
    ``kappa_high``, as every ``_low`` and ``_high`` here: ends of the 95 % interval over pairs.
    ``canaries`` are bad answers set against right ones; ``canaries_beaten`` counts those that lost, as they must;
    ``canary_kinds``: kind (empty, copied, constant, injecting) -> (lost, shown).
    ``length_slope``: log-odds of preferring an answer per sd of extra length, at the same label. ``own_excess``: by how much more
    often than the labels it prefers its own answer, over ``own_pairs``.
    ``languages`` and ``traps``: the same by what the labelled pairs say of themselves.
    ``anchors``: key of a labelled pair -> scores by order, as of the examination; ``drift``: the share of these verdicts that are
    others now, None where they were not judged again.
    ``alone``: single answers were judged, once each; ``pairs`` counts them, and ``consistency`` is the share of verdicts that could
    be read. Of several questions the worst number stands.
    ``jurors``: of a jury, each of its judges; all other numbers are those of their weighted verdict. ``jury_accuracy`` of pairs,
    with weights that did not see the label, ``majority_accuracy`` with equal weights; ``effective_jurors``: so many independent
    ones would err as they do together.
    ``fewest``: so many labels it takes in a language to be examined in it; 0: nobody wrote it down. ``spent``: what each judge read
    and wrote for the examination and the anchors, answers from the journal included.
    """

    judge: str
    admitted: bool
    pairs: int
    accuracy: float
    kappa: float
    consistency: float
    unparsable: float
    first_slot: float | None = None
    first_slot_p: float | None = None
    conflicts: int = 0
    canaries: int = 0
    canaries_beaten: int = 0
    canary_kinds: dict[str, tuple[int, int]] = {}
    kappa_low: float | None = None
    kappa_high: float | None = None
    accuracy_first: float | None = None
    accuracy_second: float | None = None
    length_slope: float | None = None
    length_slope_low: float | None = None
    length_slope_high: float | None = None
    own_pairs: int = 0
    own_excess: float | None = None
    own_excess_low: float | None = None
    own_excess_high: float | None = None
    languages: dict[str, AdmittedPart] = {}
    traps: dict[str, AdmittedPart] = {}
    anchors: dict[str, tuple[float | None, ...]] = {}
    drift: float | None = None
    alone: bool = False
    jurors: tuple[Juror, ...] = ()
    jury_accuracy: float | None = None
    majority_accuracy: float | None = None
    effective_jurors: float | None = None
    fewest: int = 0
    spent: tuple[JudgeSpent, ...] = ()
    reasons: tuple[str, ...] = ()


class Fingerprints(Record, frozen=True, kw_only=True):
    """Content hashes of one candidate. ``asked`` covers all the others; ``None`` where there is nothing to hash (an endpoint)."""

    asked: str
    weights: str | None = None
    adapter: str | None = None
    tokenizer: str | None = None
    template: str | None = None
    engine: str = ""


class Sequential(Record, frozen=True, kw_only=True):
    """How candidates are asked in part: ``[sequential]`` of the config.

    The baseline is asked in full; candidates cluster by cluster in a seeded order, with ``looks`` planned looks at the data. A
    suite stops when all rules about it are decided. ``method``: alpha spending at the planned looks, or bounds that hold at any
    time. ``futility``: give a suite up when the chance that it will still be decided is below this (0: never). ``suites``: which
    ones; empty: every one that can be asked in part. ``min_items``: before the first look.
    """

    looks: int = 5
    method: Literal["group_sequential", "anytime"] = "group_sequential"
    spending: Literal["obrien_fleming", "pocock"] = "obrien_fleming"
    futility: float = 0.1
    suites: tuple[str, ...] = ()
    min_items: int = 50


class Looks(Record, frozen=True, kw_only=True):
    """How a sequential run went. ``planned`` and ``made`` count the items asked so far at each look; ``stopped`` says why it ended
    before the last, and is empty where it did not. The run's samples stand in the order in which they were asked."""

    settings: Sequential
    planned: tuple[int, ...]
    made: tuple[int, ...] = ()
    stopped: str = ""


class JudgeSpent(Record, frozen=True, kw_only=True):
    """What one judge read and wrote to judge a run, or for its examination (``Admission.spent``); ``price`` as the config said it
    then."""

    judge: str
    model: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    price: Price | None = None

    @property
    def money(self) -> float | None:
        """What that cost; None where nobody said what tokens cost."""
        if self.price is None:
            return None
        return (self.tokens_in * self.price.input + self.tokens_out * self.price.output) / 1e6


class Run(Record, frozen=True, kw_only=True):
    """One candidate put through one suite, on disk, self-describing.

    ``graded`` is the fingerprint that names the folder: what was asked of whom, and how it was graded. ``declared`` is the hash
    of the candidate and suite as the config declared them, so that concluding from copied files notices a config that moved on.
    ``reference`` names the candidate that forgetting is measured against. ``seconds`` is the wall time of the stages that this run
    took part in, shared with the other candidates of its engine. ``sources``: the files that the items came from, name -> hash of
    their content. ``samples_hash`` is filled by the store: what ``samples.jsonl``
    held. ``groups`` are tasks that are read together: group -> metric -> task -> how much the task counts. ``scores``: metric ->
    the run's own score over all of its items, for reading. ``looks``: it was asked in part, look by look. ``replicate``: 0, or the
    number of a repetition of the same questions (A/A). ``unlike``: in what the candidate was asked otherwise than it was trained,
    a sentence each. ``remarks``: what the suite has to say about how it graded.
    ``people``: of votes of people, what they said, package by package.
    ``judged``: the metrics that the judge decides; empty where there is none, or where a run is older than this: then it is all.
    ``judges``: who judged, and how many tokens that took; ``tokens_in`` and ``tokens_out`` are the candidate's own.
    ``frames``: what the prompts of several samples have in common as the model saw them; ``Sample.rendered`` counts them.
    """

    format: int = FORMAT
    candidate: Candidate
    suite: str
    use: str
    fingerprints: Fingerprints
    graded: str
    items_hash: str
    suite_hash: str
    judge_hash: str | None = None
    judged: tuple[str, ...] = ()
    judges: tuple[JudgeSpent, ...] = ()
    engine: dict[str, Any] = {}
    metrics: dict[str, Metric] = {}
    primary: str = ""
    scores: dict[str, float] = {}
    groups: dict[str, dict[str, dict[str, float]]] = {}
    watched: tuple[Flag, ...] = ()
    retained: bool = False
    expect: dict[str, tuple[float, float]] = {}
    planned: int = 0
    asked: int = 0
    failed: int = 0
    reused_requests: int = 0
    sent_requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    flags: dict[str, int] = {}
    looks: Looks | None = None
    replicate: int = 0
    admission: Admission | None = None
    people: tuple[People, ...] = ()
    seed: int = 0
    limit: int | None = None
    declared: str = ""
    sources: dict[str, str] = {}
    reference: str | None = None
    unlike: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    seconds: float = 0.0
    created: str = ""
    environment: dict[str, Any] = {}
    samples_hash: str = ""
    frames: tuple[Frame, ...] = ()


class Measured(Record, frozen=True, kw_only=True):
    """A run with its samples, as read from the store."""

    run: Run
    samples: tuple[Sample, ...] = ()
