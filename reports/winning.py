"""Who answers better, for reading: win rates beside what explains them, strengths of several, and judges beside people."""

from __future__ import annotations

from markupsafe import Markup

from harness.records import Conclusion, Record, Strengths, WinRate
from reports.calibration import EVEN, CalibratedCard, calibrated_cards, plain, shown_span, simulated
from reports.drawing.strips import SHAPES, Mark, axis, marks, shared, stacked
from reports.drawing.svg import Scale
from reports.figures import Figure, Span, count_figure, pointer, score_figure
from reports.wording import fixed, score_text

MOST = 40
"""Rows of the page's table; the others stand in verdict.json."""

_RATES = (
    "rate", "low", "high", "consistent", "consistent_low", "consistent_high", "length", "length_low", "length_high", "style",
    "style_low", "style_high",
)  # fmt: skip

Shown = tuple[Figure, Span | None]
"""A rate with its interval."""


class RateLine(Record, frozen=True, kw_only=True):
    """One win rate; without numbers where ``note`` says why."""

    metric: str
    candidate: str
    slice: str
    items: Figure
    rate: Shown | None
    consistent: Shown | None
    consistent_items: Figure
    length: Shown | None
    style: Shown | None
    picture: Markup | None
    note: str


class OrderLine(Record, frozen=True, kw_only=True):
    """Whether judges said the same in both orders."""

    metric: str
    candidate: str
    items: Figure
    same: Figure
    first: Figure
    second: Figure
    unparsable: Figure
    verdicts: Figure
    picture: Markup


class StrengthTable(Record, frozen=True, kw_only=True):
    metric: str
    items: Figure
    rows: tuple[tuple[str, Figure, Span | None, Markup], ...]
    axis: Markup | None
    note: str


class Winning(Record, frozen=True, kw_only=True):
    rates: tuple[RateLine, ...]
    rates_axis: Markup | None
    level: str
    orders: tuple[OrderLine, ...]
    left_out: int
    strengths: tuple[StrengthTable, ...]
    calibrated: tuple[CalibratedCard, ...]


def winning(conclusion: Conclusion) -> Winning:
    """All of it, ready for the page. Slices stand after the whole."""
    every = sorted(range(len(conclusion.win_rates)), key=lambda place: bool(conclusion.win_rates[place].field))
    places = every[:MOST]
    drawn = [each for each in (conclusion.win_rates[place] for place in places) if each.rate is not None]
    scale = shared([getattr(each, name) for each in drawn for name in _RATES], include=(EVEN,))
    levels = {f"{each.level * 100:.4g}%" for each in drawn}
    return Winning(
        rates=tuple(_rate(place, conclusion.win_rates[place], scale) for place in places),
        rates_axis=axis(scale, "bounded") if drawn else None,
        level=levels.pop() if len(levels) == 1 else "",
        orders=tuple(
            _order(place, each)
            for place, each in enumerate(conclusion.win_rates)
            if not each.field and each.rate is not None and each.consistent_items + each.first + each.second
        ),
        left_out=len(every) - len(places),
        strengths=tuple(_strengths(place, each) for place, each in enumerate(conclusion.strengths)),
        calibrated=calibrated_cards(conclusion),
    )


def _order(place: int, each: WinRate) -> OrderLine:
    at = pointer("conclusion", "win_rates", place)
    names = ("items", "first", "second", "unparsable", "verdicts")
    rest = each.items - each.consistent_items - each.first - each.second
    parts = [("same", each.consistent_items, "plain"), ("slot 1", each.first, "loss"), ("slot 2", each.second, "second")]
    if rest < 0:  # several judges: an item can be of both slots
        parts, rest = parts[:1], each.items - each.consistent_items
    words = f"{each.candidate}: {each.consistent_items} of {each.items} items judged the same in both orders"
    return OrderLine(
        metric=each.metric,
        candidate=each.candidate,
        same=count_figure(each.consistent_items, f"{at}/consistent_items"),
        picture=stacked([*parts, ("other", rest, "tie")], words),
        **{name: count_figure(getattr(each, name), f"{at}/{name}") for name in names},
    )


def _rate(place: int, each: WinRate, scale: Scale) -> RateLine:
    named = [(name, getattr(each, name)) for name in ("rate", "consistent", "length", "style")]
    found = [
        Mark(value=value, low=getattr(each, low), high=getattr(each, high), shape=shape)
        for (_, value), low, high, shape in zip(named, _RATES[1::3], _RATES[2::3], SHAPES, strict=True)
        if value is not None
    ]
    words = "; ".join(f"{name} {score_text(value, 'bounded')}" for name, value in named if value is not None)
    at = pointer("conclusion", "win_rates", place)
    return RateLine(
        metric=each.metric,
        candidate=each.candidate,
        slice=f"{each.field} = {each.value}" if each.field else "",
        items=count_figure(each.items, f"{at}/items"),
        rate=_shown(each.rate, each.low, each.high, each.level, at, "rate", ""),
        consistent=_shown(each.consistent, each.consistent_low, each.consistent_high, each.level, at, "consistent"),
        consistent_items=count_figure(each.consistent_items, f"{at}/consistent_items"),
        length=_shown(each.length, each.length_low, each.length_high, each.level, at, "length"),
        style=_shown(each.style, each.style_low, each.style_high, each.level, at, "style"),
        picture=None if each.rate is None else marks(found, scale, f"{each.candidate}: {words}", EVEN),
        note=each.note,
    )


def _shown(
    value: float | None, low: float | None, high: float | None, level: float, at: str, name: str, prefix: str | None = None
) -> Shown | None:
    """A share; ``prefix``: of the names of its ends, where it is not ``name_``."""
    if value is None:
        return None
    before = f"{name}_" if prefix is None else prefix
    return score_figure(value, f"{at}/{name}", "bounded"), shown_span(low, high, level, at, before)


def _strengths(place: int, each: Strengths) -> StrengthTable:
    at = pointer("conclusion", "strengths", place)
    level = Figure(text=f"{each.level * 100:.4g}%", value=each.level, at=f"{at}/level")
    scale = shared([*each.strengths, *each.lows, *each.highs], include=(0.0,))
    rows = []
    for number in sorted(range(len(each.strengths)), key=lambda number: -each.strengths[number]):
        value, low, high = each.strengths[number], each.lows[number], each.highs[number]
        ends = None
        if low is not None and high is not None:
            ends = Span(low=plain(low, f"{at}/lows/{number}"), high=plain(high, f"{at}/highs/{number}"), level=level)
        name = each.names[number]
        drawn = marks([Mark(value=value, low=low, high=high)], scale, f"{name}: {fixed(value, 2)}", 0.0)
        rows.append((name, plain(value, f"{at}/strengths/{number}"), ends, drawn))
    return StrengthTable(
        metric=each.metric,
        items=count_figure(each.items, f"{at}/items"),
        rows=tuple(rows),
        axis=axis(scale) if rows else None,
        note=each.note,
    )


def winning_lines(conclusion: Conclusion) -> list[str]:
    """For the summary: win rates of whole suites where length, or contradiction, changes them, and what people and judge say."""
    lines = []
    for each in conclusion.win_rates:
        if each.field or each.rate is None:
            continue
        parts = [f"{each.candidate} in {each.metric}: {_text(each.rate, each.low, each.high)}"]
        if each.length is not None:
            parts.append(f"at equal length {_text(each.length, each.length_low, each.length_high)}")
        if each.consistent is not None and each.consistent_items < each.items:
            kept = f"{each.consistent_items:,} of {each.items:,} items"
            parts.append(f"on the {kept} without contradiction {score_text(each.consistent, 'bounded')}")
        lines.append("; ".join(parts))
    for found in conclusion.calibrated:
        if found.powered is not None:
            saved = found.because if found.saved is None else f"the judge saves {fixed(found.saved, 0)} human labels"
            who = "simulated raters, who are no people," if simulated(conclusion, found) else "people"
            source = f"{found.labelled:,} items labelled by {who} and {found.items:,} verdicts"
            rate = _text(found.powered, found.powered_low, found.powered_high)
            lines.append(f"{found.candidate} in {found.metric}, from {source}: {rate}; {saved}")
    return lines


def _text(value: float, low: float | None, high: float | None) -> str:
    ends = "" if low is None or high is None else f" [{score_text(low, 'bounded')} … {score_text(high, 'bounded')}]"
    return f"{score_text(value, 'bounded')}{ends}"
