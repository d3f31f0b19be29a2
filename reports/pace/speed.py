"""What answers take and cost, for reading: seconds taken apart, tokens, and money."""

from __future__ import annotations

from harness.records import Conclusion, Pace, Record, Spent
from reports.figures import Figure, Span, count_figure, pointer
from reports.wording import count_text, significant


class PaceLine(Record, frozen=True, kw_only=True):
    """Seconds of one candidate in one task; without numbers where ``note`` says why."""

    task: str
    candidate: str
    base: Figure | None
    base_span: Span | None
    per_token: Figure | None
    per_token_span: Span | None
    items: Figure
    note: str


class SpentLine(Record, frozen=True, kw_only=True):
    suite: str
    candidate: str
    tokens_in: Figure
    tokens_out: Figure
    cost: Figure | None


class Speed(Record, frozen=True, kw_only=True):
    paces: tuple[PaceLine, ...]
    spent: tuple[SpentLine, ...]


def speed(conclusion: Conclusion) -> Speed:
    """All of it, ready for the page. Tokens are told where somebody has a price, or speed was measured."""
    told = bool(conclusion.paces) or any(each.cost is not None for each in conclusion.spent)
    return Speed(
        paces=tuple(_pace(place, each) for place, each in enumerate(conclusion.paces)),
        spent=tuple(_spent(place, each) for place, each in enumerate(conclusion.spent)) if told else (),
    )


def _pace(place: int, pace: Pace) -> PaceLine:
    at = pointer("conclusion", "paces", place)
    return PaceLine(
        task=pace.task,
        candidate=pace.candidate,
        base=_seconds(pace.base, f"{at}/base"),
        base_span=_span(pace.base_low, pace.base_high, pace.level, at, "base"),
        per_token=_seconds(pace.per_token, f"{at}/per_token"),
        per_token_span=_span(pace.per_token_low, pace.per_token_high, pace.level, at, "per_token"),
        items=count_figure(pace.items, f"{at}/items"),
        note=pace.note,
    )


def _seconds(value: float | None, at: str) -> Figure | None:
    return None if value is None else Figure(text=f"{significant(value)} s", value=value, at=at)


def _span(low: float | None, high: float | None, level: float, at: str, name: str) -> Span | None:
    if low is None or high is None:
        return None
    return Span(
        low=_seconds(low, f"{at}/{name}_low"),
        high=_seconds(high, f"{at}/{name}_high"),
        level=Figure(text=f"{level * 100:.4g}%", value=level, at=f"{at}/level"),
    )


def _payee(spent: Spent) -> str:
    if not spent.judge:
        return spent.candidate
    return f"{spent.judge}, judging {spent.candidate}" if spent.candidate else f"{spent.judge}, being examined"


def _spent(place: int, spent: Spent) -> SpentLine:
    at = pointer("conclusion", "spent", place)
    return SpentLine(
        suite=spent.suite,
        candidate=_payee(spent),
        tokens_in=count_figure(spent.tokens_in, f"{at}/tokens_in"),
        tokens_out=count_figure(spent.tokens_out, f"{at}/tokens_out"),
        cost=None if spent.cost is None else Figure(text=significant(spent.cost), value=spent.cost, at=f"{at}/cost"),
    )


def speed_lines(conclusion: Conclusion) -> list[str]:
    """The same for a summary: a sentence per candidate and load, and what each candidate's tokens cost in all."""
    lines = [_pace_text(each) for each in conclusion.paces if each.base is not None]
    paid = [(f"judge {each.judge}" if each.judge else each.candidate, each) for each in conclusion.spent if each.cost is not None]
    for payee in dict.fromkeys(name for name, _ in paid):
        priced = [each for name, each in paid if name == payee]
        read, written = (
            count_text(sum(numbers)) for numbers in zip(*((each.tokens_in, each.tokens_out) for each in priced), strict=True)
        )
        count = len({each.suite for each in priced})
        suites = f"{count} suite{'s' if count > 1 else ''}"
        cost = significant(sum(each.cost or 0.0 for each in priced))
        lines.append(
            f"{payee}: cost {cost} (in the currency of the prices) for {read} tokens read and {written} written in {suites}"
        )
    return lines


def _pace_text(pace: Pace) -> str:
    parts = []
    for value, low, high in ((pace.base, pace.base_low, pace.base_high), (pace.per_token, pace.per_token_low, pace.per_token_high)):
        parts.append(f"{significant(value or 0.0)} s ({significant(low or 0.0)} to {significant(high or 0.0)})")
    return f"{pace.candidate}, {pace.task}: {parts[0]} + {parts[1]} per token"
