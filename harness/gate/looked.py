"""A pair that was looked at while it was asked: what each look saw, and tests and intervals that hold all the same.

Every look is worked out again from the samples, which stand in the order in which they were asked. Group-sequential: the
ordinary p of every look becomes one sequential p (``harness.stats.sequential``), and the interval shown is the repeated
confidence interval of the last look (Jennison & Turnbull, JRSS B 51 (1989) 305): the ordinary one at that look's nominal level,
which covers the truth at all looks together as often as it says. Anytime: e-processes, the best look counts. They need scores
that are bounded; others are tested at the planned looks there, too.

Information is counted in items: a look's fraction is what it saw over that and what is still to be asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from harness import stats
from harness.compare import Column, Level, Pair, compare, level_of
from harness.records import SHARES, Comparison, Sequential

Array = NDArray[np.float64]
SPENDING = {"obrien_fleming": "O'Brien-Fleming", "pocock": "Pocock"}
NO_P = (
    "no p: it was looked at while it was asked, and the test takes the number of items for fixed (that of a rule counts the looks)"
)


@dataclass(frozen=True)
class Looked:
    """The looks that added items. ``whole``: the column of the side that was asked in full; ``own``: the candidate's own columns,
    for rules about its score. ``numbers``: which look each was, from 1, of ``planned``; ``ahead``: fractions of those still to
    come."""

    settings: Sequential
    alpha: float
    pairs: tuple[Pair, ...]
    own: tuple[Column, ...]
    whole: Column
    numbers: tuple[int, ...]
    fractions: tuple[float, ...]
    ahead: tuple[float, ...]
    planned: int

    @property
    def last(self) -> Pair:
        return self.pairs[-1]

    @property
    def betting(self) -> bool:
        """Whether bounds that hold at any time are asked for and can be had."""
        column, tables = self.whole, (self.whole.table, self.last.candidate.table)
        bounded = column.metric.aggregator == "mean" and column.metric.kind in SHARES
        return self.settings.method == "anytime" and bounded and all(t.min() >= 0 and t.max() <= 1 for t in tables)

    # ------------------------------------------------------------------------------------------------------- levels

    def nominal(self, alpha: float) -> float:
        """The ordinary p that the last look had to come under."""
        return self._boundary(self.fractions, alpha)

    def final(self, alpha: float) -> float:
        """The ordinary p that the last planned look will have to come under."""
        return self._boundary(self.fractions + self.ahead, alpha)

    def _boundary(self, fractions: Sequence[float], alpha: float) -> float:
        """For betting a rule of thumb: the ordinary z at which evenly spread bets have grown to 1/alpha, √(2 ln 1/α + ln n)."""
        if self.betting:
            items = max(1.0, self.last.items * fractions[-1] / self.fractions[-1])
            return float(ndtr(-math.sqrt(-2 * math.log(alpha) + math.log(items))))
        return stats.nominal(len(fractions) - 1, fractions, alpha, self.settings.spending)

    # -------------------------------------------------------------------------------------------------------- tests

    def test(self, delta: float, side: stats.Side, factor: float | None = None) -> stats.PValue:
        """Of the gain against ``delta``, one-sided, over all looks so far. ``factor``: the same as a multiple of the other side's
        score, where that is as uncertain."""
        if self.betting:
            unit = [_unit(pair, delta, side, self.whole, factor) for pair in self.pairs]
            return self._anytime([capital for capital, _ in unit], unit[-1][1], {"delta": delta, "side": side})
        ordinary = [_ordinary(pair, delta, side, factor) for pair in self.pairs]
        floor, _ = self._combined([each.floor for each in ordinary])
        return self._grouped([each.p for each in ordinary], ordinary[-1].method, ordinary[-1].parameters, floor)

    def _combined(self, p: Sequence[float]) -> tuple[float, int]:
        return stats.sequential_p(p, self.fractions, self.settings.spending)

    def _grouped(self, p: Sequence[float], method: str, parameters: Mapping[str, Any], floor: float = 0.0) -> stats.PValue:
        """Many ordinary p into one."""
        found, index = self._combined(p)
        said = f"{method} at look {self.numbers[index]} of {self.planned}, {SPENDING[self.settings.spending]} spending"
        more = {"look_p": list(p), "nominal": self.nominal(self.alpha), **self._looks}
        return stats.PValue(found, said, {**parameters, **more}, floor)

    def _anytime(self, capitals: Sequence[float], method: str, parameters: Mapping[str, Any]) -> stats.PValue:
        """The best look of many."""
        best = max(range(len(capitals)), key=capitals.__getitem__)
        said = f"{method} at look {self.numbers[best]} of {self.planned}, valid at any time"
        more = {"look_log_e": list(capitals), **self._looks}
        return stats.PValue(math.exp(-max(0.0, capitals[best])), said, {**parameters, **more})

    @property
    def _looks(self) -> dict[str, Any]:
        return {"looks": list(self.numbers), "planned_looks": self.planned, "fractions": [round(f, 6) for f in self.fractions]}

    # -------------------------------------------------------------------------------------------------------- shown

    def interval(self) -> stats.Interval:
        """Repeated confidence interval, or confidence sequence, two-sided at 1 − 2α over all looks together."""
        level = 1 - 2 * self.alpha
        if self.betting:
            low, high = bets(self.last, self.whole).interval(level)
            return stats.Interval(low, high, level, "betting confidence sequence")
        nominal = self.nominal(self.alpha)
        found = _interval(_evidence(self.last), nominal)
        where = f"repeated interval, look {self.numbers[-1]} of {self.planned}: {found.method} at {100 * (1 - 2 * nominal):.6g} %"
        return stats.Interval(found.low, found.high, level, where, found.note)

    def level(self, value: float, seed: int) -> Level | None:
        """The candidate's own score against ``value``; None where no item has one."""
        tail = 0.05 if self.betting else self.nominal(self.alpha)
        seen = [level_of(column, value, level=1 - 2 * tail, seed=seed) for column in self.own]
        levels = [each for each in seen if each is not None]
        if not levels or len(levels) < len(seen):
            return None
        last = levels[-1]
        if self.betting:
            return self._betting_level(last, value)
        above = self._grouped([each.above for each in levels], last.method, last.parameters)
        below = self._grouped([each.below for each in levels], last.method, last.parameters)
        low, high = last.low, last.high
        if self.whole.metric.aggregator != "mean":
            low, high = _reaching(last.score, _error(level_of(self.own[-1], value, level=0.90, seed=seed)), tail)
        nearer = above if above.p <= below.p else below
        return Level(last.score, low, high, above.p, below.p, nearer.method, last.items, last.clusters, dict(nearer.parameters))

    def _betting_level(self, last: Level, value: float) -> Level:
        units = [_scores(column, self.whole) for column in self.own]
        sides: tuple[stats.Side, stats.Side] = ("greater", "less")
        above, below = (
            self._anytime([unit.log_capital(value, side) for unit in units], "betting e-process", {"value": value})
            for side in sides
        )
        low, high = units[-1].interval(1 - 2 * self.alpha)
        nearer = above if above.p <= below.p else below
        return Level(last.score, low, high, above.p, below.p, nearer.method, last.items, last.clusters, dict(nearer.parameters))

    def comparison(self, other: str, candidate: str, p: stats.PValue | None) -> Comparison | None:
        """What a person reads about the last look. Without a rule there is no p, because its test would take the items for
        fixed."""
        found = compare(self.last, other, candidate, level=1 - 2 * self.nominal(self.alpha), p=p)
        if found is None:
            return None
        shown = self.interval()
        fixed = ("factor", "factor_low", "factor_high")  # percentiles so far out are not to be had from resamples
        parameters = {name: value for name, value in found.parameters.items() if name not in fixed} | {"interval": shown.method}
        note = "; ".join(part for part in (found.note, "" if p else NO_P) if part)
        found = msgspec.structs.replace(found, low=shown.low, high=shown.high, level=shown.level, parameters=parameters, note=note)
        return (
            found if p else msgspec.structs.replace(found, p=None, method=shown.method, parameters={**self._looks, **_kept(found)})
        )

    # ------------------------------------------------------------------------------------------------------ chances

    def chance(self, delta: float, side: stats.Side, alpha: float) -> float:
        """The chance that the last planned look will prove the gain to be on ``side`` of ``delta``.

        The larger of two: predictive power, where the true gain may be whatever what was seen leaves open (flat prior;
        Spiegelhalter, Freedman & Blackburn, Controlled Clinical Trials 7 (1986) 8), and conditional power, were there no
        difference. 1 where nothing says how far the gain may still move.
        """
        evidence, final = _evidence(self.last), self.final(alpha)
        error, sign = self._gain_error, 1.0 if side == "greater" else -1.0
        if error is None:
            return 1.0
        z, drift = sign * (evidence.gain - delta) / error, sign * -delta / (error * math.sqrt(self._seen))
        unmoved = _conditional(z, drift, self._seen, final)
        if delta == 0 and isinstance(evidence, stats.BinaryPairs):
            total, seed = round(evidence.items / self._seen), self.last.seed
            return max(unmoved, stats.discordant_chance(evidence.won, evidence.lost, evidence.items, total, final, side, seed))
        return max(unmoved, _predictive(z, self._seen, final))

    def level_chance(self, value: float, side: stats.Side, alpha: float, seed: int) -> float:
        """The same of the candidate's own score against ``value``, as far as what was seen leaves it open."""
        level = level_of(self.own[-1], value, level=0.90, seed=seed)
        error = _error(level)
        if level is None or error is None:
            return 1.0
        return _predictive((1.0 if side == "greater" else -1.0) * (level.score - value) / error, self._seen, self.final(alpha))

    @property
    def _seen(self) -> float:
        """The share of the information that the last look had."""
        return self.fractions[-1] / (self.fractions + self.ahead)[-1]

    @cached_property
    def _gain_error(self) -> float | None:
        """Standard error of the gain, as wide as the ordinary interval says."""
        found = _evidence(self.last).interval(0.90)
        if found.low is None or found.high is None or found.high <= found.low:
            return None
        return (found.high - found.low) / (2 * float(ndtri(0.95)))


def _kept(comparison: Comparison) -> dict[str, Any]:
    """What the parameters of a comparison say beside its test."""
    return {name: comparison.parameters[name] for name in ("interval", "clusters_with_more_items")}


def _evidence(pair: Pair) -> stats.Evidence:
    if pair.evidence is None:
        raise ValueError("a look without items is no look")
    return pair.evidence


def _ordinary(pair: Pair, delta: float, side: stats.Side, factor: float | None) -> stats.PValue:
    share = None if factor is None else pair.share_test(factor, side)
    return _evidence(pair).test(delta, side) if share is None else share


def _unit(pair: Pair, delta: float, side: stats.Side, whole: Column, factor: float | None) -> tuple[float, str]:
    """log E of one look, and what it is. A share of right-or-wrong answers that may be lost is a margin like any other, as in
    ``Pair.share_test``."""
    evidence = _evidence(pair)
    if delta == 0 and isinstance(evidence, stats.BinaryPairs):
        return float(stats.log_discordant(evidence.won, evidence.lost, side)), "beta-mixture e-process on discordant items"
    before = pair.baseline.table[:, 0]
    if factor is None or pair.certain(factor, before):
        return bets(pair, whole).log_capital(delta, side), "betting e-process"
    beside = _bets(pair.baseline, pair.differences + pair.sign * (1 - factor) * before, whole, max(1.0, factor))
    return beside.log_capital(0.0, side), "betting e-process on the share"


def bets(pair: Pair, whole: Column) -> stats.Bets:
    """Clusters as units of bets on differences. Items weigh what they weigh in the full run: no bet knows how asking will end."""
    return _bets(pair.baseline, pair.differences, whole, 1.0)


def _scores(column: Column, whole: Column) -> stats.Bets:
    return _bets(column, column.table[:, 0], whole, 1.0, low=0.0)


def _bets(column: Column, values: Array, whole: Column, high: float, low: float | None = None) -> stats.Bets:
    heavy = dict(zip(whole.keys, whole.weights, strict=True))
    weights = np.asarray([heavy.get(key, 0.0) for key in column.keys])
    code = np.unique(column.clusters, return_inverse=True)[1]
    largest = float(np.bincount(whole.clusters, whole.weights).max())
    sums, sizes = (np.bincount(code, each).astype(float) for each in (weights * values, weights))
    return stats.Bets(sums, sizes, largest, -high if low is None else low, high)


def _interval(evidence: stats.Evidence, tail: float) -> stats.Interval:
    """With ``tail`` beyond each end. A few thousand resamples do not reach far out: there their standard error must do."""
    if not isinstance(evidence, stats.CorpusPairs):
        return evidence.interval(1 - 2 * tail)
    plain = evidence.interval(0.90)
    if plain.low is None or plain.high is None:
        return plain
    low, high = _reaching(evidence.gain, (plain.high - plain.low) / (2 * float(ndtri(0.95))), tail)
    return stats.Interval(low, high, 1 - 2 * tail, "bootstrap standard error", plain.note)


def _reaching(centre: float, error: float | None, tail: float) -> tuple[float | None, float | None]:
    if error is None:
        return None, None
    half = -float(ndtri(tail)) * error
    return centre - half, centre + half


def _error(level: Level | None) -> float | None:
    """Standard error of a score, from its ordinary 90 % interval."""
    if level is None or level.low is None or level.high is None or level.high <= level.low:
        return None
    return (level.high - level.low) / (2 * float(ndtri(0.95)))


def _predictive(z: float, seen: float, level: float) -> float:
    """P(the last look's statistic is significant at ``level``), given ``z`` now and a flat prior for what is true."""
    bound = -float(ndtri(level))
    if seen >= 1:
        return float(z >= bound)
    return float(ndtr((z / math.sqrt(seen) - bound) / math.sqrt((1 - seen) / seen)))


def _conditional(z: float, drift: float, seen: float, level: float) -> float:
    """The same, were the statistic to drift so much over all of the information."""
    bound = -float(ndtri(level))
    if seen >= 1:
        return float(z >= bound)
    return float(ndtr((z * math.sqrt(seen) + drift * (1 - seen) - bound) / math.sqrt(1 - seen)))


Slicer = Callable[[int], tuple[Pair | None, Column | None]]
"""The pair, and the candidate's own column, after so many items."""


def looked(
    cut: Slicer, whole: Column, settings: Sequential, *, made: Sequence[int], planned: Sequence[int], alpha: float
) -> Looked | None:
    """The looks of one job; None where none of them saw every stratum of it. ``made`` and ``planned`` count items asked."""
    strata = len(np.unique(whole.strata))
    pairs: list[Pair] = []
    own: list[Column] = []
    numbers: list[int] = []
    for number, items in enumerate(made, start=1):
        pair, column = cut(items)
        new = pair is not None and pair.items > (pairs[-1].items if pairs else 0)
        if pair is not None and column is not None and new and len(np.unique(pair.baseline.strata)) == strata:
            pairs.append(pair)
            own.append(column)
            numbers.append(number)
    if not pairs:
        return None
    seen = [pair.items for pair in pairs]
    later = _later(seen[-1], _unasked(whole, pairs[-1]), made[-1], planned)
    total = (later or seen)[-1]
    return Looked(
        settings, alpha, tuple(pairs), tuple(own), whole, tuple(numbers),
        tuple(items / total for items in seen), tuple(items / total for items in later), len(planned),
    )  # fmt: skip


def _later(seen: int, left: int, made: int, planned: Sequence[int]) -> list[float]:
    """How many items the looks to come will have seen, where ``left`` are still to be asked; looks that add none are no looks."""
    room = planned[-1] - made
    if room <= 0 or left == 0:
        return []
    return sorted({seen + left * (items - made) / room for items in planned if items > made})


def _unasked(whole: Column, pair: Pair) -> int:
    """How many items of the full run have not been asked of the candidate, as far as that can be known: neither shared nor
    failed."""
    return max(0, len(whole.keys) - pair.items - len(set(pair.candidate.errors) & set(whole.keys)))
