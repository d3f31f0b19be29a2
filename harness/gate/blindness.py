"""Can this suite see what the rule is about? A suite that cannot never passes anything (law 8).

*Expectation*: the baseline's score lies outside the declared band, so that the suite is not what it was thought to be.
*Floor*: the baseline is at its worst on every item: it has nothing to lose, and no claim about losses can pass.
*Chance*: a multiple-choice baseline that is not proven to know more than guessing has nothing to lose either.
*Ceiling*: the baseline is at its best on every item. It has nothing to gain, and no claim of superiority can pass. Losses could be
seen, and count when they are. But where nothing at all changed, a suite whose every answer is right may as well be one whose grader
says yes to everything: a claim about losses then passes only where the ceiling is meant (a retained suite, which is made of what
the reference knows; a band that includes it).
Flags know neither: not one truncated answer is how it should be, and a baseline that never stops cannot be undercut.
*Fall*: the rule is about what an item loses under a disturbance, and one side has no item right as it stands.
*Few*: there are so few independent items that not even losing all of them would be a proven loss: a rule against proven losses
could only pass.
*Margin*: it is relative to a score of 0, and a share of nothing is no margin. Or it is all that the other side has to lose, so that
no loss could fail it.
*Judge*: the judge failed its admission, or was never examined, so that its scores cannot hold up a release, nor let it pass. Where
its examination broke off, nobody knows whether it may: that is a failed evaluation, and no suite that cannot see.
*Panel*: votes of simulated raters, who are programs, hold up no release and let none pass, either. Nor do votes on items that were
picked by hand, which are no sample.
Otherwise a proven failure stands, whatever the suite cannot see.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from harness import stats
from harness.compare import Column, Pair
from harness.gate.languages import LANGUAGE, foreign
from harness.gate.measurements import Measurements
from harness.gate.policy import BAD_ANSWERS, HUMAN_WIN, TRANSITIONS, Job, absolute_margin, fewest_for_a_loss, suites_of
from harness.gate.selection import selection_of
from harness.gate.sentences import amount, asked, joined, share
from harness.records import Admission, Run, only_picked

Array = NDArray[np.float64]

FLOOR = "needs items that the baseline gets right"

REEXAMINE = "needs its judge's examination to come to an end: measure again"
"""Follows the metric's name, like every remedy."""


@dataclass(frozen=True)
class Blind:
    """``why`` nothing can be decided, and the ``remedy``, in words that follow the metric's name.

    ``failures_stand``: a proven failure counts all the same. Not so where the scores themselves cannot be believed.
    """

    why: str
    remedy: str
    failures_stand: bool = True


def blindness(job: Job, pair: Pair, measurements: Measurements, candidate: str, other: str) -> Blind | None:
    """Why the suite cannot decide this job; None when it can."""
    unmeant = _no_margin(job, pair, other)
    if unmeant is not None:
        return unmeant
    suites = suites_of(job.metrics)
    for suite in suites:
        for name, value, (low, high) in measurements.outside(suite, measurements.policy.baseline):
            kind = pair.baseline.metric.kind
            band = f"{asked(low, kind)} to {asked(high, kind)}"
            return Blind(
                f"the baseline's {suite} {name} is {share(value, kind, bounds=(low, high))}, outside the expected {band}: "
                "the suite does not measure what it was meant to",
                "needs a suite on which the baseline scores as expected, or another expect band",
            )
        judge = _judge(job, suite, measurements) or _panel(job, suite, measurements, candidate)
        if judge is not None:
            return judge
    return _extremes(job, pair, measurements, candidate, other) or _few(job, pair)


def _no_margin(job: Job, pair: Pair, other: str) -> Blind | None:
    """A relative margin at a score of 0, without a guard, is no margin: nothing could be told from the rule, not even a failure."""
    if not job.rule.relative or absolute_margin(job.rule, pair.values[0]) > 0 or job.rule.margin == 0:
        return None
    return Blind(
        f"{other} is at 0, and the margin is a share of that: there is no margin to hold the candidate to",
        "needs guard_below (the score under which the baseline's own is not used), or a margin that is not relative",
        failures_stand=False,
    )


def _few(job: Job, pair: Pair) -> Blind | None:
    needed, evidence, column = fewest_for_a_loss(job.rule), pair.evidence, pair.baseline
    if evidence is None or not needed:
        return None
    able = evidence.units
    if (ends := _ends(pair)) is not None:
        able = len(np.unique(column.clusters[column.table[:, 0] != ends[0]]))
    if able >= needed:
        return None
    what = "item" if evidence.units == evidence.items else "cluster"
    said = f"{able} {what}{' is' if able == 1 else 's are'}"
    if able == evidence.units:
        return Blind(f"{said} too few to prove any loss, even one of all: no loss could be seen", f"needs {needed} {what}s or more")
    why = f"{said} all that is left to lose, too few to prove any loss, even one of all: no loss could be seen"
    return Blind(why, f"needs {needed} {what}s or more that the baseline gets right")


def _judge(job: Job, suite: str, measurements: Measurements) -> Blind | None:
    if not _unearned(job, suite, measurements):
        return _speechless(job, suite, measurements)
    admission = _worst_of(suite, measurements)
    if admission is None:
        return Blind(
            f"the judge of {suite} was never examined, and may not gate",
            "needs a judge that passes an examination (options.admission), or severity = warn",
            failures_stand=False,
        )
    why = joined(admission.reasons) if admission.reasons else "it failed its examination"
    remedy = "needs a judge that passes its examination, or severity = warn"
    return Blind(f"the judge {admission.judge} may not gate: {why}", remedy, failures_stand=False)


def _speechless(job: Job, suite: str, measurements: Measurements) -> Blind | None:
    """A judge that may gate, and was not examined in a language of the items."""
    admission, run = _worst_of(suite, measurements), measurements.run(suite, measurements.policy.baseline)
    own = [metric for metric in job.metrics if metric.split("/")[0] == suite]
    if admission is None or run is None or job.rule.severity != "block" or not any(_decides(run, _name(each)) for each in own):
        return None
    why = foreign(admission, measurements.within(selection_of(job.rule)).sliced(own, LANGUAGE))
    if not why:
        return None
    remedy = f'needs labels in that language, a rule about another (slice = "{LANGUAGE}=…"), or severity = warn'
    return Blind(f"the judge {admission.judge} may not gate here: {why}", remedy, failures_stand=False)


def _panel(job: Job, suite: str, measurements: Measurements, candidate: str) -> Blind | None:
    run = measurements.run(suite, candidate)
    if run is None or job.rule.severity != "block":
        return None
    if packages := only_picked(run.people):
        return Blind(
            f"the items of {joined([f'package {name}' for name in packages])} were picked by hand: they are no sample, and votes "
            "on them may inform, and never gate",
            "needs votes on items that were drawn (sftgate review export without --items-file), or severity = warn",
            failures_stand=False,
        )
    names = [name for people in run.people for name in people.simulated]
    if not names:
        return None
    return Blind(
        f"{joined(list(dict.fromkeys(names)))} are programs: votes of a simulated panel may inform, and never gate",
        "needs votes of people, or severity = warn",
        failures_stand=False,
    )


def broken_examination(job: Job, measurements: Measurements) -> str:
    """Why nobody knows whether the judge behind a blocking rule may gate; empty where its examination came to an end, or none was
    asked for."""
    for suite in suites_of(job.metrics):
        admission = _worst_of(suite, measurements)
        if admission is not None and not admission.pairs and _unearned(job, suite, measurements):
            return f"the judge {admission.judge} of {suite} could not be examined: {joined(admission.reasons) or 'it broke off'}"
    return ""


def _unearned(job: Job, suite: str, measurements: Measurements) -> bool:
    """Whether the rule would block by the scores of a judge that has not earned it."""
    run = measurements.run(suite, measurements.policy.baseline)
    if run is None or run.judge_hash is None or suite == HUMAN_WIN.split("/")[0] or job.rule.severity != "block":
        return False
    admission = _worst_of(suite, measurements)
    names = {_name(metric) for metric in job.metrics}
    return not (admission is not None and admission.admitted) and any(_decides(run, name) for name in names)


def _worst_of(suite: str, measurements: Measurements) -> Admission | None:
    return worst_admission(each.run for (name, _), each in measurements.measured.items() if name == suite)


def worst_admission(runs: Iterable[Run]) -> Admission | None:
    """How the judge of a suite did, as its runs say. They may have been judged at different times, and the judge may have changed
    in between: what it failed once stands."""
    found = [run.admission for run in runs if run.admission is not None]
    return next((each for each in found if not each.admitted), found[0] if found else None)


def _name(metric: str) -> str:
    return metric.rsplit("/", 1)[-1]


def _decides(run: Run, name: str) -> bool:
    """Whether the judge has a part in a metric: in what was lost and gained as in the metric that says what was known."""
    if name in BAD_ANSWERS:
        return False
    return not run.judged or name in run.judged or (name in TRANSITIONS and run.primary in run.judged)


def _extremes(job: Job, pair: Pair, measurements: Measurements, candidate: str, other: str) -> Blind | None:
    require, column = job.rule.require, pair.baseline
    if require == "at_most" and column.name == "lost":
        return _nothing_to_lose(job, pair, measurements, candidate)
    if (
        require != "superior"
        and column.metric.falls_from
        and (fallen := _none_to_fall(job, column, measurements, candidate, other))
    ):
        return fallen
    if require in ("non_inferior", "not_regressed") and _corpus_at_worst(pair):
        value = share(pair.values[0], column.metric.kind, column.metric.unit)
        return Blind(f"{other} is at {value} over all items: nothing is left to lose, so no loss could be seen", FLOOR)
    ends = _ends(pair)
    if require not in ("superior", "non_inferior", "not_regressed") or ends is None or not pair.items:
        return None
    worst, best = ends
    scores, kind = column.table[:, 0], column.metric.kind
    if column.name in ("lost", "gained") or column.flag:
        return None if require == "superior" or pair.values[0] == worst else _all_of_it(job, pair, other, worst)
    if bool(np.all(scores == worst)) and require != "superior":
        why = f"{other} is at {share(worst, kind)} on every item: nothing is left to lose, so no loss could be seen"
        return Blind(why, FLOOR)
    chance = column.metric.chance
    if require != "superior" and chance is not None and not _above(scores, chance):
        value, guess = share(float(scores.mean()), "binary", bounds=(chance,)), share(chance, "binary")
        why = f"{other} is at {value}, not proven to be above the {guess} of guessing: what it does not know it cannot lose"
        return Blind(why, "needs items that the baseline knows")
    if require != "superior" and (insensitive := _all_of_it(job, pair, other, worst)) is not None:
        return insensitive
    if not bool(np.all(scores == best)):
        return None
    if require == "superior":
        why = f"{other} is at {share(best, kind)} on every item: no gain is possible, so none could be seen"
        return Blind(why, "needs harder items")
    meant = column.retained or _expected(column, best, measurements)
    if meant or pair.differences.any():
        return None
    return Blind(
        f"{other} and the candidate are both at {share(best, kind)} on every item: nothing shows that the suite can tell right "
        "from wrong",
        "needs harder items, or an expect band that includes the ceiling",
    )


def _none_to_fall(job: Job, column: Column, measurements: Measurements, candidate: str, other: str) -> Blind | None:
    """A fall inside items (from the clean question to the disturbed one) cannot be seen of who has nothing right."""
    tasks = [name.rpartition("/")[0] for name in job.metrics]
    for name in (other, candidate):
        if all(measurements.value(task.split("/")[0], name, f"{task}/{column.metric.falls_from}") == 0 for task in tasks):
            why = f"{name} is at 0% of {column.metric.falls_from}: nothing is there to fall from, so no fall could be seen"
            return Blind(why, "needs items that both sides get right as they stand")
    return None


def _ends(pair: Pair) -> tuple[float, float] | None:
    """The worst and the best score of an item; None where nothing says them, or items have no score of their own."""
    metric = pair.baseline.metric
    if pair.bounds is None or metric.aggregator != "mean":
        return None
    low, high = pair.bounds
    return (low, high) if metric.direction == "higher" else (high, low)


def _corpus_at_worst(pair: Pair) -> bool:
    """Whether a score of all items together (chrF, F1, a ratio) is at the worst that it can be."""
    metric = pair.baseline.metric
    if metric.aggregator == "mean" or not pair.items:
        return False
    low, high = pair.bounds or stats.limits(metric.aggregator)
    return pair.values[0] == (low if metric.direction == "higher" else high)


def _all_of_it(job: Job, pair: Pair, other: str, worst: float) -> Blind | None:
    """A margin that is all that the other side has: whatever the candidate loses, it could never fail."""
    score, kind, unit = pair.values[0], pair.baseline.metric.kind, pair.baseline.metric.unit
    margin, left = absolute_margin(job.rule, score), abs(score - worst)
    if margin == 0 or margin < left:
        return None
    return Blind(
        f"{other} is at {share(score, kind, unit)} and can lose no more than {amount(left, kind, unit)}, all within the margin of "
        f"{amount(margin, kind, unit)}: no loss could fail it",
        f"needs a margin under {amount(left, kind, unit)}, or items that the other side gets right",
    )


def _above(scores: Array, chance: float) -> bool:
    """Whether a mean of right-or-wrong scores is proven to be above guessing (exact binomial, one-sided 5 %)."""
    return bool(binomtest(round(float(scores.sum())), len(scores), chance, alternative="greater").pvalue < 0.05)


def _expected(column: Column, best: float, measurements: Measurements) -> bool:
    """A declared band that includes the ceiling says that the ceiling is meant."""
    run = measurements.run(column.suite, measurements.policy.baseline)
    bands = {} if run is None else run.expect
    names = (column.name, f"{column.task}/{column.name}", f"{column.suite}/{column.task}/{column.name}")
    return any(low <= best <= high for name, (low, high) in bands.items() if name in names)


def _nothing_to_lose(job: Job, pair: Pair, measurements: Measurements, candidate: str) -> Blind | None:
    """``lost`` is blind where the reference knew nothing: then nothing can be lost, nor was."""
    reference = measurements.policy.references.get(candidate)
    if reference is None or pair.candidate.table.any():
        return None
    for suite in suites_of(job.metrics):
        run = measurements.run(suite, reference)
        if run is not None and measurements.value(suite, reference, run.primary):
            return None
    return Blind("the reference answers no item right: nothing is left to lose, so no loss could be seen", FLOOR)
