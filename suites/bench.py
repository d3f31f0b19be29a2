"""Who judges the answers of a suite: one judge, or a jury of several, each through an engine of its own; and their examination.

A juror's opinions count by how well it did on the labelled pairs (``harness.stats.jury``); without labelled pairs all count alike.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import ConfigError
from harness.fingerprint import digest
from harness.plugins import did_you_mean, load
from harness.protocols import Conversation, Judge, reads_reference
from harness.records import Admission, Answer, Completion, Item, Judgment, Message
from judges import JUDGES
from judges.admission import Limits, examination
from judges.anchors import Scores, anchors_of, drifted, rejudging
from judges.jury import Heard, testimony, weighed
from judges.labels import labelled_pairs
from judges.prompt import Criterion, load_prompt
from suites.asking import Asking, ItemOptions
from suites.decoding import by_draw, said
from suites.examined import Examined, examined_hash, read_labels
from suites.items import History, later_turns, messages_of

UNPARSABLE = "judge verdict unparsable"
UNJUDGED = "no judge was asked about this answer"


class BenchOptions(ItemOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How candidates answer (``ItemOptions``), and who judges.

    ``judge``: a name under the config's ``engines``; several names are a jury. ``use``: the kind of judge ("pairwise",
    "pointwise", "rubric" or ``module:Attr``). ``prompt``: a shipped judge prompt, or a file (default: the one of the judge's
    kind). ``prompts``: of a jury, juror -> a prompt of its own, which says its kind. ``criteria``: those of a rubric, in place of
    its prompt's. ``probabilities``: weigh the verdict words by log-probability instead of reading one. ``judge_max_tokens``:
    default, what the prompt file says. ``admission``: labelled pairs that the judge must pass, within ``limits``
    (``judges:pairs.jsonl`` is shipped, in English and Chinese). ``history``: what stands between the ``turns`` of an item, the
    model's own answers or the item's ``replies``.
    """

    judge: str | tuple[str, ...]
    use: str = "pairwise"
    prompt: str | None = None
    prompts: dict[str, str] = {}
    criteria: dict[str, Criterion] | None = None
    probabilities: bool = False
    judge_max_tokens: int | None = None
    judge_thinking: bool | None = None
    admission: str | None = None
    limits: Limits = Limits()
    history: History = "own"

    def resolved(self) -> dict[str, object]:
        """Without these: what they hold is hashed (``Bench.fingerprint``), or is in the items."""
        own = set(BenchOptions.__struct_fields__) - set(ItemOptions.__struct_fields__)
        return {name: value for name, value in super().resolved().items() if name not in own}


class Bench:
    """``jurors``: the engines of the judges, in the order of the config."""

    def __init__(self, options: BenchOptions, *, folder: Path, where: str) -> None:
        self._options, self._where = options, where
        self.jurors = (options.judge,) if isinstance(options.judge, str) else options.judge
        if not self.jurors or not all(self.jurors):
            raise ConfigError("name the judge's engine, one of those under 'engines'", where=f"{where}.judge")
        if len(set(self.jurors)) < len(self.jurors):
            raise ConfigError(
                f"found {list(self.jurors)!r}, expected different engines: a juror has one vote", where=f"{where}.judge"
            )
        self._refuse_idle()
        self.judges: Mapping[str, Judge] = {name: _built(name, options, folder, where) for name in self.jurors}
        read = read_labels(options.admission, options.limits, what="labelled pairs", folder=folder, where=where)
        self._labels = () if read is None else labelled_pairs(read.rows, file=read.file, where=read.where)
        self._check_references()

    @property
    def first(self) -> Judge:
        """The only judge, or one of the jurors: but for their engines, and prompts of their own, they are alike."""
        return self.judges[self.jurors[0]]

    @property
    def jury(self) -> bool:
        return len(self.jurors) > 1

    @property
    def reads_reference(self) -> bool:
        """Whether a judge is told the right answer."""
        return any(reads_reference(judge) for judge in self.judges.values())

    def fingerprint(self) -> str:
        """Of the prompt and parser, the labels and limits; not of the engines or their names."""
        return digest([self.examined, len(self.jurors)])

    @property
    def examined(self) -> str:
        """Hash of all that decides how the judges do in the examination, besides their engines."""
        return examined_hash(self._prints(), self._labels, self._options.limits)

    def _prints(self) -> object:
        """Of jurors with different prompts it matters who has which."""
        prints = {name: judge.fingerprint() for name, judge in self.judges.items()}
        return prints if len(set(prints.values())) > 1 else self.first.fingerprint()

    def admit(self) -> Conversation[Admission] | None:
        """The examination of a single judge on labelled pairs, where the options name some."""
        if not self._labels or self.jury:
            return None
        return examination(self.first, self._labels, name=self.jurors[0], limits=self._options.limits)

    def rejudge(self) -> Conversation[Scores] | None:
        """A single judge's verdicts on the anchors among the labelled pairs, once more."""
        return rejudging(self.first, self._labels) if self._labels and not self.jury else None

    def rejudged(self, admission: Admission, again: Scores) -> Admission:
        """The admission in the light of what the judge says of the anchors now."""
        return drifted(admission, again, most=self._options.limits.drift)

    def testify(self, juror: str, *, anchors: bool = False) -> Conversation[Heard] | None:
        """What a juror says of the labelled pairs and canaries, or of the anchors alone; None without labelled pairs."""
        if not self._labels:
            return None
        return testimony(self.judges[juror], anchors_of(self._labels) if anchors else self._labels, canaries=not anchors)

    def weigh(self, testimonies: Mapping[str, Heard], again: Mapping[str, Heard]) -> tuple[Admission | None, Mapping[str, float]]:
        """How the jury does on the labelled pairs, and how much each juror counts. ``again``: of those who were asked anew."""
        if not self._labels:
            return None, dict.fromkeys(self.jurors, 1.0)
        return weighed(self._labels, testimonies, again, limits=self._options.limits)

    def signed(self, juror: str, judgments: Sequence[Judgment]) -> tuple[Judgment, ...]:
        """Opinions with the name of who gave them."""
        if not self.jury:
            return tuple(_with(judgment, judge=judgment.judge or juror) for judgment in judgments)
        return tuple(_with(judgment, judge=juror) for judgment in judgments)

    def reference(self, item: Item) -> str:
        """The right answer, where the judge is told it."""
        return str(item.target) if self.reads_reference else ""

    def check_items(self, items: Sequence[Item], path: Path) -> None:
        """ConfigError for an item without the right answer, where the judge is told it."""
        without = next((item for item in items if item.target is None or not str(item.target).strip()), None)
        if self.reads_reference and without is not None:
            raise ConfigError(
                f"{path}: item {without.key!r} has no target, and the judge's prompt has a place for the right answer "
                "({reference}): add one, or take a prompt without",
                where=f"{self._where}.prompt",
            )

    def _refuse_idle(self) -> None:
        """ConfigError for prompts that nobody would read."""
        place, own = f"{self._where}.prompts", self._options.prompts
        if own and not self.jury:
            raise ConfigError("they are those of several jurors, and there is one judge; use prompt", where=place)
        unknown = next((name for name in own if name not in self.jurors), None)
        if unknown is not None:
            raise ConfigError(f"{unknown!r} is no juror. {did_you_mean(unknown, self.jurors)}", where=place)
        if own and self._options.prompt is not None and set(own) == set(self.jurors):
            raise ConfigError("every juror has a prompt of its own; leave this out", where=f"{self._where}.prompt")

    def _check_references(self) -> None:
        without = next((pair for pair in self._labels if not pair.reference.strip()), None)
        if self.reads_reference and without is not None:
            raise ConfigError(
                f"labelled pair {without.key!r} has no 'reference', and the judge's prompt has a place for it: a judge is "
                "examined as it judges",
                where=f"{self._where}.admission",
            )


class Tried(Examined, Asking):
    """A suite whose answers come before a bench. ``hear``: the conversation with one juror about one answer."""

    jurors: tuple[str, ...]
    bench: Bench

    def seat(self, bench: Bench) -> None:
        """Let these be the judges."""
        self.bench = self.examiner = bench
        self.jurors, self.judge = bench.jurors, bench.jurors[0]

    def fingerprint(self) -> str:
        """With the judges' prompts and parser, the labels and limits."""
        return digest([super().fingerprint(), self.bench.fingerprint()])

    def consult(self, item: Item, answer: Answer, baseline: Answer | None) -> Conversation[Sequence[Judgment]]:
        """The opinions of the only judge."""
        return self.hear(self.jurors[0], item, answer, baseline)

    @abstractmethod
    def hear(self, juror: str, item: Item, answer: Answer, baseline: Answer | None) -> Conversation[Sequence[Judgment]]: ...

    def testify(self, juror: str, *, anchors: bool = False) -> Conversation[Heard] | None:
        return self.bench.testify(juror, anchors=anchors)

    def weigh(self, testimonies: Mapping[str, Heard], again: Mapping[str, Heard]) -> tuple[Admission | None, Mapping[str, float]]:
        return self.bench.weigh(testimonies, again)


def _with(judgment: Judgment, **changes: Any) -> Judgment:
    values = {name: getattr(judgment, name) for name in Judgment.__struct_fields__}
    return Judgment(**{**values, **changes})


def asked_before(item: Item, draw: Sequence[Completion], turn: int, *, system: str | None) -> list[Message]:
    """The conversation up to the question that answer number ``turn`` of a draw is about."""
    found = list(messages_of(item, system=system))
    for completion, question in zip(draw[:turn], later_turns(item), strict=False):
        found += [said(completion), Message(role="user", content=question)]
    return found


def told(item: Item, answer: Answer) -> str:
    """What a model said to an item, as one text: the answer to its only question, or the whole conversation after the first."""
    if not answer.completions:
        return ""
    draw = by_draw(item, answer)[0]
    if len(draw) == 1:
        return draw[0].text
    parts = [draw[0].text]
    for question, completion in zip(later_turns(item), draw[1:], strict=True):
        parts += [f"[user]\n{question}", f"[assistant]\n{completion.text}"]
    return "\n\n".join([f"[assistant]\n{parts[0]}", *parts[1:]])


def _built(name: str, options: BenchOptions, folder: Path, where: str) -> Judge:
    own, use = options.prompts.get(name), options.use
    place = f"{where}.prompt" if own is None else f"{where}.prompts.{name}"
    if own is not None and use in JUDGES:
        use = load_prompt(own, kind=None, folder=folder, where=place).front.kind
    kind = load(use, JUDGES, what="judge", where=f"{where}.use")
    prompt = options.prompt if own is None else own
    named: dict[str, Any] = {} if prompt is None else {"prompt": prompt}
    if options.criteria is not None:
        if use in JUDGES and use != "rubric":
            raise ConfigError(f'criteria are those of a rubric, and {name} has none (use = "{use}")', where=f"{where}.criteria")
        named["criteria"] = options.criteria
    judge: Judge = kind(
        name,
        max_tokens=options.judge_max_tokens,
        probabilities=options.probabilities,
        enable_thinking=options.judge_thinking,
        folder=folder,
        where=place,
        **named,
    )
    return judge
