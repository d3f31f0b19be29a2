"""Records in, exactly what the page shows out. Pure; nothing here knows HTML except the pictures, which are escaped SVG."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from markupsafe import Markup

from harness.records import Conclusion, Measured, Record, Run, Training
from reports import (
    answer,
    charts,
    contamination,
    differing,
    forgotten,
    gate_rows,
    gists,
    health,
    history,
    judging,
    looks,
    panels,
    retained,
    slices,
    winning,
)
from reports.courses.panel import course, reference_of
from reports.failures.panel import FailureCard, failure_cards
from reports.failures.reading import Reading, readings
from reports.figures import Figure, count_figure, gain_figure, pointer
from reports.items import explorer, packing
from reports.items.texts import target_text
from reports.pace import fits, ladder, speed, spread
from reports.people.panel import PeopleCard, people_cards
from reports.standing import Roles, Standing, roles, standings
from reports.trained import curves
from reports.wording import MINUS, Badge, badge, called, moment
from reports.worn import Worn, worn

WORST = 10
SHORT = 280
PACKED = ("items", "left_out", "cut")


class LostItem(Record, frozen=True, kw_only=True):
    """One item of the worst lost, cut short for a table."""

    suite: str
    task: str
    key: str
    row: int
    prompt: str
    target: str
    before: str
    after: str
    before_score: Figure
    after_score: Figure
    also: tuple[str, ...]


class LostTable(Record, frozen=True, kw_only=True):
    candidate: str
    badge: Badge
    lost: Figure
    items: tuple[LostItem, ...]


class WinRow(Record, frozen=True, kw_only=True):
    wins: judging.Wins
    bar: Markup
    numbers: tuple[tuple[str, Figure], ...]


class Page(Record, frozen=True, kw_only=True):
    """All that the template reads."""

    title: str
    created: str
    baseline: str
    conclusion: Conclusion
    hero: answer.Hero
    candidates: tuple[answer.CandidateLine, ...]
    names: tuple[str, ...]
    strips: tuple[health.HealthStrip, ...]
    health: tuple[health.HealthLine, ...]
    looks: tuple[looks.LookLine, ...]
    lost: tuple[LostTable, ...]
    comparability: panels.Comparability
    changed: tuple[differing.ChangedCard, ...]
    changed_left: Figure | None
    tainted: tuple[contamination.Tainted, ...]
    beside: dict[str, tuple[gists.Gist, ...]]
    worn: Worn
    gates: tuple[gate_rows.GateTable, ...]
    forests: tuple[charts.Forest, ...]
    flips: dict[str, tuple[retained.FlipTile, ...]]
    kept: tuple[retained.KeptLine, ...]
    tradeoff: Markup | None
    scatter: tuple[tuple[str, Figure, Figure], ...]
    admissions: tuple[judging.AdmissionCard, ...]
    wins: tuple[WinRow, ...]
    winning: winning.Winning
    people: tuple[PeopleCard, ...]
    latency: tuple[panels.LatencyLine, ...]
    spread: tuple[spread.SpreadCard, ...]
    ladders: tuple[ladder.LadderCard, ...]
    fits: tuple[fits.FitCard, ...]
    slices: slices.SliceTable
    readings: dict[str, Reading]
    failures: tuple[FailureCard, ...]
    cost: forgotten.Cost
    speed: speed.Speed
    training: tuple[curves.TrainingCard, ...]
    history: tuple[history.HistoryCard, ...]
    runs: tuple[panels.RunLine, ...]
    environment: tuple[tuple[str, str], ...]
    pack: packing.Pack
    packed: dict[str, Figure]
    data: dict[str, Any]


@contextmanager
def _uncollected() -> Iterator[None]:
    """Nothing here makes cycles, and looking for some among a million small objects takes a seventh of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@_uncollected()
def build(conclusion: Conclusion, measured: Mapping[tuple[str, str], Measured], training: Mapping[str, Training]) -> Page:
    """What the page shows of a conclusion, the runs behind it (by suite and candidate) and the trainings of its candidates."""
    standing = standings(conclusion, measured)
    names = tuple(each.candidate for each in standing)
    role = roles(conclusion, (each.run for each in measured.values()))
    pairings = explorer.pair(measured, conclusion.baseline, names)
    flips = retained.flips(pairings, measured, conclusion.baseline, names)
    wins = judging.wins(measured, conclusion.baseline, names)
    lost = {name: explorer.worst_lost(pairings, name, WORST) for name in names}
    places = {id(each): place for place, each in enumerate(pairings)}
    failures = readings(pairings, names)
    totals = health.health_totals(conclusion)
    data: dict[str, Any] = {
        "conclusion": conclusion,
        "standings": standing,
        "flips": flips,
        "wins": wins,
        "training": curves.embedded(training),
        "runs": [_run(each.run) for each in measured.values()],
        "health": totals,
        "lost": {name: sum(each.statuses.get(name) == explorer.LOST for each in pairings) for name in names},
        "failures": failures,
        "courses": [course(each, reference_of(conclusion), conclusion.baseline) for each in conclusion.history],
        "worst": {name: [_scores(each, conclusion.baseline, name) for each in items] for name, items in lost.items()},
    }
    badges = {verdict.candidate: badge(verdict.outcome) for verdict in conclusion.verdicts}
    gates = gate_rows.gate_tables(conclusion, standing, measured)
    same = panels.comparability(conclusion.parity)
    kept = retained.kept_lines(conclusion, role, measured, names)
    latency = panels.latency_lines(conclusion, measured)
    trainings = curves.training_cards(
        {name: training[name] for name in sorted(training, key=lambda each: names.index(each) if each in names else len(names))}
    )
    spreads = spread.quantiles(measured, (conclusion.baseline, *names))
    data["spread"] = spreads
    data["fits"] = answered = fits.answers(measured, conclusion.paces)
    data["held"] = {table.candidate: table.held.value for table in gates}
    data["differing"] = apart = differing.differing(conclusion, measured)
    data["gists"] = gists.counted(conclusion, kept, latency, trainings, same)
    named = {places[id(each)] for items in lost.values() for each in items} | _examples(failures)
    pack = packing.pack(pairings, conclusion.baseline, names, named=named, rest=_size(data))
    data["packed"] = {name: getattr(pack, name) for name in PACKED}
    return Page(
        title=f"sftgate · {', '.join(names) or conclusion.baseline}",
        created=moment(conclusion.created),
        baseline=called(conclusion.baseline, conclusion.pins),
        conclusion=conclusion,
        hero=answer.hero(conclusion, standing),
        candidates=answer.candidate_lines(conclusion, standing),
        names=names,
        strips=health.health_strips(totals, conclusion.baseline),
        health=health.health_lines(conclusion, measured),
        looks=looks.look_lines(conclusion),
        lost=_lost_tables(pairings, places, lost, conclusion.baseline, badges),
        comparability=same,
        changed=differing.changed_cards(apart),
        changed_left=count_figure(apart.left, pointer("differing", "left")) if apart.left else None,
        tainted=contamination.tainted(conclusion),
        beside=gists.gists(data["gists"]),
        worn=worn(conclusion),
        gates=gates,
        forests=charts.forests(conclusion, standing, role, measured),
        flips=retained.flip_tiles(flips),
        kept=kept,
        tradeoff=charts.tradeoff(standing, _retained_margin(conclusion, role), badges),
        scatter=_scatter(standing),
        admissions=judging.admission_cards(conclusion.admissions),
        wins=tuple(_win_row(index, each) for index, each in enumerate(wins)),
        winning=winning.winning(conclusion),
        people=people_cards(conclusion.people),
        latency=latency,
        spread=spread.spread_cards(spreads),
        ladders=ladder.ladder_cards(spreads),
        fits=fits.fit_cards(answered, conclusion.paces, (conclusion.baseline, *names)),
        slices=slices.slice_table(conclusion, measured),
        readings=failures,
        failures=failure_cards(failures, pairings),
        cost=forgotten.cost(conclusion),
        speed=speed.speed(conclusion),
        training=trainings,
        history=history.history_cards(conclusion),
        runs=panels.run_lines(measured, conclusion),
        environment=tuple(flattened(conclusion.environment)),
        pack=pack,
        packed={name: count_figure(getattr(pack, name), pointer("packed", name)) for name in PACKED},
        data=data,
    )


def _size(data: Mapping[str, Any]) -> int:
    """About as many bytes as the page takes without its items: the data, the tables and pictures made of it, and what is always
    there."""
    return 2 * len(msgspec.json.encode(data)) + 500_000


def _examples(found: Mapping[str, Reading]) -> set[int]:
    """Rows of the items that stand as examples of what was lost."""
    groups = {row for reading in found.values() for group in reading.groups for row in group.rows}
    return groups | {row for reading in found.values() for looks in reading.answers for row in looks.rows}


def _run(run: Run) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.structs.asdict(run)
    return {name: value for name, value in fields.items() if name not in ("environment", "groups", "frames")}


def _retained_margin(conclusion: Conclusion, role: Roles) -> float | None:
    """The margin of the pooled retained rule (else of any retained rule), as a positive number of the gain's own scale."""
    found = [
        finding.rule
        for verdict in conclusion.verdicts
        for finding in verdict.findings
        if finding.rule.require == "non_inferior" and finding.rule.margin and not finding.rule.relative
        if role.of(finding.metric or finding.rule.metric) == "retained"
    ]
    found.sort(key=lambda rule: not rule.pool)
    return found[0].margin if found else None


def _scatter(standing: Sequence[Standing]) -> tuple[tuple[str, Figure, Figure], ...]:
    rows = []
    for index, each in enumerate(standing):
        if each.target and each.general:
            target = gain_figure(
                each.target.gain, pointer("standings", index, "target", "gain"), each.target.kind, each.target.unit
            )
            general = gain_figure(
                each.general.gain, pointer("standings", index, "general", "gain"), each.general.kind, each.general.unit
            )
            rows.append((each.candidate, target, general))
    return tuple(rows)


def _win_row(index: int, wins: judging.Wins) -> WinRow:
    names = ("win", "tie", "loss", "conflict", "unparsable")
    numbers = tuple((name, count_figure(getattr(wins, name), pointer("wins", index, name))) for name in names)
    return WinRow(wins=wins, bar=charts.win_bar(wins), numbers=numbers)


def _lost_tables(
    pairings: Sequence[explorer.Pairing],
    places: Mapping[int, int],
    worst: Mapping[str, Sequence[explorer.Pairing]],
    baseline: str,
    badges: Mapping[str, Badge],
) -> tuple[LostTable, ...]:
    """One table per candidate; the page opens the one that a leaderboard would have chosen, the others stay folded."""
    tables = []
    for name, members in worst.items():
        lost = sum(pairing.statuses.get(name) == explorer.LOST for pairing in pairings)
        items = tuple(
            _lost_item(pairing, places[id(pairing)], name, baseline, pointer("worst", name, place))
            for place, pairing in enumerate(members)
        )
        figure = count_figure(lost, pointer("lost", name))
        tables.append(LostTable(candidate=name, badge=badges[name], lost=figure, items=items))
    return tuple(tables)


def _scores(pairing: explorer.Pairing, *names: str) -> list[int | float]:
    """What each of ``names`` got in this item, as shown."""
    return [explorer.compact((pairing.samples[name].scores or {})[pairing.metric]) for name in names]


def _lost_item(pairing: explorer.Pairing, row: int, candidate: str, baseline: str, at: str) -> LostItem:
    before, after = pairing.samples[baseline], pairing.samples[candidate]
    figures = [
        Figure(text=f"{pairing.metric} {f'{value:g}'.replace('-', MINUS)}", value=value, at=f"{at}/{place}")
        for place, value in enumerate(_scores(pairing, baseline, candidate))
    ]
    return LostItem(
        suite=pairing.suite,
        task=pairing.task,
        key=pairing.key,
        row=row,
        prompt=short(pairing.any_sample.prompt),
        target=short(target_text(before.target), 120),
        before=short(" ⏎ ".join(before.outputs)),
        after=short(" ⏎ ".join(after.outputs)),
        before_score=figures[0],
        after_score=figures[1],
        also=tuple(name for name, status in pairing.statuses.items() if status == explorer.LOST and name != candidate),
    )


def short(text: str, most: int = SHORT) -> str:
    """``text`` on one line, cut at ``most`` characters with a mark."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def flattened(value: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested facts as dotted lines."""
    lines: list[tuple[str, str]] = []
    for key, each in value.items():
        name = f"{prefix}{key}"
        if isinstance(each, Mapping):
            lines += flattened(each, f"{name}.")
        elif each not in (None, "", [], ()):
            lines.append((name, ", ".join(map(str, each)) if isinstance(each, list | tuple) else str(each)))
    return lines
