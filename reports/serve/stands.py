"""Where a suite stands now: its newest whole runs against what they are held to, and how it came there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from harness.baselines import Pins
from harness.compare.parity import asked_otherwise
from harness.history import history, holds, in_order, instant, questions, same_questions, whole
from harness.records import SHARES, History, Metric, Record, Run
from reports.courses.panel import Course, course
from reports.courses.shifts import MOST_FAILED, Shift
from reports.courses.weeks import STEP
from reports.serve.listing import Listed
from reports.serve.rows import declared

MOST = 400
"""Runs of a metric that are looked back at."""

UNPAIRED = 3.0
"""Standard errors of a difference of two shares, where nobody knows how much they move by themselves."""

Word = Literal["worse", "lower", "alike", "higher", "better", "errors", "otherwise", "unknown"]
"""``worse`` and ``better``: beyond what the score moves by itself; ``lower`` and ``higher``: nobody knows how much that is;
``errors``, ``otherwise``: they may not be compared."""


class Held(Record, frozen=True, kw_only=True):
    """What runs are held to: the promoted ``pin``, else the ``reference``, by the name that people call it, else the newest run
    that is older; ``otherwise``: the pin is of other questions, which says nothing about these."""

    what: Literal["pin", "reference", "the run before"]
    name: str
    run: Listed
    score: float | None
    otherwise: bool = False


class Now(Record, frozen=True, kw_only=True):
    """One of the newest runs. ``gain`` above zero is better than what it is held to; ``settings``: what was otherwise."""

    run: Listed
    score: float | None
    gain: float | None
    word: Word
    settings: tuple[str, ...] = ()


class Stand(Record, frozen=True, kw_only=True):
    """``newest``: the run whose questions count; ``now``: who is judged now, the worst first; ``other``: of other questions."""

    suite: str
    runs: int
    newest: Listed
    metric: Metric
    held: Held | None
    now: tuple[Now, ...]
    history: History | None
    course: Course | None
    other: int

    @property
    def shift(self) -> Shift | None:
        """The last one."""
        return self.course.shifts[-1] if self.course is not None and self.course.shifts else None

    @property
    def slow(self) -> bool:
        return self.course is not None and self.course.weekly is not None and self.course.weekly.slow

    @property
    def rank(self) -> tuple[int, float, str]:
        """What a team has to look at stands first."""
        words = {each.word for each in self.now}
        down = self.shift is not None and self.shift.gain < 0
        grave = 0 if "worse" in words else 1 if self.slow or down else 2 if "errors" in words else 3 if "lower" in words else 4
        share = 1.0 if self.metric.kind in SHARES else 1e-9
        return grave, min((each.gain for each in self.now if each.gain is not None), default=0.0) * share, self.suite


def stand(runs: Sequence[Listed], pins: Pins, reference: str = "") -> Stand:
    """Of all runs of one suite, oldest first; ``reference``: whom forgetting is measured against, where the runs do not say so."""
    newest = newest_of(runs)
    like = newest.run
    alike = [each for each in runs if same_questions(each.run, like) and whole(each.run)] or [newest]
    reference = like.reference or reference
    told = history([each.run for each in runs], like, pins, now=(), most=MOST)
    found = None if told is None else course(told, reference)
    held = _held(runs, alike, pins, reference)
    chosen = [each for each in alike if (each.selected or each is newest) and not each.run.replicate]
    chosen = [each for each in chosen if each.run.candidate.name != reference]
    chosen = [each for each in chosen if held is None or each.name != held.run.name]
    noise = None if found is None else found.noise
    now = [_now(each, held, declared(like, like.primary), noise) for each in chosen]
    now.sort(key=lambda each: (each.gain is None, each.gain or 0.0))
    return Stand(
        suite=like.suite,
        runs=len(runs),
        newest=newest,
        metric=declared(like, like.primary),
        held=held,
        now=tuple(now),
        history=told,
        course=found,
        other=sum(not same_questions(run, like) for run in in_order(each.run for each in runs)),
    )


def newest_of(runs: Sequence[Listed]) -> Listed:
    """The newest run of all items of a candidate as it is; the newest at all where there is none."""
    return next((each for each in reversed(runs) if whole(each.run) and not each.run.replicate), runs[-1])


def stretches(runs: Sequence[Listed]) -> list[list[Listed]]:
    """Whole runs by their questions, in the order in which these were first asked."""
    found: dict[str, list[Listed]] = {}
    for each in runs:
        if whole(each.run):
            found.setdefault(questions(each.run), []).append(each)
    return list(found.values())


def _held(runs: Sequence[Listed], alike: Sequence[Listed], pins: Pins, reference: str) -> Held | None:
    suite = runs[0].run.suite
    pin = pins.pins.get(pins.promoted)
    if pin is not None and suite in pin.runs:
        folders = {each.run.graded for each in runs}
        pinned = next((each for each in runs if holds(each.run, pin, folders)), None)
        if pinned is not None:
            otherwise = not same_questions(pinned.run, alike[-1].run)
            return Held(what="pin", name=pins.promoted, run=pinned, score=_score(pinned.run), otherwise=otherwise)
    found = [each for each in alike if reference and each.run.candidate.name == reference and not each.run.replicate]
    if found:
        return Held(what="reference", name=reference, run=found[-1], score=_score(found[-1].run))
    whole_ones = [each for each in alike if not each.run.replicate]
    older = [each for each in whole_ones if instant(each.run.created) < instant(whole_ones[-1].run.created) and not each.selected]
    if not older:
        return None
    return Held(what="the run before", name=older[-1].run.candidate.name, run=older[-1], score=_score(older[-1].run))


def _now(each: Listed, held: Held | None, metric: Metric, noise: float | None) -> Now:
    score = _score(each.run)
    if any(run.failed > MOST_FAILED * (run.asked or run.planned) for run in (each.run, *([held.run.run] if held else []))):
        return Now(run=each, score=score, gain=None, word="errors")
    if held is None or held.score is None or score is None:
        return Now(run=each, score=score, gain=None, word="unknown")
    if held.otherwise:
        return Now(run=each, score=score, gain=None, word="otherwise")
    gain = (score - held.score) * (1.0 if metric.direction == "higher" else -1.0)
    words = asked_otherwise(held.run.run, each.run)
    if words:
        return Now(run=each, score=score, gain=gain, word="otherwise", settings=words)
    chance = STEP * noise * 2**0.5 if noise else _unpaired(metric, (held.run.run, each.run))
    return Now(run=each, score=score, gain=gain, word=_word(gain, chance))


def _unpaired(metric: Metric, sides: tuple[Run, Run]) -> float | None:
    """What two shares differ by through their items alone, at most: as if nobody had been asked the same. None of what is no
    share."""
    counted = [(run.scores[run.primary], (run.asked or run.planned) - run.failed) for run in sides]
    if metric.kind not in SHARES or any(items < 1 or not 0 <= share <= 1 for share, items in counted):
        return None
    variance = math.fsum(max(share * (1 - share), 1 / (items + 1)) / items for share, items in counted)
    return UNPAIRED * math.sqrt(variance)


def _word(gain: float, chance: float | None) -> Word:
    if gain == 0:
        return "alike"
    if chance is None:
        return "lower" if gain < 0 else "higher"
    if abs(gain) <= chance:
        return "alike"
    return "worse" if gain < 0 else "better"


def _score(run: Run) -> float | None:
    return run.scores.get(run.primary)
