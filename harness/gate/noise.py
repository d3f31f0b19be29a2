"""How much of a difference is only noise: one candidate measured twice, in another order and with other seeds (A/A).

A second run of X stands among the measured runs as ``second run of X``, which no candidate can be called. Rules that are
``above_noise`` count what is lost (gained) beyond what that second run lost (gained) against the very same first one, item by item.
"""

from __future__ import annotations

import numpy as np

from harness.compare import Level, Pair, compare, level_of
from harness.gate import sentences as words
from harness.gate.measurements import Measurements
from harness.gate.policy import AGAIN, TRANSITIONS, Job
from harness.records import Comparison, Measured, Noise, Rule


def again(name: str) -> str:
    """What a second run of a candidate is called among the measured runs."""
    return f"{AGAIN}{name}"


def noise_of(measurements: Measurements, name: str, other: str) -> list[Noise]:
    """Every metric of a repetition (``name``) against what it repeats (``other``)."""
    found = []
    for metric in sorted(measurements.metrics):
        pair = measurements.pair((metric,), metric, name, other)
        comparison = None if pair is None else compare(pair, other, name)
        if pair is not None and comparison is not None:
            found.append(_noise(pair, comparison))
    return found


def _noise(pair: Pair, seen: Comparison) -> Noise:
    spread = float(np.std(pair.differences, ddof=1)) if pair.items > 1 else None
    low, high, p, method = seen.low, seen.high, seen.p, seen.method
    if pair.candidate.name in TRANSITIONS:  # the first run lost nothing against itself: there is no difference to test
        rate = level_of(pair.candidate, 0.5, level=seen.level, seed=pair.seed)
        low, high, p, method = (None, None, None, "") if rate is None else (rate.low, rate.high, None, rate.method)
    return Noise(
        metric=seen.metric,
        value=seen.baseline_value,
        repeat=seen.candidate_value,
        items=seen.items,
        clusters=seen.clusters,
        differ=seen.won + seen.lost,
        gained=seen.won,
        lost=seen.lost,
        sd=spread,
        low=low,
        high=high,
        level=seen.level,
        p=p,
        method=method,
        note=seen.note,
        kind=seen.kind,
        direction=seen.direction,
    )


def identical(first: Measured, second: Measured) -> tuple[int, int]:
    """How many items were answered the same both times, of how many. Texts are compared; where none was written, scores are."""
    before = {sample.key: sample for sample in first.samples}
    same = 0
    for sample in second.samples:
        other = before.get(sample.key)
        if other is None or sample.error is not None or other.error is not None:
            continue
        if sample.outputs or other.outputs:
            same += sample.outputs == other.outputs
        else:
            same += (sample.scores, sample.statistics) == (other.scores, other.statistics)
    return same, len(second.samples)


# ------------------------------------------------------------------------------------------------- beyond the noise


def excess(rule: Rule, pair: Pair, missing: int | None = None) -> Level | None:
    """What a candidate lost (gained) beyond the noise, against the value of an ``at_most`` or ``at_least`` rule.

    ``pair`` has the second run of the reference on its other side; the score is the mean of the paired differences, not oriented.
    ``missing``: with so many more items, each lost outright; None where there is none.
    """
    evidence = pair.evidence if missing is None else pair.worst_case(missing)
    if evidence is None or rule.value is None:
        return None
    interval, sign = evidence.interval(1 - 2 * rule.alpha), pair.sign
    border = sign * rule.value
    up, down = evidence.test(border, "greater"), evidence.test(border, "less")
    above, below = (up, down) if sign > 0 else (down, up)
    low, high = interval.low, interval.high
    if sign < 0:
        low, high = (None if high is None else -high), (None if low is None else -low)
    # The test says which side of the gain it looked at; what was asked is about what was lost.
    parameters = {**above.parameters, "value": rule.value, "interval": interval.method}
    return Level(sign * evidence.gain, low, high, above.p, below.p, above.method, evidence.items, evidence.units, parameters)


def beside(job: Job, candidate: str, measurements: Measurements) -> str:
    """The noise floor in words, to stand beside what was lost or gained; empty where no second run of the reference is known."""
    name = job.metrics[0].rsplit("/", 1)[-1] if job.metrics else ""
    reference = measurements.policy.references.get(candidate)
    if name not in TRANSITIONS or reference is None or again(reference) not in measurements.candidates:
        return ""
    floor = measurements.column_of(again(reference), job.metrics, job.label, reference)
    own = measurements.column_of(candidate, job.metrics, job.label, reference)
    if floor is None or floor.value is None or own is None or own.value is None:
        return ""
    second = f"{words.share(floor.value, 'binary')} {name} in a second run of {reference}"
    if not job.rule.above_noise:
        return f"; noise floor: {second}"
    return f"; of the {words.share(own.value, 'binary')} {name}, only what is above the noise counts: {second}"


def no_second_run(reference: str, suites: list[str]) -> str:
    """Why a rule about what is above the noise cannot be decided, and what to do."""
    where = words.joined(suites)
    return f"no second run of {reference} in {where} is known, whose noise is to be left out. Run: sftgate aa-test with this config"
