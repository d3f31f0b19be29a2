"""Is the candidate's answer better than the baseline's? A judge says, item by item; the baseline ties with itself.

``win`` is the mean of the judge's opinions about an item: 1 the candidate's answer, ½ a tie, 0 the baseline's. For the baseline
it is ½ everywhere without asking, so that a win rate is an ordinary paired gain. Two answers that are equal (but for white
space at their ends) tie without asking.

A verdict that cannot be parsed is the judge's failure, not the candidate's: it is neither a tie nor a loss. An item with no
readable opinion becomes an error ("judge verdict unparsable") and is counted as one; an item that keeps an opinion is scored by
it and flagged ``unparsable``. Items on which the two orders of a judge name opposite winners tie, and are flagged ``conflict``.

Of a jury ``win`` is the weighted mean of what its judges say; where two of them name opposite winners the item is flagged
``disputed``: one to show to people. Of items with several ``turns`` the judges read both conversations to their end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.compare.winning import CONTROLLED, with_controlled
from harness.errors import ConfigError
from harness.protocols import Conversation, preferring
from harness.records import Answer, Flag, Item, Judgment, Metric, Sample
from judges.opinions import by_judge, verdict
from suites.asking import thinking_of
from suites.bench import UNJUDGED, UNPARSABLE, Bench, BenchOptions, Tried, told
from suites.decoding import by_draw
from suites.examined import BOUND
from suites.items import messages_of, read_items, readable


class PreferenceOptions(BenchOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How candidates answer (one draw), and who judges."""


class Preference(Tried):
    """Open questions, judged against the baseline's answers."""

    Options = PreferenceOptions
    version = "2"
    metrics: Mapping[str, Metric] = {"win": Metric(kind="bounded"), **CONTROLLED}
    hinging = tuple(CONTROLLED)
    primary = "win"
    needs_baseline = True
    options: PreferenceOptions

    def read(self, path: Path) -> list[Item]:
        options = self.options
        if options.draws != 1:
            raise ConfigError(f"preference judges one answer per item, found draws = {options.draws}", where=f"{self.place}.draws")
        self.seat(Bench(options, folder=self.folder, where=self.place))
        items = read_items(path, where=f"{self.place}.items", history=options.history)
        self.bench.check_items(items, path)
        return items

    def hear(self, juror: str, item: Item, answer: Answer, baseline: Answer | None) -> Conversation[Sequence[Judgment]]:
        """A judge's opinions about one answer; none is asked for the baseline itself, nor about equal answers."""
        if baseline is None:
            return self._signed(juror, (Judgment(score=0.5, reason="the baseline's own answer"),))
        own, other = told(item, answer), told(item, baseline)
        if own.strip() == other.strip():
            return self._signed(juror, (Judgment(score=0.5, reason="both answers are the same"),))
        judge, reference = self.bench.judges[juror], self.bench.reference(item)
        judgments = yield from preferring(
            judge, messages_of(item, system=self.options.system), own[:BOUND], other[:BOUND], reference
        )
        return self.bench.signed(juror, judgments)

    def _signed(self, juror: str, judgments: tuple[Judgment, ...]) -> tuple[Judgment, ...]:
        """Nobody was asked: a single judge signs nothing that it did not say."""
        return self.bench.signed(juror, judgments) if self.bench.jury else judgments

    def grade(
        self, answers: Sequence[Answer], judgments: Mapping[str, Sequence[Judgment]], baseline: Mapping[str, Answer]
    ) -> Iterator[Sample]:
        by_key = {item.key: item for item in self._items}
        samples = [self._judged(by_key[answer.key], answer, tuple(judgments.get(answer.key, ()))) for answer in answers]
        both = [(by_key[answer.key], answer) for answer in answers if answer.key in baseline]
        yield from with_controlled(
            samples, {item.key: (told(item, answer), told(item, baseline[item.key])) for item, answer in both}
        )

    def _judged(self, item: Item, answer: Answer, judgments: tuple[Judgment, ...]) -> Sample:
        about: dict[str, Any] = {
            "key": item.key,
            "task": item.task,
            "prompt": readable(item, system=self.options.system),
            "target": item.target,
            "outputs": (told(item, answer),),
            "thinking": _thinking(item, answer),
            "cluster": item.cluster,
            "slices": item.slices,
            "weight": item.weight,
            "judgments": judgments,
            "flags": flags_of(judgments),
        }
        score = win_of(judgments)
        if score is None:
            return Sample(**about, error=UNPARSABLE if judgments else UNJUDGED)
        return Sample(**about, scores={"win": score})


def _thinking(item: Item, answer: Answer) -> tuple[str, ...]:
    """What stood before the answer, or before those of a conversation, as one text."""
    found = thinking_of(by_draw(item, answer)[0]) if answer.completions else ()
    if len(found) < 2:
        return found
    return ("\n\n".join(f"[turn {turn}]\n{text}" for turn, text in enumerate(found, start=1) if text),)


def win_of(judgments: Sequence[Judgment]) -> float | None:
    """The mean over the orders of each judge that could be read, and of these the weighted mean; None where there is none."""
    said = [(_mean(opinions), opinions[0].weight) for opinions in by_judge(judgments).values()]
    known = [(score, weight) for score, weight in said if score is not None]
    total = sum(weight for _, weight in known)
    return sum(score * weight for score, weight in known) / total if total > 0 else None


def flags_of(judgments: Sequence[Judgment]) -> tuple[Flag, ...]:
    """``unparsable`` where an opinion could not be read, ``conflict`` where two orders of one judge name opposite winners, and
    ``disputed`` where two judges do. A juror that is not heard (weight 0) disputes nothing."""
    heard = by_judge([judgment for judgment in judgments if judgment.weight > 0])
    each = [[verdict(judgment) for judgment in opinions] for opinions in heard.values()]
    flags: list[Flag] = ["unparsable"] if any("none" in said for said in each) else []
    if any({"left", "right"} <= set(said) for said in each):
        flags.append("conflict")
    winners = {verdict(Judgment(score=_mean(opinions))) for opinions in heard.values()}
    return (*flags, "disputed") if {"left", "right"} <= winners else tuple(flags)


def _mean(judgments: Sequence[Judgment]) -> float | None:
    scores = [judgment.score for judgment in judgments if judgment.score is not None]
    return sum(scores) / len(scores) if scores else None
