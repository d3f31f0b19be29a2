"""The results for people: one row per kind and number of units, with the worst of its worlds; and the file of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import get_args

import msgspec

from benchmarks.simulation.counting import Counted
from benchmarks.simulation.harder import Harder, Trouble
from benchmarks.simulation.targets import MANY, Miss, misses

BEGIN, END = "<!-- simulation:begin -->", "<!-- simulation:end -->"
COLUMNS = (
    "items or clusters",
    "worlds",
    "± of coverage, most",
    "coverage, least",
    "most, where 20 differ",
    "no difference (most)",
    "A/A alarm",
    "margin passed",
    "margin failed",
    "test against interval",
)


def heading(counted: Counted) -> str:
    """What worlds stand together under: kind, size of the clusters, what their items have in common."""
    world = counted.world
    if isinstance(world, Harder):
        return world.kind
    if world.size == 1:
        return {"draws": "repeated draws, averaged (4 per item)"}.get(world.kind, world.kind)
    return f"{world.kind.replace('clustered ', '')}, clusters of {world.size}"


def table(results: Sequence[Counted]) -> str:
    """Markdown. Shares in per cent."""
    lines = ["| | " + " | ".join(COLUMNS) + " |", "|---|" + "--:|" * len(COLUMNS)]
    for title, group in groupby(sorted(results, key=_order), key=lambda each: (heading(each), each.world.units)):
        lines.append(_row(*title, list(group)))
    return "\n".join(lines)


def _order(counted: Counted) -> tuple[int, int, int]:
    kinds = ("binary", "bounded", "ordinal", "draws", "clustered binary", "clustered bounded", *get_args(Trouble))
    return kinds.index(counted.world.kind), counted.world.size, counted.world.units


def _row(title: str, units: int, group: Sequence[Counted]) -> str:
    wide = [each.coverage for each in group if each.world.outcomes >= MANY]

    def worst(*names: str) -> str:
        return _share(max((each.errors[name] for each in group for name in names if name in each.errors), default=None))

    noise = "exact" if all(each.repetitions == 0 for each in group) else _share(max(each.noise(each.coverage) for each in group))
    cells = [
        f"{units:,}", str(len(group)), noise, _share(min(each.coverage for each in group)), _share(max(wide, default=None)),
        worst("regressed", "superior"), worst("alarm"), worst("non_inferior"), worst("regressed_beyond"),
        _share(max(each.split for each in group)),
    ]  # fmt: skip
    return f"| {title} | " + " | ".join(cells) + " |"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def missed(results: Iterable[Counted]) -> list[tuple[Counted, Miss]]:
    """All missed targets with their worlds."""
    return [(each, miss) for each in results for miss in misses(each)]


def sentence(counted: Counted, miss: Miss) -> str:
    """One line about one missed target."""
    world = counted.world
    icc = f", icc {world.icc:g}" if world.size > 1 else ""
    what = "of the score lost" if world.factor is not None else f"discordant ({world.shape})"
    place = f"{heading(counted)}, {world.units:,} units, {100 * world.discordance:g} % {what}{icc}"
    noise = "exact" if counted.repetitions == 0 else f"± {100 * counted.noise(miss.share):.1f}"
    return f"{place}: {miss.what} {100 * miss.share:.1f} % ({noise}), target {100 * miss.limit:g} %"


def text(results: Sequence[Counted], seed: int) -> str:
    """The part of the page that is generated."""
    exact = sum(each.repetitions == 0 for each in results)
    fewest = min((each.repetitions for each in results if each.repetitions), default=0)
    named: dict[str, list[str]] = {}
    for each, miss in missed(results):
        named.setdefault(miss.reason or "**Missed, and not explained**", []).append(sentence(each, miss))
    parts = [
        BEGIN,
        f"{len(results):,} worlds, seed {seed}: {exact} enumerated (no Monte-Carlo error), the others from {fewest:,} data sets "
        "each or more. Per cent; the worst world of each row.",
        "", table(results), "",
    ]  # fmt: skip
    if named:
        parts.append("Exceptions:")
        parts += [
            f"- {reason} ({len(places)}): {'; '.join(places[:6])}{' …' if len(places) > 6 else ''}."
            for reason, places in named.items()
        ]
    else:
        parts.append("No target is missed by more than three Monte-Carlo standard errors.")
    return "\n".join([*parts, END])


def put(page: Path, generated: str) -> None:
    """Replace the region between the markers; ValueError where they are not there."""
    whole = page.read_text(encoding="utf-8")
    if BEGIN not in whole or END not in whole:
        raise ValueError(f"{page} has no region between {BEGIN} and {END}")
    before, after = whole.split(BEGIN)[0], whole.split(END, 1)[1]
    page.write_text(before + generated + after, encoding="utf-8")


def write(file: Path, results: Sequence[Counted], seed: int) -> None:
    """Every world with all its numbers, as JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    worlds = [asdict(each) | {"truth": each.world.truth, "missed": [asdict(miss) for miss in misses(each)]} for each in results]
    file.write_bytes(msgspec.json.format(msgspec.json.encode({"seed": seed, "worlds": worlds}), indent=1) + b"\n")
