"""Questions to a design that was not asked yet: does this rule pass, how many items does it need, what is the smallest margin?

Independent right-or-wrong items are enumerated (``enumerated``), scores of one side by the exact binomial; of clusters, shares and
grades whose units are known, data sets are drawn and given to the test that would decide them (``scored``); everything else takes
the noncentral t of the clustered standard error sd·√(design effect/items), with design effect 1 + (items per cluster − 1)·icc.

Exact tests are saw-toothed: one item more can mean a little less power. What is found here is right up to one tooth.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from scipy.special import bdtrc, nctdtr, ndtr, ndtri, stdtrit

from harness.stats.binary import EXACT_ITEMS
from harness.stats.bounded import FEW_CLUSTERS, FEW_DIFFERING
from harness.stats.power.enumerated import critical_statistic, proof_probability
from harness.stats.power.population import Population, weighty
from harness.stats.power.scored import DRAWS, MANY, SEARCH_DRAWS, score_probability
from harness.stats.power.search import FINE, Critical, crossing, stepped
from harness.stats.power.starting import starting_items

Require = Literal["superior", "non_inferior", "not_regressed", "at_least", "at_most"]

MOST_ITEMS = 10_000_000
"""Nobody asks more; a need above it is no need that can be met."""

NORMAL_FREEDOM = 400
"""From so many degrees of freedom on the noncentral t is taken as normal."""


@dataclass(frozen=True)
class Design:
    """What is known of a comparison before it is made.

    ``discordance``: share of independent items that one side gets right and the other wrong; it is never below the effect asked
    about. ``sd``: of the per-item differences, where they are not just won, lost or tied; ``population``: how units turn out,
    where that is known, in shares of ``span``, the largest difference that could be; where that is not ``declared``, the largest
    that was seen. ``ordinal``: grades, which have no t. ``clusters`` None: every item its own; ``icc``: correlation of the
    differences inside one. ``score``: of the candidate, for rules about a value.
    """

    items: int
    discordance: float = 0.10
    clusters: int | None = None
    icc: float = 0.0
    sd: float | None = None
    population: Population | None = None
    span: float = 1.0
    declared: bool = True
    ordinal: bool = False
    score: float | None = None

    def __post_init__(self) -> None:
        if self.items < 1:
            raise ValueError(f"a design has {self.items} items; expected 1 or more")
        if self.clusters is not None and not 1 <= self.clusters <= self.items:
            raise ValueError(f"a design of {self.items} items has {self.clusters} clusters; expected 1 to as many as items")
        for name, value in (("discordance", self.discordance), ("icc", self.icc), ("score", self.score)):
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"{name} is {value}; expected a share between 0 and 1")
        if self.sd is not None and not (self.sd >= 0 and math.isfinite(self.sd)):
            raise ValueError(f"sd is {self.sd}; expected 0 or more")

    @property
    def units(self) -> int:
        return self.items if self.clusters is None else self.clusters

    @property
    def counted(self) -> bool:
        """Independent items that are won, lost or tied."""
        return self.sd is None and self.units == self.items

    @property
    def design_effect(self) -> float:
        return 1 + (self.items / self.units - 1) * self.icc

    def with_items(self, items: int) -> Design:
        """More or fewer items, in clusters of the same size."""
        clusters = None if self.clusters is None else min(items, max(1, round(self.clusters * items / self.items)))
        return replace(self, items=items, clusters=clusters)


def method_of(require: Require, design: Design, margin: float = 0.0) -> str:
    """How ``pass_probability`` finds its answer."""
    if require in ("at_least", "at_most"):
        return "exact binomial"
    if design.population is not None:
        how = "normal" if design.units * weighty(design.population, 0.0)[0] >= MANY else "drawn"
        return f"{_test_of(design, margin)}{'' if design.units == design.items else ' over clusters'}, {how}"
    if not design.counted:
        return "noncentral t" + ("" if design.units == design.items else f" with a design effect of {design.design_effect:.2g}")
    test = "exact McNemar" if margin == 0 else "exact unconditional test" if design.items <= EXACT_ITEMS else "Tango's score test"
    return f"{test}, enumerated"


def _test_of(design: Design, margin: float) -> str:
    """Of units that are known, the test that will most probably decide."""
    if margin == 0:
        return "sign-flips"
    differing, all_of_it = weighty(design.population or (), 0.0)
    if 2 * differing < all_of_it and (design.units == design.items or differing * design.units < FEW_DIFFERING):
        return "score test of bounded differences"
    return "sign-flips above the margin" if design.ordinal or design.units < FEW_CLUSTERS else "t test"


def pass_probability(require: Require, design: Design, effect: float = 0.0, margin: float = 0.0, alpha: float = 0.05) -> float:
    """P(a rule passes) where the true gain is ``effect``. ``margin``: for rules about a value, that value.

    ``not_regressed`` passes unless a loss is proven. A family of m tests under Holm is passed by all of them where each passes at
    alpha/m; a claim of gain in such a family passes at least as often as at alpha/m.
    """
    if require in ("at_least", "at_most"):
        if design.score is None:
            raise ValueError("a rule about a value needs the score that the candidate is assumed to have")
        score, value = design.score + effect, margin
        if require == "at_most":
            score, value = 1 - design.score - effect, 1 - margin
        return _value_probability(design.items, min(max(score, 0.0), 1.0), value, alpha)
    if require == "not_regressed":
        return 1.0 - _proof(design, -effect, margin, alpha)
    return _proof(design, effect, margin if require == "superior" else -margin, alpha)


@lru_cache(maxsize=65536)
def _proof(design: Design, effect: float, delta: float, alpha: float, critical: float | None = None, draws: int = DRAWS) -> float:
    """P(a gain above ``delta`` is proven)."""
    if design.counted:
        discordance = min(1.0, max(design.discordance, abs(effect)))
        return proof_probability(design.items, (discordance + effect) / 2, (discordance - effect) / 2, delta, alpha, critical)
    if design.population is not None:
        return score_probability(
            design.population, design.units, effect / design.span, delta / design.span, alpha, draws,
            alone=design.units == design.items, ordinal=design.ordinal, declared=design.declared,
        )  # fmt: skip
    freedom = design.units - 1
    if freedom < 1 or 0.5**design.units > alpha:  # no pattern of signs is rare enough
        return 0.0
    error = _spread(design, effect) * math.sqrt(design.design_effect / design.items)
    if error == 0.0:
        return float(effect > delta)
    distance = (effect - delta) / error
    if freedom >= NORMAL_FREEDOM:
        return float(ndtr(distance + ndtri(alpha)))
    return float(1 - nctdtr(freedom, min(max(distance, -30.0), 30.0), stdtrit(freedom, 1 - alpha)))


def _spread(design: Design, effect: float) -> float:
    """Standard deviation of the difference of an item."""
    return math.sqrt(max(design.discordance, abs(effect)) - effect**2) if design.sd is None else design.sd


def _value_probability(items: int, score: float, value: float, alpha: float) -> float:
    """P(the exact binomial proves that the score is above ``value``)."""
    if value >= 1:
        return 0.0
    if value < 0:
        return 1.0
    low, high = 0, items + 1  # hits that do not prove it, hits that do
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if float(bdtrc(middle - 1, items, value)) <= alpha else (middle, high)
    return 0.0 if high > items else float(bdtrc(high - 1, items, score))


def items_for(
    require: Require, design: Design, effect: float = 0.0, margin: float = 0.0, alpha: float = 0.05, power: float = 0.8
) -> int | None:
    """Items with which the rule passes (``not_regressed``: proves the loss ``-effect``) with probability ``power``; None: never."""
    if require in ("at_least", "at_most"):
        if design.score is None:
            raise ValueError("a rule about a value needs the score that the candidate is assumed to have")
        above = design.score + effect > margin if require == "at_least" else design.score + effect < margin

        def reached(items: float, _: float | None) -> bool:
            return pass_probability(require, design.with_items(max(1, round(items))), effect, margin, alpha) >= power

        return _items(stepped(reached, lambda _: None, start=design.items, ceiling=MOST_ITEMS, width=_tooth)) if above else None
    gain, delta = (-effect, margin) if require == "not_regressed" else (effect, margin if require == "superior" else -margin)
    if gain <= delta:
        return None
    if design.counted:
        start = starting_items(max(design.discordance, abs(effect), 1e-4), gain - delta, alpha, power)

        def proven(items: float, critical: float | None) -> bool:
            return _proof(design.with_items(max(1, round(items))), gain, delta, alpha, critical) >= power

        critical_at = _criticals(design, alpha, lambda items: (max(1, round(items)), delta))
        return _items(stepped(proven, critical_at, start=max(1.0, start), ceiling=MOST_ITEMS, width=_tooth))

    def power_at(items: float) -> float:
        return _proof(design.with_items(max(1, round(items))), gain, delta, alpha, None, SEARCH_DRAWS)

    return _items(crossing(power_at, power, alpha, start=design.items, ceiling=MOST_ITEMS, least=1.0, root=True))


def _tooth(items: float) -> float:
    return max(1.0, items * FINE)


def _items(found: float | None) -> int | None:
    return None if found is None else max(1, round(found))


def smallest_margin(design: Design, effect: float = 0.0, alpha: float = 0.05, power: float = 0.8) -> float | None:
    """The smallest margin at which ``non_inferior`` passes with ``power``; None where none below everything does."""

    def chance(margin: float, critical: float | None) -> float:
        return _proof(design, effect, -margin, alpha, critical, SEARCH_DRAWS)

    return _distance(chance, design, alpha, power, lambda margin: (design.items, -margin))


def smallest_gain(design: Design, margin: float = 0.0, alpha: float = 0.05, power: float = 0.8) -> float | None:
    """The smallest true gain that ``superior`` proves with ``power``; None where not even the largest is."""

    def chance(gain: float, critical: float | None) -> float:
        return _proof(design, gain, margin, alpha, critical, SEARCH_DRAWS)

    return _distance(chance, design, alpha, power, lambda _: (design.items, margin), beyond=margin)


def mde(design: Design, margin: float = 0.0, alpha: float = 0.05, power: float = 0.8) -> float | None:
    """The smallest true loss that ``not_regressed`` proves with ``power``; None where not even losing everything is."""
    return smallest_gain(design, margin, alpha, power)


def _distance(
    chance: Callable[[float, float | None], float], design: Design, alpha: float, power: float,
    where: Callable[[float], tuple[int, float]], beyond: float = 0.0,
) -> float | None:  # fmt: skip
    """A margin, a gain or a loss, to a two-hundredth of itself; shares end at 1. Gains begin ``beyond`` a margin."""
    scale = design.sd if design.sd is not None else math.sqrt(design.discordance + 1 / design.items)
    start = 2.5 * scale * math.sqrt(design.design_effect / design.items)
    if start == 0.0:
        return None
    if design.counted:
        return stepped(
            lambda at, critical: chance(at, critical) >= power, _criticals(design, alpha, where),
            start=min(start, 1.0), ceiling=1.0, width=lambda high: max(1e-6, high * FINE),
        )  # fmt: skip
    bounded = design.sd is None or (design.population is not None and design.declared)
    ceiling = (design.span if bounded else 1e6 * scale) - beyond
    found = crossing(
        lambda at: chance(beyond + at, None), power, alpha, start=start, ceiling=ceiling, least=1e-6 * scale, root=False
    )
    return None if found is None else beyond + found


def _criticals(design: Design, alpha: float, where: Callable[[float], tuple[int, float]]) -> Critical:
    """The critical value of Tango's statistic at a point of a search; None where the test is another one."""

    def critical_at(point: float) -> float | None:
        items, delta = where(point)
        if not design.counted or delta == 0 or abs(delta) >= 1:
            return None
        return critical_statistic(items, delta, alpha)

    return critical_at


@lru_cache(maxsize=4096)
def binary_mde(discordant: int, items: int, alpha: float, power: float = 0.8, margin: float = 0.0) -> float | None:
    """Smallest true loss that is proven, with ``power``, to be beyond ``margin``; None where not even losing everything would be.

    The share of discordant items is as observed, with one more (nothing seen is not nothing possible), and never below the loss.
    """
    return mde(Design(items, min(1.0, (discordant + 1) / items)), margin, alpha, power)


def binary_items(discordance: float, gain: float, delta: float, alpha: float, power: float = 0.8) -> int | None:
    """Items that prove, with ``power``, a true ``gain`` to be above ``delta``; None where it is not.

    An estimate: shares are taken to three digits, so that findings that are alike share the search.
    """
    if gain <= delta:
        return None
    return _needed(*(float(f"{share:.3g}") for share in (discordance, gain, max(delta, -0.999))), alpha, power)


@lru_cache(maxsize=16384)
def _needed(discordance: float, gain: float, delta: float, alpha: float, power: float) -> int | None:
    return items_for("superior", Design(1, discordance), gain, delta, alpha, power)
