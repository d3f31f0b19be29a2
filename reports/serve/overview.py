"""The first page: what was said last, where suites are worse than what they are held to, which scores shifted, and then all
suites."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from harness.records import History, Record
from reports.courses.shifts import torn
from reports.drawing.svg import Scale, tag
from reports.drawing.svg import span as data_range
from reports.figures import Figure, count_figure, gain_figure, pointer, score_figure
from reports.serve.stands import Now, Stand, Word
from reports.wording import moment

MOST_NOW = 6
"""Runs that a line names."""
_WIDTH, _HEIGHT = 150.0, 30.0
_TONES: dict[Word, tuple[str, str]] = {
    "worse": ("bad", "▼"), "lower": ("unsure", "▽"), "alike": ("mute", "="), "higher": ("mute", "△"), "better": ("good", "▲"),
    "errors": ("unsure", "!"), "otherwise": ("unsure", "≠"), "unknown": ("mute", "–"),
}  # fmt: skip
WORDS: dict[Word, str] = {
    "worse": "Worse", "lower": "Lower", "alike": "No clear change", "higher": "Higher", "better": "Better",
    "errors": "Too many errors", "otherwise": "Asked otherwise", "unknown": "Held to nothing",
}  # fmt: skip


class NowLine(Record, frozen=True, kw_only=True):
    """``compare`` and ``changed`` lead to the pages about this run and what it is held to."""

    name: str
    hash: str
    when: str
    score: Figure | None
    gain: Figure | None
    tone: str
    icon: str
    word: str
    settings: tuple[str, ...]
    compare: str
    changed: str


class SuiteLine(Record, frozen=True, kw_only=True):
    suite: str
    link: str
    metric: str
    runs: Figure
    newest: str
    held: str
    held_to: str
    held_score: Figure | None
    now: tuple[NowLine, ...]
    more: Figure | None
    shift: tuple[str, Figure, str] | None
    down: bool
    slope: Figure | None
    spark: Markup | None


class Count(Record, frozen=True, kw_only=True):
    """A fact of the whole store: how many suites or folders it is about."""

    tone: str
    icon: str
    word: str
    figure: Figure


def suite_link(suite: str) -> str:
    return f"/suite?name={quote(suite, safe='')}"


def pair_link(path: str, old: str, new: str) -> str:
    return f"{path}?old={quote(old, safe='')}&new={quote(new, safe='')}"


def overview(stands: Sequence[Stand], counts: dict[str, int]) -> tuple[tuple[SuiteLine, ...], tuple[Count, ...], dict[str, Any]]:
    """The lines of all suites, the gravest first, what to say above them, and the data that both point into; ``counts`` are of what
    is no suite's own."""
    found = sorted(stands, key=lambda each: each.rank)
    lines = tuple(_line(place, each) for place, each in enumerate(found))
    said = {
        "worse": sum(any(now.word == "worse" for now in each.now) for each in found),
        "lower": sum(any(now.word == "lower" for now in each.now) for each in found),
        "down": sum(each.shift is not None and each.shift.gain < 0 for each in found),
        "slow": sum(each.slow for each in found),
        "errors": sum(any(now.word == "errors" for now in each.now) for each in found),
        "otherwise": sum(any(now.word == "otherwise" for now in each.now) for each in found),
        **counts,
    }
    told = tuple(
        Count(tone=tone, icon=icon, word=word, figure=count_figure(said[name], pointer("counts", name)))
        for name, tone, icon, word in _COUNTS
        if said[name]
    )
    data = {"counts": said, "suites": [_data(each) for each in found]}
    return lines, told, data


_COUNTS = (
    ("worse", "bad", "▼", "Suites worse than what they are held to"),
    ("slow", "bad", "▼", "Suites with a slow loss"),
    ("down", "bad", "▼", "Suites whose score shifted down"),
    ("lower", "unsure", "▽", "Suites with a lower score, which may be chance"),
    ("errors", "unsure", "!", "Suites with too many errors"),
    ("otherwise", "unsure", "≠", "Suites asked otherwise than what they are held to"),
    ("damaged", "unsure", "!", "Files that cannot be read"),
    ("partial", "unsure", "!", "Runs that lack a file"),
    ("writing", "mute", "…", "Runs that are being written"),
)


def _line(place: int, each: Stand) -> SuiteLine:
    at, metric = pointer("suites", place), each.metric
    course = each.course
    slope = course.weekly.slope if course is not None and course.weekly is not None and each.slow else None
    return SuiteLine(
        suite=each.suite,
        link=suite_link(each.suite),
        metric=each.newest.run.primary,
        runs=count_figure(each.runs, f"{at}/runs"),
        newest=moment(each.newest.run.created),
        held="" if each.held is None else each.held.what,
        held_to="" if each.held is None else each.held.name,
        held_score=None if each.held is None else score_figure(each.held.score, f"{at}/held", metric.kind, metric.unit),
        now=tuple(_now_line(f"{at}/now/{number}", now, each) for number, now in enumerate(each.now[:MOST_NOW])),
        more=count_figure(len(each.now) - MOST_NOW, f"{at}/more") if len(each.now) > MOST_NOW else None,
        shift=None
        if each.shift is None
        else (each.shift.candidate, gain_figure(each.shift.gain, f"{at}/shift", metric.kind, metric.unit), each.shift.created[:10]),
        down=each.shift is not None and each.shift.gain < 0,
        slope=None if slope is None else gain_figure(slope, f"{at}/slope", metric.kind, metric.unit),
        spark=None if each.history is None else _spark(each.history),
    )


def _now_line(at: str, now: Now, each: Stand) -> NowLine:
    metric = each.metric
    tone, icon = _TONES[now.word]
    held = each.held
    like = None if held is None else held.score
    return NowLine(
        name=now.run.run.candidate.name,
        hash=now.run.hash,
        when=moment(now.run.run.created),
        score=None if now.score is None else score_figure(now.score, f"{at}/score", metric.kind, metric.unit),
        gain=None if now.gain is None else gain_figure(now.gain, f"{at}/gain", metric.kind, metric.unit, (), like),
        tone=tone,
        icon=icon,
        word=WORDS[now.word],
        settings=now.settings,
        compare="" if held is None else pair_link("/page", held.run.name, now.run.name),
        changed="" if held is None else pair_link("/changed", held.run.name, now.run.name),
    )


def _data(each: Stand) -> dict[str, Any]:
    weekly = None if each.course is None else each.course.weekly
    return {
        "suite": each.suite,
        "runs": each.runs,
        "held": None if each.held is None else each.held.score,
        "now": [{"score": now.score, "gain": now.gain} for now in each.now],
        "more": max(0, len(each.now) - MOST_NOW),
        "shift": None if each.shift is None else each.shift.gain,
        "slope": None if weekly is None else weekly.slope,
    }


def _spark(history: History) -> Markup:
    """The last runs in small; the suite's page has them with names and numbers."""
    points = [point for point in history.points if not point.replicate and not torn(point)][-40:]
    x = Scale((0, max(1, len(points) - 1)), (4, _WIDTH - 4))
    y = Scale(data_range([point.score for point in points], pad=0.1), (_HEIGHT - 4, 4))
    stretches: list[list[str]] = [[]]
    for place, point in enumerate(points):
        if point.otherwise:
            stretches.append([])
        stretches[-1].append(f"{x(place):.1f},{y(point.score):.1f}")
    parts = [tag("polyline", points=" ".join(each), class_="line train") for each in stretches if each]
    if points:
        parts.append(tag("circle", cx=x(len(points) - 1), cy=y(points[-1].score), r=3, class_="point mute"))
    return tag(
        "svg", *parts, viewBox=f"0 0 {_WIDTH:g} {_HEIGHT:g}", width=_WIDTH, height=_HEIGHT, class_="chart spark", aria_hidden="true"
    )
