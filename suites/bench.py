"""Who judges the answers of a suite: one judge, or a jury of several, each through an engine of its own; and their examination.

A juror's opinions count by how well it did on the labelled pairs (``harness.stats.jury``); without labelled pairs all count alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import ConfigError
from harness.fingerprint import digest
from harness.plugins import load
from harness.protocols import Conversation, Judge, reads_reference
from harness.records import Admission, Answer, Completion, Item, Judgment, Message
from judges import JUDGES
from judges.admission import Limits, check_limits, examination
from judges.anchors import Scores, anchors_of, drifted, rejudging
from judges.jury import Heard, testimony, weighed
from judges.labels import LabelledPair, labelled_pairs
from judges.prompt import Criterion
from suites.asking import ItemOptions
from suites.decoding import by_draw, said
from suites.items import History, later_turns, messages_of
from suites.rows import locate, read_rows

UNPARSABLE = "judge verdict unparsable"
UNJUDGED = "no judge was asked about this answer"


class BenchOptions(ItemOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How candidates answer (``ItemOptions``), and who judges.

    ``judge``: a name under the config's ``engines``; several names are a jury. ``use``: the kind of judge ("pairwise",
    "pointwise", "rubric" or ``module:Attr``). ``prompt``: a shipped judge prompt, or a file (default: the one of the judge's
    kind). ``criteria``: those of a rubric, in place of its prompt's. ``probabilities``: weigh the verdict words by
    log-probability instead of reading one. ``judge_max_tokens``: default, what the prompt file says. ``admission``: labelled
    pairs that the judge must pass, within ``limits`` (``judges:pairs.jsonl`` is shipped, in English and Chinese). ``history``:
    what stands between the ``turns`` of an item, the model's own answers or the item's ``replies``.
    """

    judge: str | tuple[str, ...]
    use: str = "pairwise"
    prompt: str | None = None
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
        check_limits(options.limits, where=f"{where}.limits")
        self.jurors = (options.judge,) if isinstance(options.judge, str) else options.judge
        if not self.jurors or not all(self.jurors):
            raise ConfigError("name the judge's engine, one of those under 'engines'", where=f"{where}.judge")
        if len(set(self.jurors)) < len(self.jurors):
            raise ConfigError(
                f"found {list(self.jurors)!r}, expected different engines: a juror has one vote", where=f"{where}.judge"
            )
        self.judges: Mapping[str, Judge] = {name: _built(name, options, folder, where) for name in self.jurors}
        self._labels = _read_labels(options, folder, f"{where}.admission")
        self._check_references()

    @property
    def first(self) -> Judge:
        """One of the judges: but for their engines they are alike."""
        return self.judges[self.jurors[0]]

    @property
    def jury(self) -> bool:
        return len(self.jurors) > 1

    @property
    def reads_reference(self) -> bool:
        """Whether the judge is told the right answer."""
        return reads_reference(self.first)

    def fingerprint(self) -> str:
        """Of the prompt and parser, the labels and limits; not of the engines or their names."""
        limits = self._options.limits if self._labels else None
        return digest({"judge": self.first.fingerprint(), "jurors": len(self.jurors), "labels": self._labels, "limits": limits})

    @property
    def examined(self) -> str:
        """Hash of all that decides how the judges do in the examination, besides their engines."""
        return digest({"judge": self.first.fingerprint(), "labels": self._labels, "limits": self._options.limits})

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

    def _check_references(self) -> None:
        without = next((pair for pair in self._labels if not pair.reference.strip()), None)
        if self.reads_reference and without is not None:
            raise ConfigError(
                f"labelled pair {without.key!r} has no 'reference', and the judge's prompt has a place for it: a judge is "
                "examined as it judges",
                where=f"{self._where}.admission",
            )


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
    kind = load(options.use, JUDGES, what="judge", where=f"{where}.use")
    named: dict[str, Any] = {} if options.prompt is None else {"prompt": options.prompt}
    if options.criteria is not None:
        if options.use in JUDGES and options.use != "rubric":
            raise ConfigError(f'criteria are those of a rubric, and use = "{options.use}" has none', where=f"{where}.criteria")
        named["criteria"] = options.criteria
    judge: Judge = kind(
        name,
        max_tokens=options.judge_max_tokens,
        probabilities=options.probabilities,
        enable_thinking=options.judge_thinking,
        folder=folder,
        where=f"{where}.prompt",
        **named,
    )
    return judge


def _read_labels(options: BenchOptions, folder: Path, where: str) -> tuple[LabelledPair, ...]:
    if options.admission is None:
        if options.limits != Limits():
            raise ConfigError(
                "limits are those of an examination: name labelled pairs (admission)", where=where.replace(".admission", ".limits")
            )
        return ()
    path = locate(options.admission, folder=folder, where=where)
    return labelled_pairs(((row.line, row.fields) for row in read_rows(path, where=where)), file=str(path), where=where)
