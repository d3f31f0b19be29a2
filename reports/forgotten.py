"""What training cost, for reading: the price of a gain, what was known and is lost, what everybody lost, and stages in a row."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from harness.records import Conclusion, Forgotten, LostByAll, Record, Stages, Tax
from reports.beside import uncounted_text
from reports.drawing.strips import axis, lost_and_gained, shared
from reports.drawing.svg import Scale
from reports.figures import Figure, Span, count_figure, gain_figure, pointer, score_figure
from reports.wording import count_text, fixed, gain_text, interval_text, score_text

MOST = 40
"""Rows of the page's table; the others stand in verdict.json."""
MOST_KEYS = 10
"""Keys of items that the summary names."""


class TaxLine(Record, frozen=True, kw_only=True):
    """The price of one candidate's gain."""

    candidate: str
    against: str
    target: Figure | None
    target_span: Span | None
    retained: Figure | None
    retained_span: Span | None
    target_suites: str
    retained_suites: str
    uncounted: str
    note: str


class KnownLine(Record, frozen=True, kw_only=True):
    """What one candidate lost of one task or slice; without numbers where ``note`` says why."""

    metric: str
    candidate: str
    slice: str
    items: Figure
    lost: Figure | None
    span: Span | None
    gained: Figure | None
    noise: Figure | None
    known: Figure | None
    known_low: Figure | None
    picture: Markup | None
    note: str


class EverybodyLine(Record, frozen=True, kw_only=True):
    metric: str
    known: Figure
    count: Figure
    expected: Figure
    keys: tuple[str, ...]


class StageTable(Record, frozen=True, kw_only=True):
    stages: Stages
    rows: tuple[tuple[str, tuple[Figure, ...]], ...]
    transfer: Figure
    transfer_span: Span | None
    forgotten: Figure
    forgotten_span: Span | None


class Cost(Record, frozen=True, kw_only=True):
    taxes: tuple[TaxLine, ...]
    known: tuple[KnownLine, ...]
    known_axis: Markup | None
    known_level: str
    left_out: int
    everybody: tuple[EverybodyLine, ...]
    stages: StageTable | None
    stages_note: str


def cost(conclusion: Conclusion) -> Cost:
    """All of it, ready for the page. Slices stand after the tasks, the largest losses first."""
    places = sorted(range(len(conclusion.forgotten)), key=lambda place: _order(conclusion.forgotten[place]))[:MOST]
    drawn = [each for each in (conclusion.forgotten[place] for place in places) if each.lost is not None]
    lost = [-value for each in drawn for value in (each.lost, each.lost_high, each.noise) if value is not None]
    scale = shared([*lost, *(each.gained for each in drawn)], include=(0.0,))
    levels = {f"{each.level * 100:.4g}%" for each in drawn if each.lost_low is not None}
    return Cost(
        taxes=tuple(_tax(place, each, conclusion) for place, each in enumerate(conclusion.taxes)),
        known=tuple(_known(place, conclusion.forgotten[place], scale) for place in places),
        known_axis=axis(scale, "bounded", both=True) if drawn else None,
        known_level=levels.pop() if len(levels) == 1 else "",
        left_out=len(conclusion.forgotten) - len(places),
        everybody=tuple(_everybody(place, each) for place, each in enumerate(conclusion.lost_by_all)),
        stages=None if conclusion.stages is None or not conclusion.stages.scores else _stages(conclusion.stages),
        stages_note="" if conclusion.stages is None else conclusion.stages.note,
    )


def _order(each: Forgotten) -> tuple[bool, bool, float]:
    return bool(each.field), each.lost is None, -(each.lost or 0.0)


def _tax(place: int, tax: Tax, conclusion: Conclusion) -> TaxLine:
    at = pointer("conclusion", "taxes", place)
    return TaxLine(
        candidate=tax.candidate,
        against=tax.against,
        target=None if tax.target_gain is None else gain_figure(tax.target_gain, f"{at}/target_gain", "bounded"),
        target_span=_span(tax.target_low, tax.target_high, tax.level, at, "target_"),
        retained=None if tax.retained_gain is None else gain_figure(tax.retained_gain, f"{at}/retained_gain", "bounded"),
        retained_span=_span(tax.retained_low, tax.retained_high, tax.level, at, "retained_"),
        target_suites=_counted(tax.target),
        retained_suites=_counted(tax.retained),
        uncounted=uncounted_text(tax, conclusion),
        note=tax.note,
    )


def _counted(metrics: Sequence[str]) -> str:
    """What a mean is of."""
    suites = len({metric.split("/", 1)[0] for metric in metrics})
    return f"mean of {suites} suites, each counted once" if suites > 1 else "of 1 suite" if suites else ""


def _span(low: float | None, high: float | None, level: float, at: str, prefix: str, *, gain: bool = True) -> Span | None:
    """An interval of shares whose ends stand under names of their own."""
    if low is None and high is None:
        return None
    figure = gain_figure if gain else score_figure
    return Span(
        low=None if low is None else figure(low, f"{at}/{prefix}low", "bounded"),
        high=None if high is None else figure(high, f"{at}/{prefix}high", "bounded"),
        level=Figure(text=f"{level * 100:.4g}%", value=level, at=f"{at}/level"),
    )


def _known(place: int, each: Forgotten, scale: Scale) -> KnownLine:
    at = pointer("conclusion", "forgotten", place)

    def share(name: str) -> Figure | None:
        value = getattr(each, name)
        return None if value is None else score_figure(value, f"{at}/{name}", "bounded")

    return KnownLine(
        metric=each.metric,
        candidate=each.candidate,
        slice=f"{each.field}={each.value}" if each.field else "",
        items=count_figure(each.items, f"{at}/items"),
        lost=share("lost"),
        span=_span(each.lost_low, each.lost_high, each.level, at, "lost_", gain=False),
        gained=share("gained"),
        noise=share("noise"),
        known=share("known"),
        known_low=share("known_low"),
        picture=_balance(each, scale),
        note=each.note,
    )


def _balance(each: Forgotten, scale: Scale) -> Markup | None:
    """Lost against gained, on the axis of all rows."""
    if each.lost is None:
        return None
    gained = each.gained or 0.0
    words = f"{each.candidate}: lost {score_text(each.lost, 'bounded')}, gained {score_text(gained, 'bounded')}"
    return lost_and_gained(each.lost, each.lost_low, each.lost_high, gained, scale, words, each.noise)


def _everybody(place: int, each: LostByAll) -> EverybodyLine:
    at = pointer("conclusion", "lost_by_all", place)
    return EverybodyLine(
        metric=each.metric,
        known=count_figure(each.known, f"{at}/known"),
        count=count_figure(each.count, f"{at}/count"),
        expected=Figure(text=fixed(each.expected, 1), value=each.expected, at=f"{at}/expected"),
        keys=each.keys[:MOST_KEYS],
    )


def _stages(found: Stages) -> StageTable:
    at = pointer("conclusion", "stages")
    rows = tuple(
        (stage.candidate, tuple(score_figure(value, f"{at}/scores/{i}/{j}", "bounded") for j, value in enumerate(row)))
        for i, (stage, row) in enumerate(zip(found.stages, found.scores, strict=True))
    )
    return StageTable(
        stages=found,
        rows=rows,
        transfer=gain_figure(found.transfer, f"{at}/transfer", "bounded"),
        transfer_span=_span(found.transfer_low, found.transfer_high, found.level, at, "transfer_"),
        forgotten=gain_figure(found.forgotten, f"{at}/forgotten", "bounded"),
        forgotten_span=_span(found.forgotten_low, found.forgotten_high, found.level, at, "forgotten_"),
    )


# ------------------------------------------------------------------------------------------------------- the summary


def cost_lines(conclusion: Conclusion) -> list[str]:
    """The same in sentences, few: a line per candidate, per task of multiple choice, per task that all lost items of."""
    lines = [_tax_text(tax, conclusion) for tax in conclusion.taxes]
    lines = [line for line in lines if line]
    lines += [_known_text(each) for each in conclusion.forgotten if each.known is not None and not each.field]
    lines += [everybody_text(each) for each in conclusion.lost_by_all if each.count]
    return lines + ([_stages_text(conclusion.stages)] if conclusion.stages is not None else [])


def _tax_text(tax: Tax, conclusion: Conclusion) -> str:
    """Empty where nothing is known."""

    def side(gain: float | None, low: float | None, high: float | None, metrics: Sequence[str]) -> str:
        if gain is None:
            return "not known"
        ends = "" if low is None and high is None else interval_text(low, high, "bounded")
        return f"{gain_text(gain, 'bounded')} ({', '.join(filter(None, (ends, _counted(metrics))))})"

    uncounted = uncounted_text(tax, conclusion)
    if tax.target_gain is None and tax.retained_gain is None and not uncounted:
        return ""

    target = side(tax.target_gain, tax.target_low, tax.target_high, tax.target)
    kept = side(tax.retained_gain, tax.retained_low, tax.retained_high, tax.retained)
    more = "".join(f"; {text}" for text in (uncounted, tax.note) if text)
    return f"{tax.candidate} against {tax.against}: target {target}, retained {kept}{more}"


def _known_text(each: Forgotten) -> str:
    low = "" if each.known_low is None else f", at least {score_text(each.known_low, 'bounded')} (95 % sure)"
    lost, known = score_text(each.lost, "bounded"), score_text(each.known, "bounded")
    return f"{each.metric}, {each.candidate}: {lost} of the items lost, {known} that guessing does not explain{low}"


def everybody_text(each: LostByAll) -> str:
    """How many items of a task all candidates lost, of how many, and which."""
    named = ", ".join(each.keys[:MOST_KEYS]) + (" …" if each.count > MOST_KEYS else "")
    share = f"{count_text(each.count)} of {count_text(each.known)} items that {each.reference} knows"
    return f"{each.metric}: {share} are lost by every candidate ({fixed(each.expected, 1)} expected at random): {named}"


def _stages_text(found: Stages) -> str:
    order = " → ".join(stage.candidate for stage in found.stages)
    if not found.scores:
        return f"Stages {order}: {found.note}"
    transfer = f"{gain_text(found.transfer, 'bounded')} ({interval_text(found.transfer_low, found.transfer_high, 'bounded')})"
    lost = f"{gain_text(found.forgotten, 'bounded')} ({interval_text(found.forgotten_low, found.forgotten_high, 'bounded')})"
    note = f"; {found.note}" if found.note else ""
    return f"Stages {order}: backward transfer {transfer}, forgotten {lost}{note}"
