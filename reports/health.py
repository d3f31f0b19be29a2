"""How asking went: items that were asked and failed, answers that were cut off or empty, and levels that were expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.records import Conclusion, Health, Measured, Record
from reports.figures import Figure, count_figure, pointer, score_figure
from reports.looks import stopped_early
from reports.standing import FLAGS, metric_of


class HealthLine(Record, frozen=True, kw_only=True):
    candidate: str
    suite: str
    is_baseline: bool
    planned: Figure
    asked: Figure
    failed: Figure
    flags: tuple[tuple[str, Figure], ...]
    metric: str
    value: Figure | None
    expect: str
    in_band: bool | None
    troubled: bool


class HealthTotal(Record, frozen=True, kw_only=True):
    """How asking went for one candidate over all suites: what the health strip shows. ``unneeded``: items that it was not
    asked, because the rules were decided without them."""

    candidate: str
    planned: int = 0
    asked: int = 0
    failed: int = 0
    unneeded: int = 0
    flags: dict[str, int] = {}


class HealthStrip(Record, frozen=True, kw_only=True):
    total: HealthTotal
    is_baseline: bool
    planned: Figure
    asked: Figure
    failed: Figure
    flags: tuple[tuple[str, Figure], ...]


def health_lines(conclusion: Conclusion, measured: Mapping[tuple[str, str], Measured]) -> tuple[HealthLine, ...]:
    return tuple(_health_line(index, each, conclusion, measured) for index, each in enumerate(conclusion.health))


def _health_line(index: int, health: Health, conclusion: Conclusion, measured: Mapping[tuple[str, str], Measured]) -> HealthLine:
    at = pointer("conclusion", "health", index)
    metric = metric_of(measured, f"{health.suite}//{health.metric.rpartition('/')[2]}")
    expect = ""
    if health.expect is not None:
        low, high = (score_figure(bound, "", metric.kind, metric.unit).text for bound in health.expect)
        expect = f"{low} – {high}"
    return HealthLine(
        candidate=health.candidate,
        suite=health.suite,
        is_baseline=health.candidate == conclusion.baseline,
        planned=count_figure(health.planned, f"{at}/planned"),
        asked=count_figure(health.asked, f"{at}/asked"),
        failed=count_figure(health.failed, f"{at}/failed"),
        flags=tuple((flag, count_figure(health.flags[flag], f"{at}/flags/{flag}")) for flag in FLAGS if flag in health.flags),
        metric=health.metric,
        value=score_figure(health.value, f"{at}/value", metric.kind, metric.unit) if health.value is not None else None,
        expect=expect,
        in_band=health.in_band,
        troubled=health.failed > 0
        or (health.asked < health.planned and not stopped_early(health))
        or health.in_band is False
        or any(health.flags.values()),
    )


def health_totals(conclusion: Conclusion) -> tuple[HealthTotal, ...]:
    """Sums over suites, the baseline first."""
    names = list(dict.fromkeys((conclusion.baseline, *(each.candidate for each in conclusion.health))))
    totals = []
    for name in names:
        mine = [each for each in conclusion.health if each.candidate == name]
        if mine:
            flags: dict[str, int] = {
                flag: sum(each.flags.get(flag, 0) for each in mine)
                for flag in FLAGS
                if any(flag in each.flags for each in conclusion.health)
            }
            totals.append(
                HealthTotal(
                    candidate=name,
                    planned=sum(each.planned for each in mine),
                    asked=sum(each.asked for each in mine),
                    failed=sum(each.failed for each in mine),
                    unneeded=sum(each.planned - each.asked for each in mine if stopped_early(each)),
                    flags=flags,
                )
            )
    return tuple(totals)


def health_strips(totals: Sequence[HealthTotal], baseline: str) -> tuple[HealthStrip, ...]:
    return tuple(
        HealthStrip(
            total=each,
            is_baseline=each.candidate == baseline,
            planned=count_figure(each.planned, pointer("health", index, "planned")),
            asked=count_figure(each.asked, pointer("health", index, "asked")),
            failed=count_figure(each.failed, pointer("health", index, "failed")),
            flags=tuple((flag, count_figure(count, pointer("health", index, "flags", flag))) for flag, count in each.flags.items()),
        )
        for index, each in enumerate(totals)
    )
