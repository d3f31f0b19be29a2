"""A judge that answers questions about answers with yes or no, as a suite has it: options, consultation, examination."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from harness.errors import ConfigError
from harness.plugins import did_you_mean
from harness.protocols import Conversation
from harness.records import Admission, Answer, Completion, Item, Judgment, Message, Sample
from judges.admission import Limits
from judges.anchors import Scores, drifted
from judges.lockstep import together
from judges.opinions import yes
from judges.yes_no import YesNo, examination, labelled_answers, rejudging
from suites.asking import ItemOptions
from suites.decoding import by_draw, said
from suites.examined import BOUND, examined_hash, read_labels
from suites.items import later_turns, messages_of, readable


class JudgingOptions(ItemOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``judge``: an engine of the config; ``judge_max_tokens``, ``judge_thinking`` and ``probabilities`` as in ``preference``.
    ``admission``: labelled answers that it must get right within ``limits``, or it may not gate."""

    judge: str | None = None
    judge_max_tokens: int | None = None
    judge_thinking: bool | None = None
    probabilities: bool = False
    admission: str | None = None
    limits: Limits = Limits()

    def resolved(self) -> dict[str, object]:
        """Without these: what they hold is hashed (``Judging.fingerprint``)."""
        own = set(JudgingOptions.__struct_fields__) - set(ItemOptions.__struct_fields__) | {"judges", "judge_prompts"}
        return {name: value for name, value in super().resolved().items() if name not in own}


class Point(NamedTuple):
    """One answer of one draw, and what is asked about it."""

    draw: int
    turn: int
    question: str


class Judging:
    """``prompts``: the judge prompt of every question that can be asked; ``judges``: the questions that the judge is asked, and
    ``own``: other prompts for them. None of them without a judge."""

    def __init__(
        self,
        options: JudgingOptions,
        prompts: Mapping[str, str],
        *,
        judges: Sequence[str],
        own: Mapping[str, str],
        folder: Path,
        where: str,
    ) -> None:
        self._options, self._where = options, where
        self._refuse_idle()
        self._judges = {} if options.judge is None else self._built(prompts, judges, own, folder)
        read = read_labels(options.admission, options.limits, what="labelled answers", folder=folder, where=where)
        self._labels = () if read is None else labelled_answers(read.rows, self.questions, file=read.file, where=read.where)

    @property
    def questions(self) -> tuple[str, ...]:
        """What the judge is asked; nothing where there is none."""
        return tuple(self._judges)

    def fingerprint(self) -> str | None:
        """Of the prompts, the labels and the limits; None without a judge."""
        if not self._judges:
            return None
        return self.examined

    @property
    def examined(self) -> str:
        """Hash of all that decides how the judge does in the examination, besides its engine."""
        judges = {question: judge.fingerprint() for question, judge in self._judges.items()}
        return examined_hash(judges, self._labels, self._options.limits)

    def admit(self) -> Conversation[Admission] | None:
        if not self._labels:
            return None
        return examination(tuple(self._judges.items()), self._labels, name=self._options.judge or "", limits=self._options.limits)

    def rejudge(self) -> Conversation[Scores] | None:
        return rejudging(tuple(self._judges.items()), self._labels) if self._labels else None

    def rejudged(self, admission: Admission, again: Scores) -> Admission:
        return drifted(admission, again, most=self._options.limits.drift)

    def consult(self, item: Item, answer: Answer, points: Sequence[Point]) -> Conversation[Sequence[Judgment]]:
        """What the judge says of these points, in their order. Of nothing said nothing is asked."""
        draws = by_draw(item, answer)
        opinions = yield from together([self._opinion(item, draws[point.draw], point) for point in points])
        engine = self._options.judge or ""
        return tuple(
            msgspec.structs.replace(opinion, judge=engine, reason=f"{point.question}: {opinion.reason}")
            for point, opinion in zip(points, opinions, strict=True)
        )

    def _opinion(self, item: Item, draw: Sequence[Completion], point: Point) -> Conversation[Judgment]:
        text = draw[point.turn].text[:BOUND]
        if not text.strip():
            return Judgment(score=0.0, reason="nothing was said")
        asked: list[Message] = list(messages_of(item, system=self._options.system))
        for completion, question in zip(draw[: point.turn], later_turns(item), strict=False):
            asked += [said(completion), Message(role="user", content=question)]
        return (yield from self._judges[point.question].opinion(asked, text))

    def _built(self, prompts: Mapping[str, str], judges: Sequence[str], own: Mapping[str, str], folder: Path) -> dict[str, YesNo]:
        options, where = self._options, self._where
        if not options.judge:
            raise ConfigError("name the judge's engine, one of those under 'engines'", where=f"{where}.judge")
        if not judges or len(set(judges)) != len(judges):
            raise ConfigError(f"found {list(judges)!r}, expected different questions", where=f"{where}.judges")
        idle = next((question for question in own if question not in judges), None)
        if idle is not None:
            expected = "add it to judges, or leave it out" if idle in prompts else did_you_mean(idle, prompts)
            raise ConfigError(f"the judge is not asked {idle!r}: {expected}", where=f"{where}.judge_prompts")
        return {
            question: YesNo(
                options.judge,
                prompt=own.get(question, prompts[question]),
                max_tokens=options.judge_max_tokens,
                probabilities=options.probabilities,
                enable_thinking=options.judge_thinking,
                folder=folder,
                where=f"{where}.judge_prompts",
            )
            for question in judges
        }

    def _refuse_idle(self) -> None:
        """ConfigError for options that nothing would read."""
        options, usual, where = self._options, type(self._options)(items=""), self._where
        about = ("judges", "judge_prompts", "judge_max_tokens", "judge_thinking", "probabilities", "admission", "limits")
        for name in about if options.judge is None else ():
            if getattr(options, name) != getattr(usual, name):
                raise ConfigError("it is about a judge, and none is named: set judge, or leave it out", where=f"{where}.{name}")


def opinions_of(points: Sequence[Point], judgments: Sequence[Judgment]) -> dict[Point, bool] | None:
    """What was said of each point; None where an opinion cannot be read, or is missing."""
    found = [yes(judgment.score) for judgment in judgments]
    known = [opinion for opinion in found if opinion is not None]
    return dict(zip(points, known, strict=True)) if len(known) == len(found) == len(points) else None


def unread(item: Item, answer: Answer, opinions: Sequence[Judgment]) -> Sample:
    """The sample of an answer about which nobody gave an opinion that can be read: an error, and neither yes nor no."""
    return Sample(
        key=item.key,
        task=item.task,
        prompt=readable(item),
        target=item.target,
        outputs=tuple(completion.text for completion in answer.completions),
        cluster=item.cluster,
        slices=item.slices,
        weight=item.weight,
        error="judge verdict unparsable" if opinions else "no judge was asked about this answer",
    )
