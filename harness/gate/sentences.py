"""The words of findings and verdicts. Numbers in, one sentence out; nothing is decided here."""

from __future__ import annotations

from collections.abc import Sequence

from harness.gate.rounding import MINUS, MOST_DECIMALS, apart, exact, fixed, places
from harness.records import SHARES, Comparison, MetricKind, Rule

MOST_POINT_DECIMALS = 4


def amount(value: float, kind: MetricKind, unit: str = "", *, beside: tuple[float, ...] = ()) -> str:
    """A size without sign, with every digit that a margin was written with: shares in points, the rest in its own unit. An
    estimate gets the usual digits, and as many more as keep it apart from what it stands ``beside``."""
    size, others = abs(value), tuple(abs(each) for each in beside)
    if kind in SHARES:
        points = 100 * size
        start = 1 if points >= 0.05 or points == 0 else places(points, 2)
        known = exact(points, start, MOST_POINT_DECIMALS + 1)
        decimals = apart(points, tuple(100 * each for each in others), start) if known is None else known
        text = fixed(points, decimals)
        return f"{text} point{'' if text == '1.0' else 's'}"
    known = exact(size, 0)
    return in_unit(_plain(size, places(size) if known is None else known, others), unit)


def signed(value: float, kind: MetricKind, unit: str = "", *, bounds: tuple[float, ...] = ()) -> str:
    """A gain with its sign; nothing is +0. ``bounds``: what decided about it, in its own scale."""
    if kind in SHARES:
        decimals = apart(100 * value, tuple(100 * bound for bound in bounds), 1, MOST_POINT_DECIMALS)
        return f"{_sign(fixed(100 * value, decimals))} points"
    return in_unit(_sign(_plain(value, places(value), bounds)), unit)


def _sign(text: str) -> str:
    return text if text.startswith(MINUS) else f"+{text}"


def _plain(value: float, start: int, bounds: tuple[float, ...]) -> str:
    """A number that is no share, without zeros that say nothing; what six decimals would write as zero keeps its digits."""
    decimals = apart(value, bounds, start)
    text = fixed(value, decimals)
    if value and float(text.replace(MINUS, "-")) == 0:
        return f"{MINUS if value < 0 else ''}{abs(value):.3g}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def in_unit(number: str, unit: str) -> str:
    """A number and what it is in, where that has a name."""
    return f"{number} {unit}" if unit else number


def share(value: float, kind: MetricKind, unit: str = "", *, bounds: tuple[float, ...] = ()) -> str:
    """A score: shares in per cent, the rest in its own unit. Almost all is not all. ``bounds``: what decided about it."""
    if kind in SHARES:
        per_cent = 100 * value
        return f"{fixed(per_cent, apart(per_cent, (100.0, *(100 * bound for bound in bounds)), 1))} %"
    return in_unit(_plain(value, places(value, 4), bounds), unit)


def asked(value: float, kind: MetricKind, unit: str = "") -> str:
    """A score that somebody asked for, with every digit that it was written with."""
    if kind in SHARES:
        known = exact(100 * value, 1)
        return f"{fixed(100 * value, MOST_DECIMALS if known is None else known)} %"
    known = exact(value, 0)
    return in_unit(_plain(value, places(value, 4) if known is None else known, ()), unit)


def probability(p: float, alpha: float | None = None) -> str:
    """``p = 0.012``; never 0, never more digits than mean anything, and never on the wrong side of ``alpha``."""
    bounds = () if alpha is None else (alpha,)
    if p < 1e-16:
        return "p < 1e-16"
    if p < 0.001:
        digits = next((n for n in range(3) if all(f"{p:.{n}e}" != f"{bound:.{n}e}" or p == bound for bound in bounds)), 3)
        return f"p = {p:.{digits}e}"
    return f"p = {fixed(p, apart(p, bounds, 3))}" if p < 0.9995 else "p > 0.999"


def interval(comparison: Comparison, bounds: tuple[float, ...] = ()) -> str:
    """``90 % interval −1.3 to +0.5``, or why there is none."""
    if comparison.low is None or comparison.high is None:
        return comparison.note or "no interval"
    kind, unit = comparison.kind, comparison.unit
    low, high = (signed(end, kind, unit, bounds=bounds) for end in (comparison.low, comparison.high))
    return f"{100 * comparison.level:.0f} % interval {low.removesuffix(' points')} to {high}"


def gain(comparison: Comparison, bounds: tuple[float, ...] = ()) -> str:
    """``78.4 % against 80.1 % of prod over 600 items, gain −1.7 points (90 % interval −2.8 to −0.8 points)``. ``bounds``: what
    decided about the gain."""
    items = f"{comparison.items:,} item{'' if comparison.items == 1 else 's'}"
    if comparison.clusters < comparison.items:
        items += f" in {comparison.clusters:,} clusters"
    kind, unit = comparison.kind, comparison.unit
    values = f"{share(comparison.candidate_value, kind, unit)} against {share(comparison.baseline_value, kind, unit)}"
    size = f"gain {signed(comparison.gain, kind, unit, bounds=bounds)} ({interval(comparison, bounds)})"
    return f"{values} of {comparison.baseline} over {items}, {size}"


def border(rule: Rule, margin: float) -> tuple[float, float]:
    """What a gain stands beside in the sentence of a rule: the margin, on its own side, and no difference."""
    return (margin if rule.require == "superior" else -margin), 0.0


def seen(comparison: Comparison) -> str:
    """What a pass could have missed."""
    if comparison.mde is None:
        return "no loss of any size could have been proven on these items"
    return f"a loss under {amount(comparison.mde, comparison.kind, comparison.unit)} could not have been seen"


def gain_seen(comparison: Comparison) -> str:
    """What a proven gain could have been and not been seen."""
    if comparison.mde is None:
        return "the smallest gain that could have been seen cannot be told from these items"
    return f"a gain under {amount(comparison.mde, comparison.kind, comparison.unit)} could not have been seen"


def score_seen(mde: float | None, value: float, above: bool, kind: MetricKind, unit: str = "") -> str:
    """What a score could have been on the wrong side of a value and not been told from it."""
    side = "under" if above else "above"
    if mde is None:
        return f"no score {side} {asked(value, kind, unit)} could have been proven on these items"
    return f"a score less than about {amount(mde, kind, unit)} {side} {asked(value, kind, unit)} could not have been told from it"


def excluded(items: int | None) -> str:
    """What a rule left out because training data contain it; empty where it leaves nothing out."""
    if items is None:
        return ""
    if items == 0:
        return "; none of these items was found in training data"
    if items == 1:
        return "; 1 item that was found in training data is left out"
    return f"; {items:,} items that were found in training data are left out"


def contaminated(bad: int, items: int) -> str:
    """How many of the items behind a pass training data contain; empty where none."""
    if not bad:
        return ""
    return f"; {bad:,} of its {items:,} item{'' if items == 1 else 's'} {'was' if bad == 1 else 'were'} found in training data"


def joined(parts: Sequence[str], *, most: int = 3) -> str:
    """``a, b and c``, or ``a, b, c and 4 more``."""
    shown = list(parts[:most])
    if len(parts) > most:
        return f"{', '.join(shown)} and {len(parts) - most} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else ""


def capitalised(text: str) -> str:
    """A sentence begins with a capital, unless with the name of a metric."""
    return text if "/" in text.split(" ", 1)[0] else text[:1].upper() + text[1:]


def rounded(items: int) -> str:
    """A number of items, to two digits: it is an estimate."""
    if items < 100:
        return str(items)
    step = 10 ** (len(str(items)) - 2)
    return f"{-(-items // step) * step:,}"
