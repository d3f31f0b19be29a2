"""How good is an answer, by itself? A judge grades it: on a scale, yes or no, against a reference, or by the criteria of a rubric.

``grade`` is what the judge's prompt says its verdicts stand for (1 to 5, 1 to 10, 0 or 1): of a rubric the weighted mean over its
criteria, each of which is ``criterion_NAME`` besides. The baseline's answers are graded like everybody's, so that a grade is an
ordinary paired metric.

A verdict that cannot be parsed is the judge's failure. An item all of whose answers are left without a grade is an error; one that
keeps a graded answer is scored by it and flagged ``unparsable``. An answer that says nothing has the lowest grade, unasked. Of a
jury it is the weighted mean; where two judges are half the scale apart or more the item is flagged ``disputed``. A juror
that is not heard (weight 0) flags nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from harness.errors import ConfigError
from harness.protocols import Conversation, Grader
from harness.records import Answer, Completion, Flag, Item, Judgment, Metric, MetricKind, Sample
from judges.lockstep import together
from judges.opinions import by_judge
from judges.rubric import weighted
from suites.asking import thinking_of
from suites.bench import UNJUDGED, UNPARSABLE, Bench, BenchOptions, Tried, asked_before
from suites.decoding import by_draw
from suites.examined import BOUND
from suites.items import later_turns, read_items, readable

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


class Graded(Tried):
    """Open questions, each answer graded alone."""

    Options = GradedOptions
    options: GradedOptions

    def read(self, path: Path) -> list[Item]:
        options, where = self.options, self.place
        self.seat(Bench(options, folder=self.folder, where=where))
        self._weights, self._menu = self._scale()
        self._range = min(self._menu), max(self._menu)
        items = read_items(path, where=f"{where}.items", history=options.history)
        self.bench.check_items(items, path)
        if options.graded_turns == "all" and not any(later_turns(item) for item in items):
            raise ConfigError("no item has further turns that the model answers; leave it out", where=f"{where}.graded_turns")
        return items

    def _scale(self) -> tuple[Mapping[str, float], tuple[float, ...]]:
        """Criteria and grades; ConfigError where a judge compares answers, and where jurors have different ones."""
        graders = {name: judge for name, judge in self.bench.judges.items() if isinstance(judge, Grader)}
        other = next((name for name in self.jurors if name not in graders), None)
        if other is not None:
            own = f"prompts.{other}" if other in self.options.prompts else "use"
            said = "its prompt" if other in self.options.prompts else f'use = "{self.options.use}"'
            raise ConfigError(
                f'{said} compares two answers, and here each is graded alone; "pointwise" and "rubric" do that',
                where=f"{self.place}.{own}",
            )
        first = graders[self.jurors[0]]
        for name, each in graders.items():
            if (min(each.menu), max(each.menu), each.criteria) != (min(first.menu), max(first.menu), first.criteria):
                raise ConfigError(
                    f"the grades of {self.jurors[0]} and {name} have no common mean: jurors need one scale (found "
                    f"{_from_to(first)} and {_from_to(each)}) and the same criteria (found {_listed(first)} and {_listed(each)})",
                    where=f"{self.place}.prompts",
                )
        return first.criteria, tuple(sorted({grade for each in graders.values() for grade in each.menu}))

    def offered(self) -> Mapping[str, Metric]:
        kind = self._kind()
        spread = None if kind in ("binary", "bounded") else self._range
        metric = Metric(kind=kind, range=spread)
        return {GRADE: metric} | {f"{CRITERION}{name}": metric for name in self._weights}

    def _kind(self) -> MetricKind:
        """Whole grades only where one verdict of one judge decides."""
        options = self.options
        mixed = options.draws > 1 or options.probabilities or self.bench.jury or options.graded_turns == "all" or self._weights
        if self._range == (0.0, 1.0):
            return "bounded" if mixed or len(self._menu) > 2 else "binary"
        return "real" if mixed or any(grade != int(grade) for grade in self._menu) else "ordinal"

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
            judge = self.bench.judges[juror]
            if not isinstance(judge, Grader):
                raise TypeError(f"{type(judge).__name__} grades nothing")
            asked = asked_before(item, draw, point.turn, system=self.options.system)
            said = yield from judge.grade(asked, text, reference=self.bench.reference(item))
        return self.bench.signed(juror, [msgspec.structs.replace(each, draw=point.draw) for each in said])

    def _points(self, item: Item, answer: Answer) -> list[Point]:
        last = len(later_turns(item))
        turns = range(last + 1) if self.options.graded_turns == "all" else (last,)
        return [Point(draw, turn) for draw in range(len(by_draw(item, answer))) for turn in turns]

    def grade(
        self, answers: Sequence[Answer], judgments: Mapping[str, Sequence[Judgment]], baseline: Mapping[str, Answer]
    ) -> Iterator[Sample]:
        del baseline
        by_key = {item.key: item for item in self._items}
        for answer in answers:
            yield self._graded(by_key[answer.key], answer, tuple(judgments.get(answer.key, ())))

    def _graded(self, item: Item, answer: Answer, judgments: tuple[Judgment, ...]) -> Sample:
        draws = by_draw(item, answer)
        answered = [*(draw[-1] for draw in draws), *(completion for draw in draws for completion in draw[:-1])]
        rows = [self._draw([each for each in judgments if each.draw == draw]) for draw in range(len(draws))]
        known = [row for row in rows if row is not None]
        about: dict[str, Any] = {
            "key": item.key,
            "task": item.task,
            "prompt": readable(item, system=self.options.system),
            "target": item.target,
            "outputs": tuple(completion.text for completion in answered),
            "thinking": thinking_of(answered),
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
        for name in self._weights:
            named = [each.score for turn in turns for each in turn if each.criterion == name]
            found[f"{CRITERION}{name}"] = sum(score or 0.0 for score in named) / len(turns)
        return found

    def _flags(self, judgments: Sequence[Judgment]) -> tuple[Flag, ...]:
        judgments = [judgment for judgment in judgments if judgment.weight > 0]
        flags: list[Flag] = ["unparsable"] if any(judgment.score is None for judgment in judgments) else []
        half = (self._range[1] - self._range[0]) / 2
        for draw in {judgment.draw for judgment in judgments}:
            said = by_judge([judgment for judgment in judgments if judgment.draw == draw]).values()
            grades = [each[GRADE] for each in map(self._grades, said) if each is not None]
            if len(grades) > 1 and max(grades) - min(grades) >= half:
                return (*flags, "disputed")
        return tuple(flags)


def _from_to(grader: Grader) -> str:
    return f"{min(grader.menu):g} to {max(grader.menu):g}"


def _listed(grader: Grader) -> str:
    return ", ".join(f"{name} {weight:g}" for name, weight in grader.criteria.items()) or "none"
