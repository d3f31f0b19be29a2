"""Seconds of answers against the tokens that they hold, with the line that was fitted: base + seconds per token · tokens."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import zip_longest

from markupsafe import Markup

from harness.records import Measured, Pace, Record
from reports.drawing.axes import height_axis, names_beside
from reports.drawing.lettering import tick_texts
from reports.drawing.strips import SHAPES, dot
from reports.drawing.svg import Scale, picture, tag, thinned, ticks
from reports.drawing.svg import span as data_range
from reports.figures import Figure, count_figure, pointer
from reports.wording import fixed, significant

WIDTH, LEFT, RIGHT, TOP, LOW = 620.0, 60.0, 104.0, 14.0, 230.0
MOST_POINTS = 40
"""Answers of one candidate that are drawn, and stand in the table: evenly from the shortest to the longest."""
MOST_LINES = len(SHAPES)
"""Candidates that shapes tell apart in one picture; of more, the first ones."""


class Answers(Record, frozen=True, kw_only=True):
    """What the page embeds: (tokens, seconds) of some answers of one candidate in one task, of ``items``."""

    task: str
    candidate: str
    items: int
    points: tuple[tuple[float, float], ...]


Point = tuple[Figure, Figure]
"""Tokens and seconds of one answer."""


class FitCard(Record, frozen=True, kw_only=True):
    """``shown``: the candidates in the picture, and how many answers each has; ``rows``: their points side by side, None where one
    has no more; ``others``: candidates that are not in the picture."""

    name: str
    task: str
    picture: Markup
    rows: tuple[tuple[Point | None, ...], ...]
    shown: tuple[tuple[str, Figure], ...]
    others: int


def answers(measured: Mapping[tuple[str, str], Measured], paces: Sequence[Pace]) -> tuple[Answers, ...]:
    """Of every pace, in the same order."""
    found = []
    for pace in paces:
        suite, _, task = pace.task.partition("/")
        side = measured.get((suite, pace.candidate))
        scores = [row.scores for row in (side.samples if side else ()) if row.task == task and row.scores]
        points = sorted(
            (each["tokens_out"], each["seconds"])
            for each in scores
            if "tokens_out" in each and "seconds" in each and math.isfinite(each["tokens_out"] + each["seconds"])
        )
        drawn = tuple(thinned(points, MOST_POINTS))
        found.append(Answers(task=pace.task, candidate=pace.candidate, items=len(points), points=drawn))
    return tuple(found)


def fit_cards(found: Sequence[Answers], paces: Sequence[Pace], names: Sequence[str]) -> tuple[FitCard, ...]:
    """One for each task in which a line was fitted; ``names``: the candidates in their order, the baseline first."""
    groups: dict[str, list[int]] = {}
    for place, pace in enumerate(paces):
        if pace.base is not None and found[place].points:
            groups.setdefault(pace.task, []).append(place)
    rank = {name: number for number, name in enumerate(names)}
    cards = []
    for number, (task, places) in enumerate(groups.items()):
        chosen = sorted(places, key=lambda place: rank.get(paces[place].candidate, len(rank)))[:MOST_LINES]
        name = f"fit-{number}"
        columns = [
            [
                (
                    Figure(text=fixed(tokens, 0), value=tokens, at=pointer("fits", place, "points", index, 0)),
                    Figure(text=significant(seconds), value=seconds, at=pointer("fits", place, "points", index, 1)),
                )
                for index, (tokens, seconds) in enumerate(found[place].points)
            ]
            for place in chosen
        ]
        shown = tuple(
            (found[place].candidate, count_figure(found[place].items, pointer("fits", place, "items"))) for place in chosen
        )
        drawn = _picture(name, task, [(found[place], paces[place]) for place in chosen])
        cards.append(
            FitCard(
                name=name,
                task=task,
                picture=drawn,
                rows=tuple(zip_longest(*columns)),
                shown=shown,
                others=len(places) - len(chosen),
            )
        )
    return tuple(cards)


def _picture(name: str, task: str, members: Sequence[tuple[Answers, Pace]]) -> Markup:
    points = [point for each, _ in members for point in each.points]
    longest = max(tokens for tokens, _ in points)
    x = Scale(data_range([tokens for tokens, _ in points], include=(0.0,), pad=0.03), (LEFT, WIDTH - RIGHT))
    reached = [(pace.base or 0.0) + (pace.per_token or 0.0) * longest for _, pace in members]
    y = Scale(data_range([*(seconds for _, seconds in points), *reached], include=(0.0,), pad=0.03), (LOW, TOP))
    parts = height_axis(y, LEFT, WIDTH - RIGHT, 5)
    places = ticks(x.low, x.high, 6)
    for value, text in zip(places, tick_texts(places), strict=True):
        parts.append(tag("line", x1=x(value), x2=x(value), y1=TOP, y2=LOW, class_="grid"))
        parts.append(tag("text", text, x=x(value), y=LOW + 16, text_anchor="middle"))
    labels = []
    for number, (each, pace) in enumerate(members):
        style = f"series-{number}"
        parts += [dot(SHAPES[number], x(tokens), y(seconds), 2.6, f"dot {style}") for tokens, seconds in each.points]
        base, slope = pace.base or 0.0, pace.per_token or 0.0
        parts.append(_line(x, y, base, slope, longest, style))
        labels.append((y(base + slope * longest), each.candidate, style))
    parts += names_beside(labels, WIDTH - RIGHT + 6, TOP, LOW)
    parts.append(tag("text", "tokens written →", x=WIDTH - RIGHT, y=LOW + 36, text_anchor="end", class_="axis"))
    parts.append(tag("text", "↑ seconds", x=LEFT, y=LOW + 36, class_="axis"))
    words = "; ".join(
        f"{pace.candidate}: {significant(pace.base or 0.0)} s + {significant(pace.per_token or 0.0)} s per token"
        for _, pace in members
    )
    return picture(WIDTH, LOW + 44, f"Seconds by tokens, {task}", words, parts, name=name)


def _line(x: Scale, y: Scale, base: float, slope: float, longest: float, style: str) -> Markup:
    """From 0 tokens to the longest answer, as far as it lies above 0 seconds: it is not bent at the picture's edge."""
    start = max(0.0, -base / slope) if slope > 0 and base < 0 else 0.0
    stop = min(longest, -base / slope) if slope < 0 else longest
    return tag(
        "line", x1=x(start), x2=x(max(start, stop)), y1=y(base + slope * start), y2=y(base + slope * max(start, stop)),
        class_=f"line {style}",
    )  # fmt: skip
