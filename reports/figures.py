"""Numbers on their way to the page: what is written, the value behind it, and where in the embedded JSON that value stands.

``at`` is a JSON pointer (RFC 6901) into the page's data; a test follows every one of them and compares.
"""

from __future__ import annotations

from harness.records import Comparison, Finding, MetricKind, Record, SliceReading
from reports.standing import Gain
from reports.wording import count_text, gain_text, p_text, score_text


class Figure(Record, frozen=True, kw_only=True):
    """One number: its text, its value, and the pointer to it."""

    text: str
    value: float | None
    at: str


class Span(Record, frozen=True, kw_only=True):
    """An interval of a gain; an open side is None."""

    low: Figure | None
    high: Figure | None
    level: Figure


def pointer(*steps: str | int) -> str:
    """A JSON pointer: "/" in a name is written ~1, "~" as ~0."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def gain_figure(
    value: float | None, at: str, kind: MetricKind, unit: str = "", bounds: tuple[float, ...] = (), like: float | None = None
) -> Figure:
    return Figure(text=gain_text(value, kind, unit, bounds=bounds, like=like), value=value, at=at)


def score_figure(value: float | None, at: str, kind: MetricKind, unit: str = "", bounds: tuple[float, ...] = ()) -> Figure:
    return Figure(text=score_text(value, kind, unit, bounds=bounds), value=value, at=at)


def count_figure(value: int, at: str) -> Figure:
    return Figure(text=count_text(value), value=value, at=at)


def p_figure(value: float | None, at: str, alpha: float = 0.05) -> Figure:
    return Figure(text=p_text(value, alpha), value=value, at=at)


def span(source: Comparison | SliceReading | Gain, at: str, unit: str = "", bounds: tuple[float, ...] = ()) -> Span | None:
    """The interval of a gain; None where there is none."""
    if source.low is None and source.high is None:
        return None
    like = source.baseline if isinstance(source, Gain) else source.baseline_value
    low = gain_figure(source.low, f"{at}/low", source.kind, unit, bounds, like) if source.low is not None else None
    high = gain_figure(source.high, f"{at}/high", source.kind, unit, bounds, like) if source.high is not None else None
    if low and high and " " in high.text and " " in low.text:
        low = Figure(text=low.text.partition(" ")[0], value=low.value, at=low.at)
    level = Figure(text=f"{source.level * 100:.4g}%", value=source.level, at=f"{at}/level")
    return Span(low=low, high=high, level=level)


def deciding_p(finding: Finding, at: str = "") -> Figure | None:
    """The p that decided: of the contrary, where that is what a failure is proven by; after correction, where the rule is corrected
    for how many are tested with it; else that of the rule's own hypothesis. ``at`` points to the comparison."""
    comparison = finding.comparison
    if comparison is None:
        return None
    for name in ("p_contrary", "p_holm"):
        value = comparison.parameters.get(name)
        if isinstance(value, float) and (name == "p_holm" or finding.outcome == "fail"):
            return p_figure(value, f"{at}/parameters/{name}", finding.rule.alpha)
    return None if comparison.p is None else p_figure(comparison.p, f"{at}/p", finding.rule.alpha)


def alone_p(finding: Finding, at: str = "") -> Figure | None:
    """The p before correction, where correction changed the one that decided."""
    decided = deciding_p(finding, at)
    if finding.comparison is None or decided is None or not decided.at.endswith("/p_holm"):
        return None
    alone = p_figure(finding.comparison.p, f"{at}/p", finding.rule.alpha)
    return None if alone.text == decided.text else alone


def deciding_p_text(finding: Finding) -> str:
    """``0.34 (alone 0.020)``: the p that decided, and what it was before correction."""
    decided, alone = deciding_p(finding), alone_p(finding)
    text = "–" if decided is None else decided.text
    return text if alone is None else f"{text} (alone {alone.text})"
