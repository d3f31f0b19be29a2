"""A judge beside people: what both say of the same answers, how far they agree, and what the judge is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from harness.records import Calibrated, Conclusion, Record
from reports.drawing.strips import Mark, axis, marks, shared, stacked
from reports.figures import Figure, Span, count_figure, pointer, score_figure
from reports.wording import fixed

EVEN = 0.5
"""A win rate at which neither side is preferred."""


class Drawn(Record, frozen=True, kw_only=True):
    """A number with its interval, in figures and as a mark on an axis."""

    word: str
    figure: Figure
    ends: Span | None
    picture: Markup


class CalibratedCard(Record, frozen=True, kw_only=True):
    """A judge beside people. ``rows``: the confusion, by what the judge said, with what people said of it as a bar. ``rates`` and
    ``kappas`` have an axis each. ``simulated``: raters who are no people."""

    metric: str
    candidate: str
    judge: str
    simulated: str
    labelled: Figure
    items: Figure
    shared: Figure
    level: Figure
    rates: tuple[Drawn, ...]
    rates_axis: Markup | None
    kappas: tuple[Drawn, ...]
    kappas_axis: Markup | None
    facts: tuple[tuple[str, Figure], ...]
    rows: tuple[tuple[str, tuple[Figure, ...], Markup], ...]
    notes: tuple[str, ...]


SAID = ("won", "tied", "lost")
_CALIBRATED = {
    "human": "people alone", "powered": "people and judge", "judged": "judge alone", "corrected": "judge, its errors taken out",
}  # fmt: skip
_KAPPAS = {
    "kappa": "κ of judge and people",
    "judge_kappa": "κ of judge and single people",
    "people_kappa": "κ of people among themselves",
    "gap": "κ of the judge less that of people",
}


def calibrated_cards(conclusion: Conclusion) -> tuple[CalibratedCard, ...]:
    """One for each judge and candidate."""
    return tuple(_calibrated(place, each, simulated(conclusion, each)) for place, each in enumerate(conclusion.calibrated))


def simulated(conclusion: Conclusion, each: Calibrated) -> str:
    """The raters behind it who are no people."""
    suite = each.metric.split("/", 1)[0]
    said = [people for people in conclusion.people.get(each.candidate, ()) if people.suite == suite]
    return ", ".join(dict.fromkeys(name for people in said for name in people.simulated))


def _calibrated(place: int, each: Calibrated, programs: str) -> CalibratedCard:
    at = pointer("conclusion", "calibrated", place)
    rates = _drawn(each, at, _CALIBRATED, EVEN, share=True)
    kappas = _drawn(each, at, _KAPPAS, 0.0, share=False)
    facts: list[tuple[str, Figure]] = [("raters", count_figure(each.raters, f"{at}/raters"))]
    if each.accuracy is not None:
        facts.append(("same verdict", score_figure(each.accuracy, f"{at}/accuracy", "bounded")))
    if each.lam is not None:
        facts.append(("weight of the judge λ", plain(each.lam, f"{at}/lam")))
    if each.saved is not None:
        facts.append(("human labels saved", Figure(text=fixed(each.saved, 0), value=each.saved, at=f"{at}/saved")))
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
        simulated=programs,
        labelled=count_figure(each.labelled, f"{at}/labelled"),
        items=count_figure(each.items, f"{at}/items"),
        shared=count_figure(each.shared, f"{at}/shared"),
        level=Figure(text=f"{each.level * 100:.4g}%", value=each.level, at=f"{at}/level"),
        rates=rates[0],
        rates_axis=rates[1],
        kappas=kappas[0],
        kappas_axis=kappas[1],
        facts=tuple(facts),
        rows=tuple(_confusion(row, counts, at) for row, counts in enumerate(each.confusion)),
        notes=tuple(text.format(why) for why, text in said if why),
    )


def _drawn(
    each: Calibrated, at: str, names: Mapping[str, str], zero: float, *, share: bool
) -> tuple[tuple[Drawn, ...], Markup | None]:
    """What a card knows of ``names`` (field -> what it is called), each with its interval, and the axis below them."""
    found = []
    for name, word in names.items():
        value, low, high = (getattr(each, f"{name}{end}", None) for end in ("", "_low", "_high"))
        if value is not None:
            found.append((name, word, Mark(value=value, low=low, high=high)))
    scale = shared([value for _, _, mark in found for value in (mark.value, mark.low, mark.high)], include=(zero,))
    rows = []
    for name, word, mark in found:
        figure = score_figure(mark.value, f"{at}/{name}", "bounded") if share else plain(mark.value, f"{at}/{name}")
        ends = shown_span(mark.low, mark.high, each.level, at, f"{name}_", share=share)
        rows.append(Drawn(word=word, figure=figure, ends=ends, picture=marks([mark], scale, f"{word}: {figure.text}", zero)))
    return tuple(rows), axis(scale, "bounded" if share else "real") if rows else None


def _confusion(row: int, counts: Sequence[int], at: str) -> tuple[str, tuple[Figure, ...], Markup]:
    """What people said where the judge said one thing, as figures and as a bar."""
    figures = tuple(count_figure(count, f"{at}/confusion/{row}/{column}") for column, count in enumerate(counts))
    words = f"judge {SAID[row]}: people " + ", ".join(f"{word} {count}" for word, count in zip(SAID, counts, strict=True))
    parts = [(name, count, name) for name, count in zip(("win", "tie", "loss"), counts, strict=True)]
    return SAID[row], figures, stacked(parts, words)


def shown_span(low: float | None, high: float | None, level: float, at: str, before: str, *, share: bool = True) -> Span | None:
    if low is None or high is None:
        return None
    ends = [
        score_figure(end, f"{at}/{before}{name}", "bounded") if share else plain(end, f"{at}/{before}{name}")
        for name, end in (("low", low), ("high", high))
    ]
    return Span(low=ends[0], high=ends[1], level=Figure(text=f"{level * 100:.4g}%", value=level, at=f"{at}/level"))


def plain(value: float, at: str) -> Figure:
    return Figure(text=fixed(value, 2), value=value, at=at)
