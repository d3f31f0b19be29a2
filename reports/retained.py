"""What was kept and what was forgotten: items that were lost and gained, and every metric of the suites that are retained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.records import Comparison, Conclusion, Measured, Record
from reports.figures import Figure, Span, count_figure, gain_figure, pointer, score_figure, span
from reports.items.explorer import GAINED, LOST, Pairing, oriented
from reports.standing import FLAGS, KEPT_COUNTS, Roles, metric_of
from reports.wording import metric_parts


class Flip(Record, frozen=True, kw_only=True):
    """How one candidate's items in one suite fell out against the baseline. For binary metrics ``both`` and ``neither`` split what
    stayed the same into right and wrong; otherwise ``both`` counts all that stayed."""

    suite: str
    candidate: str
    metric: str
    binary: bool
    both: int = 0
    lost: int = 0
    gained: int = 0
    neither: int = 0


class FlipTile(Record, frozen=True, kw_only=True):
    flip: Flip
    both: Figure
    lost: Figure
    gained: Figure
    neither: Figure


class KeptCell(Record, frozen=True, kw_only=True):
    """One gain of the forgetting table; ``sure`` when its interval leaves out zero. ``items``: over how many, where fewer than the
    row says."""

    gain: Figure | None = None
    span: Span | None = None
    items: Figure | None = None
    sure: bool = False
    worse: bool = False


class KeptLine(Record, frozen=True, kw_only=True):
    metric: str
    against: str
    baseline: Figure
    items: Figure
    cells: tuple[KeptCell, ...]
    unit: str = ""


def flips(
    pairings: Iterable[Pairing], measured: Mapping[tuple[str, str], Measured], baseline: str, candidates: Sequence[str]
) -> tuple[Flip, ...]:
    """Counts of lost, gained, kept and never-right items, per suite and candidate, in the order of ``candidates``."""
    counts: dict[tuple[str, str], dict[str, Any]] = {}
    for each in pairings:
        base = (each.samples[baseline].scores or {}).get(each.metric) if baseline in each.samples else None
        for name in candidates:
            if base is None or name not in each.gains:
                continue
            metric = oriented(measured[each.suite, name].run, each.task, each.metric)
            entry = counts.setdefault(
                (each.suite, name), {"metric": each.metric, "binary": True, "both": 0, "lost": 0, "gained": 0, "neither": 0}
            )
            entry["binary"] = entry["binary"] and metric.kind == "binary"
            right = base >= 0.5 if metric.direction == "higher" else base < 0.5
            status = each.statuses[name]
            entry["lost" if status == LOST else "gained" if status == GAINED else "both" if right else "neither"] += 1
    made = []
    for suite in dict.fromkeys(suite for suite, _ in measured):
        for name in candidates:
            if (suite, name) in counts:
                entry = counts[suite, name]
                if not entry["binary"]:
                    entry["both"], entry["neither"] = entry["both"] + entry["neither"], 0
                made.append(Flip(suite=suite, candidate=name, **entry))
    return tuple(made)


def flip_tiles(found: Sequence[Flip]) -> dict[str, tuple[FlipTile, ...]]:
    """Suite -> its tiles, each number with its pointer."""
    tiles: dict[str, list[FlipTile]] = {}
    for index, each in enumerate(found):
        numbers = {
            name: count_figure(getattr(each, name), pointer("flips", index, name)) for name in ("both", "lost", "gained", "neither")
        }
        tiles.setdefault(each.suite, []).append(FlipTile(flip=each, **numbers))
    return {suite: tuple(members) for suite, members in tiles.items()}


def kept_lines(
    conclusion: Conclusion, role: Roles, measured: Mapping[tuple[str, str], Measured], candidates: Sequence[str]
) -> tuple[KeptLine, ...]:
    """The forgetting table: every metric of the retained suites, one column per candidate. What was lost and gained against a
    reference has rows of its own where that is not the baseline, whose matrices say it already."""
    rows: dict[tuple[str, str], dict[str, tuple[int, Comparison]]] = {}
    plain = set(conclusion.reference.values()) <= {conclusion.baseline}
    hidden = (*FLAGS, *KEPT_COUNTS) if plain else FLAGS
    for index, each in enumerate(conclusion.comparisons):
        if role.of(each.metric) == "retained" and metric_parts(each.metric)[2] not in hidden:
            rows.setdefault((each.metric, each.baseline), {})[each.candidate] = (index, each)
    return tuple(_kept_line(metric, against, row, measured, candidates) for (metric, against), row in rows.items())


def _kept_line(
    metric: str,
    against: str,
    row: Mapping[str, tuple[int, Comparison]],
    measured: Mapping[tuple[str, str], Measured],
    candidates: Sequence[str],
) -> KeptLine:
    unit = metric_of(measured, metric).unit
    most_index, most = max(row.values(), key=lambda entry: entry[1].items)
    cells = []
    for name in candidates:
        if name not in row:
            cells.append(KeptCell())
            continue
        index, each = row[name]
        at = pointer("conclusion", "comparisons", index)
        sure = (each.low is not None and each.low > 0) or (each.high is not None and each.high < 0)
        cells.append(
            KeptCell(
                gain=gain_figure(each.gain, f"{at}/gain", each.kind, like=each.baseline_value),
                span=span(each, at),
                items=count_figure(each.items, f"{at}/items") if each.items < most.items else None,
                sure=sure,
                worse=each.gain < 0,
            )
        )
    at = pointer("conclusion", "comparisons", most_index)
    return KeptLine(
        metric=metric,
        against=against,
        baseline=score_figure(most.baseline_value, f"{at}/baseline_value", most.kind),
        unit=unit,
        items=count_figure(most.items, f"{at}/items"),
        cells=tuple(cells),
    )
