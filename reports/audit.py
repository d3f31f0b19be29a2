"""The page of an audit: every number on it is one of the record's, every text in it is hostile, and it asks nobody."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from harness.records import Audit, Check, Exposure, Level, Record, Spread, Tally, Touched
from reports.drawing.lettering import tick_texts, width_of
from reports.drawing.strips import THINNEST
from reports.drawing.svg import Scale, picture, tag, ticks
from reports.page import asset, environment, policy
from reports.wording import Badge, count_text

SHOWN = 200
"""Items of suites that the page lists; the JSON has all."""

_BADGES: dict[Level, Badge] = {
    "ok": Badge(outcome="pass", icon="✓", word="not found", tone="good"),
    "note": Badge(outcome="inform", icon="·", word="for reading", tone="mute"),
    "warning": Badge(outcome="warn", icon="▲", word="look at it", tone="unsure"),
    "error": Badge(outcome="fail", icon="✕", word="training refuses", tone="bad"),
}
_GIVEN = Badge(outcome="fail", icon="✕", word="given away", tone="bad")
_ORDER: tuple[Level, ...] = ("error", "warning", "note", "ok")
_MEASURES = {
    "diversity": "how different two questions are on average (0: all alike, 1: nothing in common)",
    "distinct_1": "different words among all words of the answers",
    "distinct_2": "different pairs of words among all pairs of the answers",
    "vocabulary": "different words in the answers",
    "compression": "what zlib leaves of the text (usual prose: 0.3 to 0.4; far below: much is said again)",
}


class CheckRow(Record, frozen=True, kw_only=True):
    check: Check
    badge: Badge
    count: str
    share: str


class SuiteRow(Record, frozen=True, kw_only=True):
    exposure: Exposure
    share: str
    ways: str
    badge: Badge


class SpreadCard(Record, frozen=True, kw_only=True):
    spread: Spread
    chart: Markup
    cells: tuple[str, ...]


class TallyCard(Record, frozen=True, kw_only=True):
    """``looked``: at how many rows, where not at all of them."""

    tally: Tally
    looked: str
    rows: tuple[tuple[str, str, str], ...]


class TouchedRow(Record, frozen=True, kw_only=True):
    touched: Touched
    overlap: str


class Page(Record, frozen=True, kw_only=True):
    """What the template shows."""

    audit: Audit
    headline: str
    sentence: str
    badge: Badge
    checks: tuple[CheckRow, ...]
    clean: tuple[str, ...]
    suites: tuple[SuiteRow, ...]
    touched: tuple[TouchedRow, ...]
    hidden: int
    spreads: tuple[SpreadCard, ...]
    tallies: tuple[TallyCard, ...]
    measures: tuple[tuple[str, str, str], ...]


def render(audit: Audit) -> str:
    """The whole page."""
    style = asset("report.css")
    text = environment().get_template("audit.html.j2").render(page=page(audit), policy=policy(style, ""), style=Markup(style))
    return text.encode("utf-8", "replace").decode()


def page(audit: Audit) -> Page:
    """The record as the template shows it."""
    ranked = sorted(audit.checks, key=lambda check: (_ORDER.index(check.level), -check.count))
    errors, warnings = (sum(check.level == level for check in audit.checks) for level in ("error", "warning"))
    given = [each for each in audit.exposures if each.touched]
    files = f"{len(audit.files)} {'file' if len(audit.files) == 1 else 'files'}"
    headline = "Nothing wrong was found" if not (errors or warnings or given) else _counted(errors, warnings, len(given))
    return Page(
        audit=audit,
        headline=headline,
        sentence=f"{count_text(audit.rows)} rows to train on, from {files}.",
        badge=_GIVEN if given else _BADGES["error" if errors else "warning" if warnings else "ok"],
        checks=tuple(
            CheckRow(
                check=check, badge=_BADGES[check.level], count=count_text(check.count), share=percent(check.count, check.of)
            )
            for check in ranked
            if check.count
        ),
        clean=tuple(check.name for check in ranked if not check.count),
        suites=tuple(_suite(each) for each in audit.exposures),
        touched=tuple(TouchedRow(touched=each, overlap=f"{each.overlap:.0%}") for each in audit.touched[:SHOWN]),
        hidden=max(0, len(audit.touched) - SHOWN),
        spreads=tuple(_spread(index, each) for index, each in enumerate(audit.spreads)),
        tallies=tuple(
            TallyCard(
                tally=each,
                looked=f"{count_text(each.of)} of {count_text(audit.rows)} rows" if each.of < audit.rows else "",
                rows=tuple((name, count_text(count), percent(count, each.of)) for name, count in each.counts.items()),
            )
            for each in audit.tallies
        ),
        measures=tuple((name, f"{value:.4g}", _MEASURES.get(name, "")) for name, value in audit.measures.items()),
    )  # fmt: skip


def _counted(errors: int, warnings: int, suites: int) -> str:
    said = (
        (suites, "suite is given away in part", "suites are given away in part"),
        (errors, "kind of row that training refuses", "kinds of rows that training refuses"),
        (warnings, "thing to look at", "things to look at"),
    )
    return ", ".join(f"{count} {one if count == 1 else many}" for count, one, many in said if count)


def percent(count: int, of: int) -> str:
    """A share of rows; tiny ones are not written as none."""
    if not of or not count:
        return "0%"
    share = 100 * count / of
    return f"{share:.0f}%" if share >= 10 else f"{share:.1f}%" if share >= 0.1 else "<0.1%"


def _suite(each: Exposure) -> SuiteRow:
    badge = _GIVEN if each.touched else _BADGES["ok"]
    ways = ", ".join(f"{count_text(count)} {match}" for match, count in each.matches.items())
    return SuiteRow(exposure=each, share=percent(each.touched, each.items), ways=ways, badge=badge)


def _spread(index: int, spread: Spread) -> SpreadCard:
    cells = tuple(_short(value) for value in (spread.mean, *spread.quantiles))
    return SpreadCard(spread=spread, chart=histogram(spread, f"spread-{index}"), cells=cells)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def histogram(spread: Spread, name: str) -> Markup:
    """Bars of equal width; under them the edges where they stand."""
    width, height, left, low, top = 520.0, 150.0, 50.0, 120.0, 10.0
    bars = len(spread.counts)
    x = Scale((0.0, float(bars)), (left, width - 24))
    y = Scale((0.0, float(max(spread.counts))), (low, top))
    parts: list[Markup] = []
    places = [value for value in ticks(0, max(spread.counts), 4) if value == int(value)]
    for value, text in zip(places, tick_texts(places), strict=True):
        parts.append(tag("line", x1=left, x2=width - 24, y1=y(value), y2=y(value), class_="zero" if value == 0 else "grid"))
        parts.append(tag("text", text, x=left - 6, y=y(value) + 4, text_anchor="end"))
    for place, count in enumerate(spread.counts):
        if count:
            tall = max(THINNEST, low - y(count))
            parts.append(tag("rect", x=x(place) + 1, y=low - tall, width=x(place + 1) - x(place) - 2, height=tall, class_="bar"))
    end = -99.0
    for at in _some(bars):
        text = _short(spread.edges[at])
        half = width_of(text) / 2
        if x(at) - half > end + 6 and x(at) + half < width:
            parts.append(tag("text", text, x=x(at), y=low + 16, text_anchor="middle"))
            end = x(at) + half
    words = f"{spread.name} in {spread.unit}: median {_short(spread.quantiles[3])}, largest {_short(spread.quantiles[-1])}"
    return picture(width, height, spread.name, words, parts, name=name)


def _some(bars: int) -> Sequence[int]:
    step = max(1, round(bars / 6))
    return range(0, bars + 1, step)
