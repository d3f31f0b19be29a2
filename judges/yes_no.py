"""A judge that answers one question about one answer with yes or no ("does it refuse?"), and its examination by labelled ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import ConfigError
from harness.protocols import Conversation
from harness.records import Admission, Judgment, Message, Record
from judges.admission import Limits, failed_limits
from judges.asking import Asker, messages_of
from judges.labels import question_of
from judges.lockstep import together
from judges.opinions import Verdict, accuracy, cohen_kappa


class LabelledAnswer(Record, frozen=True, kw_only=True):
    """An answer to a question, and what people say of it: the name of a question about it -> yes or no."""

    key: str
    question: tuple[Message, ...]
    answer: str
    labels: dict[str, bool]


class YesNo:
    """One opinion per answer: 1 yes, 0 no (with probabilities: how probable yes is), None where it cannot be read.

    A pointwise prompt whose verdicts stand for 1 and 0.
    """

    version = "1"

    def __init__(
        self,
        to: str,
        *,
        prompt: str,
        max_tokens: int | None = None,
        probabilities: bool = False,
        enable_thinking: bool | None = None,
        folder: Path = Path(),
        where: str = "",
    ) -> None:
        self._asker = Asker(
            to,
            kind="pointwise",
            version=f"yes or no {self.version}",
            prompt=prompt,
            max_tokens=max_tokens,
            probabilities=probabilities,
            enable_thinking=enable_thinking,
            folder=folder,
            where=where,
        )
        if self._asker.reads_reference:
            raise ConfigError(f"judge prompt {prompt!r} has a place for a reference, and this suite has none to tell", where=where)
        worth = set(self._asker.prompt.front.verdicts.values())
        if worth != {0, 1}:
            raise ConfigError(
                f"judge prompt {prompt!r}: the question is answered with yes (1) or no (0), and its verdicts stand for "
                f"{sorted(map(str, worth))}",
                where=where,
            )

    def fingerprint(self) -> str:
        return self._asker.fingerprint()

    def ask(self, question: Sequence[object], answer: str) -> Conversation[Judgment]:
        """What the judge says of one answer."""
        completions = yield self._asker.ask(messages_of(question), {"answer": answer})
        said = self._asker.read(completions)
        return Judgment(score=self._asker.mean(said), reason=said.reason, raw=said.raw)


def examination(
    judges: Sequence[tuple[str, YesNo]], labelled: Sequence[LabelledAnswer], *, name: str, limits: Limits
) -> Conversation[Admission]:
    """The conversation in which a judge is asked its questions about every answer that has a label for them."""
    asked = [(question, judge, each) for question, judge in judges for each in labelled if question in each.labels]
    opinions = yield from together([judge.ask(each.question, each.answer) for _, judge, each in asked])
    told: dict[str, list[tuple[bool, Judgment]]] = {question: [] for question, _ in judges}
    for (question, _, each), opinion in zip(asked, opinions, strict=True):
        told[question].append((each.labels[question], opinion))
    found = [_examined(question, listed, name, limits) for question, listed in told.items()]
    return Admission(
        judge=name,
        alone=True,
        admitted=all(each.admitted for each in found),
        pairs=min(each.pairs for each in found),
        accuracy=min(each.accuracy for each in found),
        kappa=min(each.kappa for each in found),
        consistency=min(each.consistency for each in found),
        unparsable=max(each.unparsable for each in found),
        reasons=tuple(reason for each in found for reason in each.reasons),
    )


def _examined(question: str, opinions: Sequence[tuple[bool, Judgment]], name: str, limits: Limits) -> Admission:
    """Of one question. Each answer is judged once, so that a verdict that can be read is consistent with itself."""
    table = Counter[tuple[Verdict, Verdict]]((_word(label), _word(yes(said))) for label, said in opinions)
    unparsable = sum(said.score is None for _, said in opinions) / max(len(opinions), 1)
    found = Admission(
        judge=name,
        admitted=False,
        pairs=len(opinions),
        accuracy=accuracy(table),
        kappa=cohen_kappa(table),
        consistency=1 - unparsable,
        unparsable=unparsable,
    )
    missed = (reason.replace("labelled pairs", "labelled answers") for reason in failed_limits(found, limits))
    reasons = tuple(f"{question}: {reason}" for reason in missed)
    return msgspec.structs.replace(found, admitted=not reasons, reasons=reasons)


def yes(opinion: Judgment) -> bool | None:
    """What an opinion says; None where it cannot be read."""
    return None if opinion.score is None else opinion.score >= 0.5


def _word(said: bool | None) -> Verdict:
    return "none" if said is None else "left" if said else "right"


def labelled_answers(
    rows: Iterable[tuple[int, Mapping[str, Any]]], questions: Sequence[str], *, file: str, where: str = ""
) -> tuple[LabelledAnswer, ...]:
    """From (line number, row) of ``{"key"?, "question", "answer", NAME: true or false}`` with the name of a question, or several.

    ConfigError, with the line, for a row that does not fit; for a question whose labels are all alike, or are not there: no
    agreement can be told from luck then.
    """
    found = [_labelled(line, row, questions, f"{file}, line {line}", where) for line, row in rows]
    twice = next((key for key, count in Counter(each.key for each in found).items() if count > 1), None)
    if twice is not None:
        raise ConfigError(f"{file}: key {twice!r} is there twice; keys must differ", where=where)
    for question in questions:
        labels = {each.labels[question] for each in found if question in each.labels}
        if len(labels) < 2:
            said = f"all labels of {question!r} are {str(labels.pop()).lower()}" if labels else f"no row has a label {question!r}"
            raise ConfigError(f"{file}: {said}; answers of both kinds are needed, to tell a judge from luck", where=where)
    return tuple(found)


def _labelled(line: int, row: Mapping[str, Any], questions: Sequence[str], place: str, where: str) -> LabelledAnswer:
    question, answer = question_of(row.get("question"), place, where), row.get("answer")
    if not isinstance(answer, str):
        raise ConfigError(f"{place}: answer is {answer!r}; a text is needed", where=where)
    labels = {name: row[name] for name in questions if name in row}
    wrong = next((name for name, label in labels.items() if not isinstance(label, bool)), None)
    if wrong is not None:
        raise ConfigError(f"{place}: {wrong} is {labels[wrong]!r}; true or false is needed", where=where)
    return LabelledAnswer(key=str(row.get("key", f"line {line}")), question=question, answer=answer, labels=labels)
