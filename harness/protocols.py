"""The four seams of sftgate: Engine, Suite, Judge, Evaluator. One outside world each, a few methods wide.

A conversation is a generator: it yields the requests it wants answered, receives their completions in the same order, and may yield
again (turns, draws, choices, judging), until it returns its result. ``harness.schedule`` drives thousands of them at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar, runtime_checkable

from harness.errors import EngineError
from harness.records import (
    Admission,
    Answer,
    Candidate,
    Completion,
    Evaluation,
    Flag,
    Item,
    Judgment,
    Measured,
    Metric,
    Record,
    Request,
    Sample,
)

T = TypeVar("T")

Conversation = Generator[Sequence[Request], Sequence[Completion], T]


class Asked(Record, frozen=True, kw_only=True):
    """A request on its way to an engine. ``candidate`` is a candidate's name; an engine serves a whole family of them."""

    ticket: int
    candidate: str
    request: Request


class Answered(Record, frozen=True, kw_only=True):
    """What came back for a ticket. An error is not an answer, and never becomes one."""

    ticket: int
    result: Completion | EngineError


class Engine(Protocol):
    """Owns one device process and serves one family: a base model and all its adapters, interleaved.

    Built as ``EngineClass(candidates, seed=…)``; entering starts the device process and probes it (adapter live, base clean);
    leaving frees the device. ``capacity`` is how many requests it likes to hold at once.
    """

    capacity: int

    @classmethod
    def describe(cls, candidate: Candidate) -> Mapping[str, Any]:
        """What of this engine can change outputs (name, version, dtype, determinism mode …), without starting it. Fingerprinted."""
        ...

    def __init__(self, candidates: Sequence[Candidate], *, seed: int = 0) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...
    def submit(self, asked: Sequence[Asked]) -> None:
        """Accept requests; must not block for long."""
        ...

    def poll(self, timeout: float) -> Sequence[Answered]:
        """Return what has finished, in any order, waiting at most ``timeout`` seconds for the first.

        With 0 seconds it neither waits nor works: that is asked after Ctrl-C, when an engine may have been cut off in its work.
        """
        ...


@runtime_checkable
class Telling(Protocol):
    """An engine that may have to wait for others, and says why while it does."""

    def tell(self, note: Callable[[str], None]) -> None:
        """Whom to tell. Called before the engine is entered; ``note`` may be called from any thread."""
        ...


class Suite(Protocol):
    """A set of items and the way to grade answers.

    ``version`` changes whenever the same answers would be graded differently. ``primary`` names the metric shown first.
    ``watched`` names the flags that become metrics of their own (``suite/task/truncated`` …) and are gated by default.
    ``needs_baseline``: ``consult`` looks at the baseline's answer too. ``journalled`` False: never answer from the journal
    (latency). ``concurrency``: how many conversations at once, None for as many as the engine likes.
    ``judge``: the engine (config ``engines.NAME``) that ``consult`` and ``admit`` talk to, or None.
    """

    version: str
    metrics: Mapping[str, Metric]
    primary: str
    watched: tuple[Flag, ...]
    needs_baseline: bool
    journalled: bool
    concurrency: int | None
    judge: str | None

    def fingerprint(self) -> str:
        """Hash of all that decides what is asked and how it is graded: items, options, version, prompts."""
        ...

    def items(self) -> Iterable[Item]:
        """All items, in a fixed order; cheap to call twice."""
        ...

    def ask(self, item: Item) -> Conversation[Answer]:
        """The conversation with the candidate about one item."""
        ...

    def grade(
        self, answers: Sequence[Answer], judgments: Mapping[str, Sequence[Judgment]], baseline: Mapping[str, Answer]
    ) -> Iterator[Sample]:
        """Scores, per item. Pure. Receives only answers without error; keys of ``judgments`` and ``baseline`` are item keys."""
        ...


@runtime_checkable
class Judged(Protocol):
    """A suite that has its answers judged, after the candidates' engine has closed."""

    def consult(self, item: Item, answer: Answer, baseline: Answer | None) -> Conversation[Sequence[Judgment]]:
        """The conversation with the judge about one answer. ``baseline`` None: this answer is the baseline's own."""
        ...

    def admit(self) -> Conversation[Admission] | None:
        """The examination that the judge must pass before its metrics may gate; None where none is configured."""
        ...


@runtime_checkable
class Anchored(Protocol):
    """A judged suite that notices when its judge changes: it asks some of the examination again at every run, past the journal.

    ``examined``: hash of all that decides how the judge does, besides the judge's engine.
    """

    @property
    def examined(self) -> str: ...

    def rejudge(self) -> Conversation[dict[str, tuple[float | None, ...]]] | None:
        """The conversation about the anchors; None where there was no examination."""
        ...

    def rejudged(self, admission: Admission, again: dict[str, tuple[float | None, ...]]) -> Admission:
        """The admission, in the light of what the judge says of the anchors now."""
        ...


@runtime_checkable
class Empanelled(Protocol):
    """A judged suite that may have several judges: engines that are opened one after another. ``jurors``: their names.

    With one juror it is asked as ``Judged`` says, and none of this is used.
    """

    jurors: Sequence[str]

    def hear(self, juror: str, item: Item, answer: Answer, baseline: Answer | None) -> Conversation[Sequence[Judgment]]:
        """The conversation with one juror about one answer (``Judged.consult``)."""
        ...

    def testify(self, juror: str, *, anchors: bool = False) -> Conversation[Any] | None:
        """The conversation in which one juror is asked about the labels, or the anchors among them; None without labels."""
        ...

    def weigh(self, testimonies: Mapping[str, Any], again: Mapping[str, Any]) -> tuple[Admission | None, Mapping[str, float]]:
        """From what the jurors said: how the jury did, and how much each counts. ``again``: what was said of the anchors anew."""
        ...


def jury_of(suite: Suite) -> Empanelled | None:
    """The suite, where more than one judge judges it."""
    return suite if isinstance(suite, Empanelled) and len(suite.jurors) > 1 else None


def judges_of(suite: Suite) -> tuple[str, ...]:
    """The engines of all judges of a suite."""
    if suite.judge is None:
        return ()
    return tuple(suite.jurors) if isinstance(suite, Empanelled) else (suite.judge,)


@runtime_checkable
class JudgedInPart(Protocol):
    """A judged suite some of whose metrics the judge decides, and others it has no part in.

    ``judged``: those that it decides. A judge that was not examined, or failed, holds up no rule about the others.
    """

    @property
    def judged(self) -> Collection[str]: ...


def judged_of(suite: Suite) -> tuple[str, ...]:
    """The metrics that a judge decides, where there is one."""
    if suite.judge is None:
        return ()
    return tuple(suite.judged) if isinstance(suite, JudgedInPart) else tuple(suite.metrics)


@runtime_checkable
class Examining(Protocol):
    """A suite that cannot be put to every candidate."""

    def examine(self, candidate: Candidate, *, where: str) -> None:
        """ConfigError, before anything is asked, where it cannot answer this suite. ``where``: the candidate in the config."""
        ...


@runtime_checkable
class Imported(Protocol):
    """A suite that asks nothing: its runs were put into the store from elsewhere."""

    def adopt(self, runs: Iterable[Measured]) -> None:
        """Take items and metrics from what was imported, before anything else is asked of the suite."""
        ...


@runtime_checkable
class Grouped(Protocol):
    """A suite whose tasks are also read together, as the metrics ``suite/group/metric``.

    ``groups``: group -> metric -> task -> how much the task counts: the group's value is the weighted mean of theirs.
    """

    groups: Mapping[str, Mapping[str, Mapping[str, float]]]


def groups_of(suite: Suite) -> Mapping[str, Mapping[str, Mapping[str, float]]]:
    """The groups of a suite; none where it has none."""
    return suite.groups if isinstance(suite, Grouped) else {}


@runtime_checkable
class Uneven(Protocol):
    """A suite of which not every item has a score of every metric. Without these two, every item has all of them.

    ``hinging``: metrics (``metric``, or ``task/metric`` for those of one task) of which an answer may have no score although its
    item is there for them: what an engine does not tell, or what cannot be told from every text.
    """

    hinging: Collection[str]

    def metrics_of(self, item: Item) -> Collection[str]:
        """The metrics that an answer to this item has a score of, known before any model is asked. Watched flags are not among
        them: every item has those."""
        ...


def metrics_by_item(suite: Suite, items: Iterable[Item]) -> dict[str, frozenset[str]]:
    """Item key -> the metrics that an answer to it has a score of; where the suite does not say, all of them."""
    if isinstance(suite, Uneven):
        return {item.key: frozenset(suite.metrics_of(item)) for item in items}
    return {item.key: frozenset(name.removeprefix(f"{item.task}/") for name in suite.metrics) for item in items}


def hinging_of(suite: Suite) -> frozenset[str]:
    """The metrics that hinge on the answer; none where the suite does not say."""
    return frozenset(suite.hinging) if isinstance(suite, Uneven) else frozenset()


@runtime_checkable
class Timed(Protocol):
    """A suite whose items may run out of time: an item that does is an error, and no bad answer."""

    timeout_seconds: float | None


def timeout_of(suite: Suite) -> float | None:
    """How long a suite waits for an answer; None: for ever."""
    return suite.timeout_seconds if isinstance(suite, Timed) else None


@runtime_checkable
class Helped(Protocol):
    """A suite whose ``ask`` talks to another engine too (``Request.to``): the one that its option ``writer`` names."""

    writer: str


def helper_of(suite: Suite) -> str | None:
    """The engine that a suite needs while it asks, besides the candidate's own; none, as a rule."""
    return suite.writer if isinstance(suite, Helped) else None


@runtime_checkable
class Sourced(Protocol):
    """A suite that reads more files than its options name.

    ``files``: those whose content decides what is asked or how it is graded, as absolute paths; none that an installed package
    brings.
    """

    files: Sequence[Path]


def files_of(suite: Suite) -> Sequence[Path]:
    """The files that a suite has read beside those of its options."""
    return suite.files if isinstance(suite, Sourced) else ()


@runtime_checkable
class Laddered(Protocol):
    """A suite that asks its items under loads of their own, one load after the other (``Suite.concurrency`` is the highest)."""

    def load(self, item: Item) -> int:
        """How many conversations go on at once while this item is asked."""
        ...


def by_load(suite: Suite, items: Sequence[Item]) -> Iterator[tuple[int | None, Sequence[Item]]]:
    """The items under each load, from the lowest; all of them under the suite's own, where it has only one."""
    if not isinstance(suite, Laddered):
        yield suite.concurrency, items
        return
    for load in sorted({suite.load(item) for item in items}):
        yield load, [item for item in items if suite.load(item) == load]


@runtime_checkable
class Remarking(Protocol):
    """A suite that has something to say about how it graded on this machine. Every verdict that rests on it says so, too."""

    @property
    def remarks(self) -> Sequence[str]: ...


def remarks_of(suite: Suite) -> tuple[str, ...]:
    """What the suite has to say; nothing, as a rule."""
    return tuple(suite.remarks) if isinstance(suite, Remarking) else ()


class Judge(Protocol):
    """Scores an open answer through an engine named ``to``."""

    version: str

    def fingerprint(self) -> str: ...

    def prefer(self, question: Sequence[Any], answer: str, other: str) -> Conversation[Sequence[Judgment]]:
        """Is ``answer`` better than ``other``? Judgments with score 1 (answer), ½ (tie), 0 (other), or None (unparsable)."""
        ...


@runtime_checkable
class Grader(Protocol):
    """A judge that grades one answer alone, by one verdict or by several criteria.

    ``menu``: the grades that it can give. ``criteria``: name -> weight; none where there is one verdict.
    """

    @property
    def menu(self) -> tuple[float, ...]: ...

    @property
    def criteria(self) -> Mapping[str, float]: ...

    def grade(self, question: Sequence[Any], answer: str, *, reference: str = "") -> Conversation[Sequence[Judgment]]:
        """One judgment per criterion, or the only one; score None where it cannot be read."""
        ...


@runtime_checkable
class Referring(Protocol):
    """A judge that may be told the right answer."""

    @property
    def reads_reference(self) -> bool: ...

    def prefer(
        self, question: Sequence[Any], answer: str, other: str, *, reference: str = ""
    ) -> Conversation[Sequence[Judgment]]: ...


def preferring(judge: Judge, question: Sequence[Any], answer: str, other: str, reference: str) -> Conversation[Sequence[Judgment]]:
    """What a judge says of two answers; one that wants it is told the right one."""
    if reads_reference(judge) and isinstance(judge, Referring):
        return judge.prefer(question, answer, other, reference=reference)
    return judge.prefer(question, answer, other)


def reads_reference(judge: object) -> bool:
    """Whether a judge is told the right answer."""
    return isinstance(judge, Referring) and judge.reads_reference


class Evaluator(Protocol):
    """What a trainer is given to look at its checkpoints; it runs the harness in a process of its own.

    It asks only the items that select: what selects a checkpoint does not certify it (law 12).
    """

    def fingerprint(self) -> str:
        """Hash of all that decides what is asked and by which rules it is judged. ConfigError where something is wrong with it:
        called before the first step."""
        ...

    def __call__(self, candidate: Candidate, step: int) -> Evaluation:
        """Measure a checkpoint. EvaluationError where it could not be measured."""
        ...
