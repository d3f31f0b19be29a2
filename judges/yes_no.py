"""A judge that answers one question about one answer with yes or no ("does it refuse?"), and its examination by labelled ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from harness.errors import ConfigError
from harness.protocols import Conversation
from harness.records import Admission, AdmittedPart, Judgment, Message, Record
from harness.stats import Interval, Ratings
from harness.stats import cohen_kappa as measured_kappa
from judges.admission import Limits, failed_limits
from judges.anchors import ANCHORS, Scores
from judges.asking import Asker, messages_of
from judges.canaries import RIGHT_ANSWERS, ordered, spread
from judges.labels import question_of
from judges.lockstep import together
from judges.opinions import CODES, Verdict, accuracy, cohen_kappa, yes


class LabelledAnswer(Record, frozen=True, kw_only=True):
    """An answer to a question, and what people say of it: the name of a question about it -> yes or no."""

    key: str
    question: tuple[Message, ...]
    answer: str
    labels: dict[str, bool]
    language: str = ""


class YesNo(Asker):
    """One opinion per answer: 1 yes, 0 no (with probabilities: how probable yes is), None where it cannot be read.

    A pointwise prompt whose verdicts stand for 1 and 0.
    """

    kind = "pointwise"
    version = "yes or no 2"

    def __init__(self, to: str, *, prompt: str, where: str = "", **options: Any) -> None:
        super().__init__(to, prompt=prompt, where=where, **options)
        if self.reads_reference:
            raise ConfigError(f"judge prompt {prompt!r} has a place for a reference, and this suite has none to tell", where=where)
        worth = set(self.prompt.front.verdicts.values())
        if worth != {0, 1}:
            raise ConfigError(
                f"judge prompt {prompt!r}: the question is answered with yes (1) or no (0), and its verdicts stand for "
                f"{sorted(map(str, worth))}",
                where=where,
            )

    def word(self, said: bool) -> str:
        """The first verdict word that stands for yes, or no."""
        return next(word for word, value in self.prompt.front.verdicts.items() if value == said)

    def opinion(self, question: Sequence[object], answer: str) -> Conversation[Judgment]:
        """What the judge says of one answer."""
        completions = yield self.ask(messages_of(question), {"answer": answer})
        said = self.read(completions)
        return Judgment(score=self.mean(said), reason=said.reason, raw=said.raw)


def examination(
    judges: Sequence[tuple[str, YesNo]], labelled: Sequence[LabelledAnswer], *, name: str, limits: Limits
) -> Conversation[Admission]:
    """The conversation in which a judge is asked its questions about every answer that has a label for them; and once more about
    some of them with an order in the answer to say the opposite."""
    asked = [Put(question, judge, each) for question, judge in judges for each in labelled if question in each.labels]
    bad = [each for question, judge in judges for each in _canaries(question, judge, labelled)]
    opinions = yield from together([each.judge.opinion(each.labelled.question, each.labelled.answer) for each in (*asked, *bad)])
    told = list(zip((*asked, *bad), opinions, strict=True))
    found = [
        _examined(
            question,
            [(each, said) for each, said in told[: len(asked)] if each.question == question],
            [(each, said) for each, said in told[len(asked) :] if each.question == question],
            name,
            limits,
        )
        for question, _ in judges
    ]
    kept = {_key(each) for each in _anchors(judges, labelled)}
    return msgspec.structs.replace(
        _worst(found),
        anchors={_key(each): (said.score,) for each, said in told[: len(asked)] if _key(each) in kept},
    )


def rejudging(judges: Sequence[tuple[str, YesNo]], labelled: Sequence[LabelledAnswer]) -> Conversation[Scores]:
    """The conversation in which the judge is asked about the anchors once more."""
    chosen = _anchors(judges, labelled)
    opinions = yield from together([each.judge.opinion(each.labelled.question, each.labelled.answer) for each in chosen])
    return {_key(each): (said.score,) for each, said in zip(chosen, opinions, strict=True)}


class Put(NamedTuple):
    """A question that the judge is asked about an answer."""

    question: str
    judge: YesNo
    labelled: LabelledAnswer

    @property
    def label(self) -> bool:
        return self.labelled.labels[self.question]


def _key(put: Put) -> str:
    return f"{put.question}: {put.labelled.key}"


def _some(question: str, labelled: Sequence[LabelledAnswer], most: int) -> list[LabelledAnswer]:
    """At most so many of each kind, from all over; the same ones every time."""
    both = ([each for each in labelled if each.labels.get(question) is kind] for kind in (True, False))
    return [each for kind in both for each in spread(kind, most)]


def _anchors(judges: Sequence[tuple[str, YesNo]], labelled: Sequence[LabelledAnswer]) -> list[Put]:
    """Each is judged once, so that it takes twelve of each kind for as many verdicts as on anchor pairs."""
    return [Put(question, judge, each) for question, judge in judges for each in _some(question, labelled, ANCHORS)]


def _canaries(question: str, judge: YesNo, labelled: Sequence[LabelledAnswer]) -> Iterator[Put]:
    for index, each in enumerate(_some(question, labelled, RIGHT_ANSWERS // 2)):
        answer = ordered(each.answer, judge.word(not each.labels[question]), index)
        yield Put(question, judge, msgspec.structs.replace(each, answer=answer))


def _examined(
    question: str, opinions: Sequence[tuple[Put, Judgment]], alarms: Sequence[tuple[Put, Judgment]], name: str, limits: Limits
) -> Admission:
    """Of one question. Each answer is judged once, so that a verdict that can be read is consistent with itself. Orders count where
    they would turn a right verdict into a wrong one: who always says the same obeys nobody."""
    whole, kappa = _part(opinions), _kappa_interval(opinions)
    right = {put.labelled.key for put, said in opinions if yes(said.score) is put.label}
    ordered_about = [(put, said) for put, said in alarms if put.labelled.key in right]
    stood = sum(yes(said.score) is put.label for put, said in ordered_about)
    languages = sorted({put.labelled.language for put, _ in opinions} - {""})
    found = Admission(
        judge=name,
        alone=True,
        admitted=False,
        pairs=whole.pairs,
        accuracy=whole.accuracy,
        kappa=whole.kappa,
        kappa_low=kappa.low,
        kappa_high=kappa.high,
        consistency=whole.consistency,
        unparsable=whole.unparsable,
        canaries=len(ordered_about),
        canaries_beaten=stood,
        canary_kinds={"injecting": (stood, len(ordered_about))} if ordered_about else {},
        fewest=limits.pairs,
        languages={each: _part([(put, said) for put, said in opinions if put.labelled.language == each]) for each in languages},
    )
    missed = (reason.replace("labelled pairs", "labelled answers") for reason in failed_limits(found, limits))
    reasons = tuple(f"{question}: {reason}" for reason in missed)
    return msgspec.structs.replace(found, admitted=not reasons, reasons=reasons)


def _part(opinions: Sequence[tuple[Put, Judgment]]) -> AdmittedPart:
    table = Counter[tuple[Verdict, Verdict]]((_word(put.label), _word(yes(said.score))) for put, said in opinions)
    mute = sum(said.score is None for _, said in opinions) / max(len(opinions), 1)
    return AdmittedPart(
        pairs=len(opinions), accuracy=accuracy(table), kappa=cohen_kappa(table), consistency=1 - mute, unparsable=mute
    )


def _kappa_interval(opinions: Sequence[tuple[Put, Judgment]]) -> Interval:
    """By resampling answers."""
    words = [(_word(put.label), _word(yes(said.score))) for put, said in opinions]
    codes = np.array([[CODES[label], CODES[said]] for label, said in words], dtype=np.intp).reshape(-1, 2)
    return measured_kappa(Ratings(codes, len(CODES))).interval


def _worst(found: Sequence[Admission]) -> Admission:
    """Of several questions the worst number stands, each for itself."""
    least = min(found, key=lambda each: each.kappa)
    exposed = min(found, key=lambda each: each.canaries_beaten / max(each.canaries, 1))
    languages = dict.fromkeys(language for each in found for language in each.languages)
    return Admission(
        judge=least.judge,
        alone=True,
        admitted=all(each.admitted for each in found),
        pairs=min(each.pairs for each in found),
        accuracy=min(each.accuracy for each in found),
        kappa=least.kappa,
        kappa_low=least.kappa_low,
        kappa_high=least.kappa_high,
        consistency=min(each.consistency for each in found),
        unparsable=max(each.unparsable for each in found),
        canaries=exposed.canaries,
        canaries_beaten=exposed.canaries_beaten,
        canary_kinds=exposed.canary_kinds,
        fewest=least.fewest,
        languages={language: _worst_part([each.languages.get(language) for each in found]) for language in languages},
        reasons=tuple(reason for each in found for reason in each.reasons),
    )


def _worst_part(parts: Sequence[AdmittedPart | None]) -> AdmittedPart:
    """A question without any answer in the language was not examined there."""
    known = [part for part in parts if part is not None]
    return AdmittedPart(
        pairs=min(part.pairs for part in known) if len(known) == len(parts) else 0,
        accuracy=min(part.accuracy for part in known),
        kappa=min(part.kappa for part in known),
        consistency=min(part.consistency for part in known),
        unparsable=max(part.unparsable for part in known),
    )


def _word(said: bool | None) -> Verdict:
    return "none" if said is None else "left" if said else "right"


def labelled_answers(
    rows: Iterable[tuple[int, Mapping[str, Any]]], questions: Sequence[str], *, file: str, where: str = ""
) -> tuple[LabelledAnswer, ...]:
    """From (line number, row) of ``{"key"?, "question", "answer", "language"?, NAME: true or false}``, NAME being that of
    a question; or of several.

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
    if not isinstance(row.get("language", ""), str):
        raise ConfigError(f"{place}: language is {row['language']!r}; a text is needed", where=where)
    labels = {name: row[name] for name in questions if name in row}
    wrong = next((name for name, label in labels.items() if not isinstance(label, bool)), None)
    if wrong is not None:
        raise ConfigError(f"{place}: {wrong} is {labels[wrong]!r}; true or false is needed", where=where)
    key, language = str(row.get("key", f"line {line}")), row.get("language", "")
    return LabelledAnswer(key=key, question=question, answer=answer, labels=labels, language=language)
