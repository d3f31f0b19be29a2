"""How good is an answer, by itself? A judge grades it: on a scale, yes or no, against a reference, or by the criteria of a rubric.

``grade`` is what the judge's prompt says its verdicts stand for (1 to 5, 1 to 10, 0 or 1): of a rubric the weighted mean over its
criteria, each of which is ``criterion_NAME`` besides. The baseline's answers are graded like everybody's, so that a grade is an
ordinary paired metric.

A verdict that cannot be parsed is the judge's failure. An item all of whose answers are left without a grade is an error; one that
keeps a graded answer is scored by it and flagged ``unparsable``. An answer that says nothing has the lowest grade, unasked. Of a
jury it is the weighted mean; where two judges are half the scale apart or more the item is flagged ``disputed``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from harness.errors import ConfigError
from harness.fingerprint import digest
from harness.protocols import Conversation, Grader
from harness.records import Admission, Answer, Completion, Flag, Item, Judgment, Metric, MetricKind, Sample
from judges.anchors import Scores
from judges.jury import Heard
from judges.lockstep import together
from judges.opinions import by_judge
from judges.rubric import weighted
from suites.asking import Asking
from suites.bench import UNJUDGED, UNPARSABLE, Bench, BenchOptions, asked_before
from suites.decoding import by_draw
from suites.items import later_turns, read_items, readable

BOUND = 20_000
"""Characters of an answer that are looked at."""
GRADE = "grade"
CRITERION = "criterion_"


class GradedOptions(BenchOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How candidates answer, and who grades. ``graded_turns``: of items with several turns, whether the last answer is graded, or
    every one (their mean counts)."""

    use: str = "pointwise"
    graded_turns: Literal["last", "all"] = "last"


class Point(NamedTuple):
    """One answer of one draw."""

    draw: int
    turn: int


class Graded(Asking):
    """Open questions, each answer graded alone."""

    Options = GradedOptions
    options: GradedOptions

    def read(self, path: Path) -> list[Item]:
        options, where = self.options, self.place
        self._bench = Bench(options, folder=self.folder, where=where)
        self.jurors = self._bench.jurors
        self.judge = self.jurors[0]
        first = self._bench.first
        if not isinstance(first, Grader):
            raise ConfigError(
                f'use = "{options.use}" compares two answers, and here each is graded alone; "pointwise" and "rubric" do that',
                where=f"{where}.use",
            )
        self._weights, self._menu = first.criteria, first.menu
        self._range = min(self._menu), max(self._menu)
        items = read_items(path, where=f"{where}.items", history=options.history)
        self._bench.check_items(items, path)
        if options.graded_turns == "all" and not any(later_turns(item) for item in items):
            raise ConfigError("no item has further turns that the model answers; leave it out", where=f"{where}.graded_turns")
        return items

    def offered(self) -> Mapping[str, Metric]:
        kind = self._kind()
        spread = None if kind in ("binary", "bounded") else self._range
        metric = Metric(kind=kind, range=spread)
        return {GRADE: metric} | {f"{CRITERION}{name}": metric for name in self._weights}

    def _kind(self) -> MetricKind:
        """Whole grades only where one verdict of one judge decides."""
        options = self.options
        mixed = options.draws > 1 or options.probabilities or self._bench.jury or options.graded_turns == "all" or self._weights
        if self._range == (0.0, 1.0):
            return "bounded" if mixed or len(self._menu) > 2 else "binary"
        return "real" if mixed or any(grade != int(grade) for grade in self._menu) else "ordinal"

    def fingerprint(self) -> str:
        """With the judge's prompt and parser, the labels and limits."""
        return digest([super().fingerprint(), self._bench.fingerprint()])

    def consult(self, item: Item, answer: Answer, baseline: Answer | None) -> Conversation[Sequence[Judgment]]:
        """The grades of the only judge."""
        return self.hear(self.jurors[0], item, answer, baseline)

    def hear(self, juror: str, item: Item, answer: Answer, baseline: Answer | None) -> Conversation[Sequence[Judgment]]:
        """A judge's grades of one item's answers."""
        del baseline
        draws = by_draw(item, answer)
        found = yield from together([self._opinion(juror, item, draws[point.draw], point) for point in self._points(item, answer)])
        return tuple(judgment for each in found for judgment in each)

    def _opinion(self, juror: str, item: Item, draw: Sequence[Completion], point: Point) -> Conversation[tuple[Judgment, ...]]:
        text = draw[point.turn].text[:BOUND]
        said: Sequence[Judgment]
        if not text.strip():
            said = [Judgment(score=self._range[0], reason="nothing was said", criterion=name) for name in self._weights or ("",)]
        else:
            judge = self._bench.judges[juror]
            if not isinstance(judge, Grader):
                raise TypeError(f"{type(judge).__name__} grades nothing")
            asked = asked_before(item, draw, point.turn, system=self.options.system)
            said = yield from judge.grade(asked, text, reference=self._bench.reference(item))
        return self._bench.signed(juror, [msgspec.structs.replace(each, draw=point.draw) for each in said])

    def _points(self, item: Item, answer: Answer) -> list[Point]:
        last = len(later_turns(item))
        turns = range(last + 1) if self.options.graded_turns == "all" else (last,)
        return [Point(draw, turn) for draw in range(len(by_draw(item, answer))) for turn in turns]

    def admit(self) -> Conversation[Admission] | None:
        return self._bench.admit()

    @property
    def examined(self) -> str:
        return self._bench.examined

    def rejudge(self) -> Conversation[Scores] | None:
        return self._bench.rejudge()

    def rejudged(self, admission: Admission, again: Scores) -> Admission:
        return self._bench.rejudged(admission, again)

    def testify(self, juror: str, *, anchors: bool = False) -> Conversation[Heard] | None:
        return self._bench.testify(juror, anchors=anchors)

    def weigh(self, testimonies: Mapping[str, Heard], again: Mapping[str, Heard]) -> tuple[Admission | None, Mapping[str, float]]:
        return self._bench.weigh(testimonies, again)

    def grade(
        self, answers: Sequence[Answer], judgments: Mapping[str, Sequence[Judgment]], baseline: Mapping[str, Answer]
    ) -> Iterator[Sample]:
        del baseline
        by_key = {item.key: item for item in self._items}
        for answer in answers:
            yield self._graded(by_key[answer.key], answer, tuple(judgments.get(answer.key, ())))

    def _graded(self, item: Item, answer: Answer, judgments: tuple[Judgment, ...]) -> Sample:
        draws = by_draw(item, answer)
        rows = [self._draw([each for each in judgments if each.draw == draw]) for draw in range(len(draws))]
        known = [row for row in rows if row is not None]
        about: dict[str, Any] = {
            "key": item.key,
            "task": item.task,
            "prompt": readable(item, system=self.options.system),
            "target": item.target,
            "outputs": tuple(draw[-1].text for draw in draws)
            + tuple(completion.text for draw in draws for completion in draw[:-1]),
            "cluster": item.cluster,
            "slices": item.slices,
            "weight": item.weight,
            "judgments": judgments,
            "flags": self._flags(judgments),
        }
        if not known:
            return Sample(**about, error=UNPARSABLE if judgments else UNJUDGED)
        values = {metric: [row[metric] for row in known] for metric in self.metrics}
        scores = {metric: sum(each) / len(each) for metric, each in values.items()}
        return Sample(**about, scores=scores, draws=values if self.options.draws > 1 else {})

    def _draw(self, judgments: Sequence[Judgment]) -> dict[str, float] | None:
        """What one draw is worth by each metric: the weighted mean over the judges whose grade can be read, if there is one."""
        totals, heard = dict.fromkeys(self.metrics, 0.0), 0.0
        for opinions in by_judge(judgments).values():
            grades = self._grades(opinions)
            weight = opinions[0].weight
            if grades is not None and weight > 0:
                heard += weight
                for metric, grade in grades.items():
                    totals[metric] += weight * grade
        return {metric: total / heard for metric, total in totals.items()} if heard else None

    def _grades(self, opinions: Sequence[Judgment]) -> dict[str, float] | None:
        """Of one judge: the mean over turns; None where one of them cannot be read."""
        size = max(len(self._weights), 1)
        turns = [opinions[first : first + size] for first in range(0, len(opinions), size)]
        means = [weighted(turn, self._weights) for turn in turns]
        known = [mean for mean in means if mean is not None]
        if not known or len(known) < len(means):
            return None
        found = {GRADE: sum(known) / len(known)}
        for index, name in enumerate(self._weights):
            found[f"{CRITERION}{name}"] = sum(turn[index].score or 0.0 for turn in turns) / len(turns)
        return found

    def _flags(self, judgments: Sequence[Judgment]) -> tuple[Flag, ...]:
        flags: list[Flag] = ["unparsable"] if any(judgment.score is None for judgment in judgments) else []
        half = (self._range[1] - self._range[0]) / 2
        for draw in {judgment.draw for judgment in judgments}:
            said = by_judge([judgment for judgment in judgments if judgment.draw == draw]).values()
            grades = [each[GRADE] for each in map(self._grades, said) if each is not None]
            if len(grades) > 1 and max(grades) - min(grades) >= half:
                return (*flags, "disputed")
        return tuple(flags)
