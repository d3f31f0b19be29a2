"""Who answers better, for reading: win rates beside what explains them, strengths of several, and judges beside people."""

from __future__ import annotations

from harness.records import Calibrated, Conclusion, Record, Strengths, WinRate
from reports.figures import Figure, Span, count_figure, pointer, score_figure
from reports.wording import fixed, score_text

MOST = 40
"""Rows of the page's table; the others stand in verdict.json."""

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
    note: str


class StrengthTable(Record, frozen=True, kw_only=True):
    metric: str
    items: Figure
    rows: tuple[tuple[str, Figure, Span | None], ...]
    note: str


class CalibratedCard(Record, frozen=True, kw_only=True):
    """A judge beside people. ``rows``: the confusion, by what the judge said. ``simulated``: raters who are no people."""

    metric: str
    candidate: str
    judge: str
    simulated: str
    rates: tuple[tuple[str, Shown], ...]
    facts: tuple[tuple[str, Figure, Span | None], ...]
    rows: tuple[tuple[str, tuple[Figure, ...]], ...]
    notes: tuple[str, ...]


class Winning(Record, frozen=True, kw_only=True):
    rates: tuple[RateLine, ...]
    left_out: int
    strengths: tuple[StrengthTable, ...]
    calibrated: tuple[CalibratedCard, ...]


def winning(conclusion: Conclusion) -> Winning:
    """All of it, ready for the page. Slices stand after the whole."""
    places = sorted(range(len(conclusion.win_rates)), key=lambda place: bool(conclusion.win_rates[place].field))
    return Winning(
        rates=tuple(_rate(place, conclusion.win_rates[place]) for place in places[:MOST]),
        left_out=max(0, len(places) - MOST),
        strengths=tuple(_strengths(place, each) for place, each in enumerate(conclusion.strengths)),
        calibrated=tuple(
            _calibrated(place, each, _simulated(conclusion, each)) for place, each in enumerate(conclusion.calibrated)
        ),
    )


def _rate(place: int, each: WinRate) -> RateLine:
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
        note=each.note,
    )


def _shown(
    value: float | None, low: float | None, high: float | None, level: float, at: str, name: str, prefix: str | None = None
) -> Shown | None:
    """A share; ``prefix``: of the names of its ends, where it is not ``name_``."""
    if value is None:
        return None
    before = f"{name}_" if prefix is None else prefix
    return score_figure(value, f"{at}/{name}", "bounded"), _span(low, high, level, at, before)


def _span(low: float | None, high: float | None, level: float, at: str, before: str, *, share: bool = True) -> Span | None:
    if low is None or high is None:
        return None
    ends = [
        score_figure(end, f"{at}/{before}{name}", "bounded") if share else _plain(end, f"{at}/{before}{name}")
        for name, end in (("low", low), ("high", high))
    ]
    return Span(low=ends[0], high=ends[1], level=Figure(text=f"{level * 100:.4g}%", value=level, at=f"{at}/level"))


def _plain(value: float, at: str) -> Figure:
    return Figure(text=fixed(value, 2), value=value, at=at)


def _strengths(place: int, each: Strengths) -> StrengthTable:
    at = pointer("conclusion", "strengths", place)
    level = Figure(text=f"{each.level * 100:.4g}%", value=each.level, at=f"{at}/level")
    rows = []
    for number in sorted(range(len(each.strengths)), key=lambda number: -each.strengths[number]):
        low, high = each.lows[number], each.highs[number]
        ends = None
        if low is not None and high is not None:
            ends = Span(low=_plain(low, f"{at}/lows/{number}"), high=_plain(high, f"{at}/highs/{number}"), level=level)
        rows.append((each.names[number], _plain(each.strengths[number], f"{at}/strengths/{number}"), ends))
    return StrengthTable(metric=each.metric, items=count_figure(each.items, f"{at}/items"), rows=tuple(rows), note=each.note)


SAID = ("won", "tied", "lost")


def _simulated(conclusion: Conclusion, each: Calibrated) -> str:
    """The raters behind it who are no people."""
    suite = each.metric.split("/", 1)[0]
    said = [people for people in conclusion.people.get(each.candidate, ()) if people.suite == suite]
    return ", ".join(dict.fromkeys(name for people in said for name in people.simulated))


def _calibrated(place: int, each: Calibrated, simulated: str) -> CalibratedCard:
    at, level = pointer("conclusion", "calibrated", place), each.level
    rates = [
        ("people alone", _shown(each.human, each.human_low, each.human_high, level, at, "human")),
        ("people and judge", _shown(each.powered, each.powered_low, each.powered_high, level, at, "powered")),
        ("judge alone", _shown(each.judged, None, None, level, at, "judged")),
        ("judge, its errors taken out", _shown(each.corrected, each.corrected_low, each.corrected_high, level, at, "corrected")),
    ]
    facts: list[tuple[str, Figure, Span | None]] = [
        ("labelled, of answers that differ", count_figure(each.labelled, f"{at}/labelled"), None),
        ("judged", count_figure(each.items, f"{at}/items"), None),
        ("raters", count_figure(each.raters, f"{at}/raters"), None),
    ]
    if each.accuracy is not None:
        facts.append(("same verdict", score_figure(each.accuracy, f"{at}/accuracy", "bounded"), None))
    for word, name, before in (
        ("κ of judge and people", "kappa", "kappa_"),
        ("κ of judge and single people", "judge_kappa", None),
        ("κ of people among themselves", "people_kappa", None),
        ("κ of the judge less that of people", "gap", "gap_"),
        ("weight of the judge λ", "lam", None),
    ):
        value = getattr(each, name)
        if value is not None:
            low, high = (None, None) if before is None else (getattr(each, f"{before}low"), getattr(each, f"{before}high"))
            facts.append((word, _plain(value, f"{at}/{name}"), _span(low, high, level, at, before or "", share=False)))
    if each.saved is not None:
        facts.append(("human labels saved", Figure(text=fixed(each.saved, 0), value=each.saved, at=f"{at}/saved"), None))
    said = [
        (each.note, "{}"),
        (each.because, "The judge saves no human label: {}"),
        (each.kappa_because, "κ of judge and people is undefined, because {}"),
        (each.gap_because, "Not held against people among themselves: {}"),
        (each.corrected_because, "Its errors are not taken out: {}"),
    ]
    return CalibratedCard(
        metric=each.metric,
        candidate=each.candidate,
        judge=each.judge,
        simulated=simulated,
        rates=tuple((word, shown) for word, shown in rates if shown is not None),
        facts=tuple(facts),
        rows=tuple(
            (SAID[row], tuple(count_figure(count, f"{at}/confusion/{row}/{column}") for column, count in enumerate(counts)))
            for row, counts in enumerate(each.confusion)
        ),
        notes=tuple(text.format(why) for why, text in said if why),
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
            who = "simulated raters, who are no people," if _simulated(conclusion, found) else "people"
            source = f"{found.labelled:,} items labelled by {who} and {found.items:,} verdicts"
            rate = _text(found.powered, found.powered_low, found.powered_high)
            lines.append(f"{found.candidate} in {found.metric}, from {source}: {rate}; {saved}")
    return lines


def _text(value: float, low: float | None, high: float | None) -> str:
    ends = "" if low is None or high is None else f" [{score_text(low, 'bounded')} … {score_text(high, 'bounded')}]"
    return f"{score_text(value, 'bounded')}{ends}"
