"""The pictures of the report, as inline SVG. Every one has a title, a description, and its numbers in a table beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from markupsafe import Markup

from harness.records import SHARES, Conclusion, Finding, Measured, MetricKind, Outcome, Record
from reports.drawing.axes import height_axis
from reports.drawing.lettering import tick_texts
from reports.drawing.naming import named_points
from reports.drawing.strips import stacked
from reports.drawing.svg import Scale, picture, tag, ticks
from reports.drawing.svg import span as data_range
from reports.figures import Figure, Span, count_figure, gain_figure, pointer, span
from reports.front import front_line
from reports.judging import Wins
from reports.quarrel import quarrel
from reports.standing import Roles, Standing, metric_of
from reports.wording import Badge, bound_of, finding_badge, gain_text, metric_parts, rule_name

FOREST_WIDTH = 400
FOREST_HEIGHT = 26
EDGE = 10.0

_GROUPS = {"target": "What it should have learned", "retained": "What it should have kept", "other": "Everything else"}


class ForestRow(Record, frozen=True, kw_only=True):
    candidate: str
    badge: Badge
    mark: Markup
    gain: Figure
    span: Span | None
    items: Figure
    quarrels: bool


class ForestMetric(Record, frozen=True, kw_only=True):
    metric: str
    rule: str
    against: str
    methods: tuple[str, ...]
    rows: tuple[ForestRow, ...]


class Forest(Record, frozen=True, kw_only=True):
    """Gains that share one axis. ``level`` is the interval's, where all agree."""

    title: str
    axis: Markup
    metrics: tuple[ForestMetric, ...]
    level: str
    quarrels: bool


class _Found(Record, frozen=True, kw_only=True):
    finding: Finding
    candidate: str
    at: str
    unit: str


def forests(
    conclusion: Conclusion, standings: Sequence[Standing], role: Roles, measured: Mapping[tuple[str, str], Measured]
) -> tuple[Forest, ...]:
    """Forest plots of the gains that explicit rules (and implicit ones that did not pass) decide about: one axis for the target,
    one for what is retained, one for the rest, and one more for each unit that is not a share."""
    rank = {each.candidate: index for index, each in enumerate(standings)}
    groups: dict[tuple[str, str], list[_Found]] = {}
    for number, verdict in enumerate(conclusion.verdicts):
        for index, finding in enumerate(verdict.findings):
            comparison = finding.comparison
            if (
                comparison is None
                or (finding.rule.implicit and finding.outcome == "pass")
                or bound_of(finding.rule, comparison) is None
            ):
                continue
            metric = finding.metric or comparison.metric
            unit = metric_of(measured, metric).unit
            scale = "share" if comparison.kind in SHARES else f"{unit or metric_parts(metric)[2]}"
            at = pointer("conclusion", "verdicts", number, "findings", index, "comparison")
            group = (role.of(metric), scale)
            groups.setdefault(group, []).append(_Found(finding=finding, candidate=verdict.candidate, at=at, unit=unit))
    order = ("target", "retained", "other")
    made = []
    for key in sorted(groups, key=lambda each: (order.index(each[0]), each[1] != "share", each[1])):
        members = sorted(groups[key], key=lambda each: rank.get(each.candidate, 99))
        made.append(_forest(key, members))
    return tuple(made)


def _forest(key: tuple[str, str], members: Sequence[_Found]) -> Forest:
    compared = [(each.finding.comparison, bound_of(each.finding.rule, each.finding.comparison)) for each in members]
    ends = [value for each, bound in compared if each for value in (each.gain, each.low, each.high, bound) if value is not None]
    scale = Scale(data_range(ends, include=(0.0,)), (EDGE, FOREST_WIDTH - EDGE))
    kind: MetricKind = "binary" if key[1] == "share" else "real"
    metrics: dict[tuple[str, str, str], list[ForestRow]] = {}
    methods: dict[tuple[str, str, str], dict[str, None]] = {}
    for each in members:
        comparison = each.finding.comparison
        if comparison is None:
            continue
        metric = each.finding.metric or comparison.metric
        bound = bound_of(each.finding.rule, comparison) or 0.0
        group = (metric, rule_name(each.finding.rule), comparison.baseline)
        if interval := str(comparison.parameters.get("interval", "")).removesuffix(" interval"):
            methods.setdefault(group, {})[interval] = None
        metrics.setdefault(group, []).append(
            ForestRow(
                candidate=each.candidate,
                badge=finding_badge(each.finding),
                mark=_mark(each, scale, bound),
                gain=gain_figure(comparison.gain, f"{each.at}/gain", comparison.kind, "", (bound,), comparison.baseline_value),
                span=span(comparison, each.at, "", (bound,)),
                items=count_figure(comparison.items, f"{each.at}/items"),
                quarrels=bool(quarrel(each.finding)),
            )
        )
    levels = {f"{each.level * 100:.4g}%" for each, _ in compared if each}
    title = _GROUPS[key[0]] + ("" if key[1] == "share" else f" · {key[1]}")
    return Forest(
        title=title,
        axis=_axis(scale, kind),
        metrics=tuple(
            ForestMetric(
                metric=metric, rule=rule, against=against, methods=tuple(methods.get((metric, rule, against), ())), rows=tuple(rows)
            )
            for (metric, rule, against), rows in metrics.items()
        ),
        level=levels.pop() if len(levels) == 1 else "",
        quarrels=any(row.quarrels for rows in metrics.values() for row in rows),
    )


def _mark(each: _Found, scale: Scale, bound: float) -> Markup:
    """One row: the margin, zero, the interval, the gain. Shapes repeat what the badge says, so that colour is not needed."""
    comparison, middle = each.finding.comparison, FOREST_HEIGHT / 2
    assert comparison is not None
    tone = finding_badge(each.finding).tone
    low = comparison.low if comparison.low is not None else (scale.low if comparison.high is not None else comparison.gain)
    high = comparison.high if comparison.high is not None else (scale.high if comparison.low is not None else comparison.gain)
    parts = []
    if bound < 0:
        parts.append(tag("rect", x=0, y=0, width=scale(bound), height=FOREST_HEIGHT, class_="zone"))
    if bound:
        parts.append(tag("line", x1=scale(bound), x2=scale(bound), y1=0, y2=FOREST_HEIGHT, class_="margin"))
    parts.append(tag("line", x1=scale(0), x2=scale(0), y1=0, y2=FOREST_HEIGHT, class_="zero"))
    parts.append(tag("line", x1=scale(low), x2=scale(high), y1=middle, y2=middle, class_=f"whisker {tone}"))
    for end, closed in ((low, comparison.low is not None), (high, comparison.high is not None)):
        if closed:
            parts.append(tag("line", x1=scale(end), x2=scale(end), y1=middle - 4, y2=middle + 4, class_=f"whisker {tone}"))
    parts.append(shape(scale(comparison.gain), middle, each.finding.outcome, tone, 4.5))
    words = f"{each.candidate}: {gain_text(comparison.gain, comparison.kind, each.unit)}"
    return _row(parts, words)


def _axis(scale: Scale, kind: MetricKind) -> Markup:
    places = ticks(scale.low, scale.high, 5)
    parts = []
    for value, text in zip(places, tick_texts(places, kind, gain=True), strict=True):
        parts.append(tag("line", x1=scale(value), x2=scale(value), y1=0, y2=4, class_="tick"))
        anchor = "start" if scale(value) < 24 else "end" if scale(value) > FOREST_WIDTH - 24 else "middle"
        parts.append(tag("text", text.removesuffix(" pp"), x=scale(value), y=16, text_anchor=anchor))
    return tag(
        "svg", *parts, viewBox=f"0 0 {FOREST_WIDTH} 20", width=FOREST_WIDTH, height=20, class_="chart row", aria_hidden="true"
    )


def shape(x: float, y: float, outcome: Outcome, tone: str, size: float) -> Markup:
    """A point whose shape says the outcome: disc passes, cross fails, hollow diamond is undecided."""
    if outcome == "pass":
        return tag("circle", cx=x, cy=y, r=size, class_=f"point {tone}")
    if outcome == "fail":
        reach = size * 0.95
        left, right, top, low = (f"{value:.1f}" for value in (x - reach, x + reach, y - reach, y + reach))
        path = f"M{left} {top}L{right} {low}M{left} {low}L{right} {top}"
        return tag("path", d=path, class_=f"point cross {tone}")
    reach = size * 1.25
    path = f"M{x:.1f} {y - reach:.1f}L{x + reach:.1f} {y:.1f}L{x:.1f} {y + reach:.1f}L{x - reach:.1f} {y:.1f}Z"
    return tag("path", d=path, class_=f"point hollow {tone}")


def tradeoff(standings: Sequence[Standing], margin: float | None, tones: Mapping[str, Badge]) -> Markup | None:
    """Target gain against what happened to the rest, one point per candidate. ``margin`` (> 0) draws the line not to fall below."""
    placed = [each for each in standings if each.target and each.general and math.isfinite(each.target.gain + each.general.gain)]
    if not placed:
        return None
    width, height, left, right, top, bottom = 620.0, 350.0, 64.0, 24.0, 28.0, 46.0
    xs = [each.target.gain for each in placed if each.target]
    ys = [each.general.gain for each in placed if each.general]
    x = Scale(data_range(xs, pad=0.14, include=(0.0,)), (left, width - right))
    y = Scale(data_range(ys, pad=0.14, include=(0.0,) if margin is None else (0.0, -margin)), (height - bottom, top))
    kind: tuple[MetricKind, MetricKind] = (
        placed[0].target.kind if placed[0].target else "real",
        placed[0].general.kind if placed[0].general else "real",
    )
    parts = frame(x, y, kind, (left, right, top, bottom, width, height))
    if margin is not None:
        parts.insert(
            0, tag("rect", x=left, y=y(-margin), width=width - left - right, height=height - bottom - y(-margin), class_="zone")
        )
        parts.append(tag("line", x1=left, x2=width - right, y1=y(-margin), y2=y(-margin), class_="margin"))
        parts.append(tag("text", "margin", x=left + 6, y=y(-margin) + 14, class_="quiet"))
    parts += front_line(list(zip(xs, ys, strict=True)), x, y)
    points = [(each, x(each.target.gain), y(each.general.gain)) for each in placed if each.target and each.general]
    parts += [shape(px, py, each.outcome, tones[each.candidate].tone, 6) for each, px, py in points]
    parts += named_points([(each.candidate, px, py) for each, px, py in points], (left, top, width, height - bottom), 8)
    words = "; ".join(
        f"{each.candidate}: target {gain_text(each.target.gain, each.target.kind, each.target.unit)}, "
        f"general {gain_text(each.general.gain, each.general.kind, each.general.unit)}"
        for each in placed
        if each.target and each.general
    )
    return picture(width, height, "Target gain against general loss", words, parts, name="tradeoff")


def frame(
    x: Scale, y: Scale, kind: tuple[MetricKind, MetricKind], box: tuple[float, float, float, float, float, float]
) -> list[Markup]:
    left, right, top, bottom, width, height = box
    parts = []
    places = ticks(x.low, x.high, 6)
    for value, text in zip(places, tick_texts(places, kind[0], gain=True), strict=True):
        parts.append(tag("line", x1=x(value), x2=x(value), y1=top, y2=height - bottom, class_="zero" if value == 0 else "grid"))
        parts.append(tag("text", text, x=x(value), y=height - bottom + 16, text_anchor="middle"))
    parts += height_axis(y, left, width - right, 6, kind[1], gain=True)
    parts.append(tag("text", "target gain →", x=width - right, y=height - 8, text_anchor="end", class_="axis"))
    parts.append(tag("text", "↑ general gain", x=left, y=top - 8, class_="axis"))
    return parts


def _row(parts: Iterable[Markup], words: str) -> Markup:
    """A drawing as wide as the others of its table; ``words`` for those who do not see it."""
    return tag(
        "svg",
        *parts,
        viewBox=f"0 0 {FOREST_WIDTH} {FOREST_HEIGHT}",
        width=FOREST_WIDTH,
        height=FOREST_HEIGHT,
        class_="chart row",
        role="img",
        aria_label=words,
    )


def win_bar(wins: Wins) -> Markup:
    """Win, tie and loss as one bar; the numbers stand beside it."""
    words = f"{wins.candidate}: {wins.win} won, {wins.tie} tied, {wins.loss} lost"
    return stacked([("win", wins.win, "win"), ("tie", wins.tie, "tie"), ("loss", wins.loss, "loss")], words)
