"""What was watched inside a training: the norms of the gradient by group of weights, and what it has come to know by heart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from harness.records import Flow, Record, Training, Verbatim
from reports.drawing.strips import EDGE, WIDTH, Mark, axis, marks, numbered, shared
from reports.drawing.svg import Scale, thinned
from reports.figures import Figure, count_figure, pointer
from reports.wording import MINUS, significant

MOST = 40
"""Rows of a table; the others stand in training.json."""


class GroupNorms(Record, frozen=True, kw_only=True):
    """What the page embeds of one group of weights: norms over all steps that were looked at, those that are numbers."""

    group: str
    looks: int
    first: float
    last: float
    least: float
    largest: float


class FlowRow(Record, frozen=True, kw_only=True):
    group: str
    looks: Figure
    first: Figure
    last: Figure
    least: Figure
    largest: Figure
    picture: Markup


class HeartRow(Record, frozen=True, kw_only=True):
    """What was repeated word for word after a step."""

    step: Figure
    trained: Figure
    tried: Figure
    validation: Figure
    validation_tried: Figure
    picture: Markup


class DiagnosticsCard(Record, frozen=True, kw_only=True):
    flows: tuple[FlowRow, ...]
    flows_axis: Markup | None
    left_out: int
    heart: tuple[HeartRow, ...]
    heart_axis: Markup | None


def norms(flows: Sequence[Flow]) -> tuple[GroupNorms, ...]:
    """Group by group, in the order in which they come."""
    found = []
    for group in dict.fromkeys(name for flow in flows for name in flow.norms):
        values = [flow.norms[group] for flow in flows if group in flow.norms]
        known = [value for value in values if math.isfinite(value)]
        if known:
            found.append(
                GroupNorms(group=group, looks=len(values), first=known[0], last=known[-1], least=min(known), largest=max(known))
            )
    return tuple(found)


def by_heart(training: Training) -> tuple[Verbatim, ...]:
    """The looks that tried anything, thinned to what a table holds."""
    return tuple(thinned([each for each in training.verbatims if each.tried or each.validation_tried], MOST))


def diagnostics_card(name: str, training: Training) -> DiagnosticsCard | None:
    """Both tables; None where nothing was watched."""
    groups, heart = norms(training.flows), by_heart(training)
    if not groups and not heart:
        return None
    powers = [math.log10(value) for each in groups[:MOST] for value in (each.least, each.largest) if value > 0]
    scale = Scale(_whole(powers), (EDGE, WIDTH - EDGE))
    flows = tuple(_flow(each, pointer("training", name, "flows", place), scale) for place, each in enumerate(groups[:MOST]))
    shares = shared([0.0, 1.0])
    rows = tuple(_heart(each, pointer("training", name, "heart", place), shares) for place, each in enumerate(heart))
    return DiagnosticsCard(
        flows=flows,
        flows_axis=_powers(scale) if powers else None,
        left_out=len(groups) - len(flows),
        heart=rows,
        heart_axis=axis(shares, "bounded") if rows else None,
    )


def _flow(each: GroupNorms, at: str, scale: Scale) -> FlowRow:
    found = []
    if each.last > 0 and each.least > 0:
        low, value, high = (math.log10(norm) for norm in (each.least, each.last, each.largest))
        found.append(Mark(value=value, low=low, high=high))
    words = f"{each.group}: {significant(each.least)} to {significant(each.largest)}, in the end {significant(each.last)}"
    figures: Mapping[str, Figure] = {
        name: Figure(text=significant(getattr(each, name)), value=getattr(each, name), at=f"{at}/{name}")
        for name in ("first", "last", "least", "largest")
    }
    return FlowRow(group=each.group, looks=count_figure(each.looks, f"{at}/looks"), picture=marks(found, scale, words), **figures)


def _heart(each: Verbatim, at: str, scale: Scale) -> HeartRow:
    found = [
        Mark(value=count / tried, shape=shape)
        for count, tried, shape in (
            (each.trained, each.tried, "disc"), (each.validation, each.validation_tried, "square"),
        )
        if tried
    ]  # fmt: skip
    words = f"step {each.step}: {each.trained} of {each.tried} trained, {each.validation} of {each.validation_tried} others"
    names = ("step", "trained", "tried", "validation", "validation_tried")
    figures = {name: count_figure(getattr(each, name), f"{at}/{name}") for name in names}
    return HeartRow(picture=marks(found, scale, words), **figures)


def _whole(powers: Sequence[float]) -> tuple[float, float]:
    """Whole powers of ten around what is to be shown."""
    return (math.floor(min(powers)), math.floor(max(powers)) + 1) if powers else (0.0, 1.0)


def _powers(scale: Scale) -> Markup:
    """The numbers of an axis on which each power of ten is as wide as the next."""
    places = thinned(range(round(scale.low), round(scale.high) + 1), 6)
    return numbered(scale, places, [f"1e{power}".replace("-", MINUS) for power in places])
