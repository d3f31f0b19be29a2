"""A small seeded part of the proof by simulation, by the code of the whole (``make simulate``), and that the proof can fail."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from benchmarks.simulation.__main__ import main
from benchmarks.simulation.counting import Counted, count
from benchmarks.simulation.harder import Harder, Trouble, harder
from benchmarks.simulation.table import BEGIN, END, put, table, text
from benchmarks.simulation.targets import misses
from benchmarks.simulation.worlds import World, grid
from harness import stats


@pytest.mark.parametrize(("units", "discordance"), [(20, 0.02), (20, 0.40), (100, 0.10), (100, 0.40), (300, 0.02), (300, 0.10)])
@pytest.mark.parametrize("shape", ["even", "mixed", "losses"])
def test_right_or_wrong_items_keep_every_target_exactly(units: int, discordance: float, shape: str) -> None:
    found = count(World("binary", units, discordance, shape), 0, 0)  # type: ignore[arg-type]
    assert list(misses(found)) == []
    assert found.coverage >= 0.93
    assert max(found.errors.values()) <= 0.05


WORLDS = [
    World("bounded", 50, 0.10, "losses"),
    World("bounded", 300, 0.20, "mixed"),
    World("ordinal", 100, 0.20, "losses"),
    World("draws", 100, 0.20, "mixed"),
    World("draws", 300, 0.10, "even"),
    World("clustered binary", 20, 0.10, "losses", 5, 0.5),
    World("clustered binary", 39, 0.05, "losses", 18, 1.0),
    World("clustered binary", 100, 0.10, "mixed", 5, 0.2),
    World("clustered binary", 300, 0.05, "even", 5, 0.8),
    World("clustered bounded", 50, 0.40, "mixed", 5, 0.5),
    Harder("uneven clusters", 50, 0.20, "losses", 0.5),
    Harder("uneven clusters", 20, 0.20, "mixed", 1.0),
    Harder("heavy items", 100, 0.20, "mixed"),
    Harder("heavy items", 300, 0.05, "even"),
    Harder("rare losses, range declared", 300, 0.20),
    Harder("rare losses, no range", 300, 0.20),
    Harder("hard passages lose more", 100, 0.20),
]


@pytest.mark.parametrize("world", WORLDS, ids=str)
def test_simulated_worlds_keep_every_target(world: World | Harder) -> None:
    found = count(world, 100, 5)
    assert list(misses(found)) == []
    assert found.split == 0


@pytest.mark.parametrize(
    ("world", "what"),
    [
        (World("clustered binary", 20, 0.20, "mixed", 20, 1.0), "regressed_beyond"),
        (World("clustered binary", 30, 0.20, "mixed", 5, 1.0), "regressed_beyond"),
        (World("clustered binary", 30, 0.20, "mixed", 5, 0.98), "regressed_beyond"),
        (World("clustered binary", 20, 0.20, "losses", 20, 1.0), "non_inferior"),
        (Harder("heavy items", 50, 0.20), "non_inferior"),
        (Harder("easy passages lose more", 20, 0.05), "non_inferior"),
        (Harder("easy passages lose more", 20, 0.10), "non_inferior"),
    ],
    ids=str,
)
def test_few_clusters_that_are_nearly_single_items_are_judged_as_such(world: World | Harder, what: str) -> None:
    """A normal tail, or signs flipped around a share of the score, was wrong in 7 to 13 of 100."""
    assert count(world, 400, 5).errors[what] <= 0.05


def test_a_loss_beyond_every_score_is_a_named_exception_and_nothing_else_is() -> None:
    beyond, within = Harder("losses beyond all scores", 300, 0.10), Harder("rare losses, no range", 300, 0.10)
    for world, named in ((beyond, True), (within, False)):
        found = Counted(world, 400, 0.95, {"non_inferior": 0.17}, 0.0, 0.0)
        assert [bool(miss.reason) for miss in misses(found)] == [named]
    worse = Counted(beyond, 400, 0.95, {"non_inferior": 0.6}, 0.0, 0.0)
    assert [miss.reason for miss in misses(worse)] == [""]
    assert [miss.reason for miss in misses(Counted(beyond, 400, 0.95, {"regressed_beyond": 0.17}, 0.0, 0.0))] == [""]


def test_the_whole_grid_holds_the_harder_worlds() -> None:
    worlds = harder()
    assert len(set(worlds)) == len(worlds)
    assert {world.kind for world in worlds} == set(get_args(Trouble))


MANY = [
    Harder("uneven clusters", 40_000, 0.2, "mixed", 0.5),
    Harder("heavy items", 200_000, 0.2, "mixed"),
    Harder("rare losses, range declared", 200_000, 0.2),
    Harder("rare losses, no range", 200_000, 0.2),
    Harder("losses beyond all scores", 200_000, 0.2),
    Harder("easy passages lose more", 40_000, 0.2),
    Harder("hard passages lose more", 40_000, 0.1),
]


@pytest.mark.parametrize("world", MANY, ids=str)
def test_the_truth_of_a_harder_world_is_its_truth(world: Harder) -> None:
    pair = world.data(np.random.default_rng(0), 0)
    weights, before = pair.baseline.weights, pair.baseline.table[:, 0]
    spread = float(pair.differences.std()) * np.sqrt(world.size / len(before)) * (1.5 if world.kind == "heavy items" else 1.0)
    assert np.average(pair.differences, weights=weights) == pytest.approx(world.truth, abs=5 * spread)
    if world.factor is not None:
        assert pair.candidate.table.mean() / before.mean() == pytest.approx(world.factor, abs=0.01)
    if world.kind == "heavy items":
        assert weights[pair.baseline.strata == 1].sum() == pytest.approx(weights.sum() / 2, rel=0.01)
    if world.kind == "uneven clusters":
        sizes = np.bincount(pair.baseline.clusters)
        assert sizes.mean() == pytest.approx(world.size, rel=0.05)
        assert sizes.std() > 3


def test_a_method_that_is_too_sure_of_itself_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a t interval for sparse losses, as the Wald interval would be, the proof fails."""
    world = World("bounded", 100, 0.05, "losses")
    monkeypatch.setattr(stats.MeanPairs, "sparse", property(lambda self: False))
    assert {miss.what for miss in misses(count(world, 300, 0))} >= {"coverage", "non_inferior"}


def test_the_whole_grid_holds_every_kind_size_and_share_that_is_claimed() -> None:
    worlds = grid()
    assert len(set(worlds)) == len(worlds)
    for kind in ("binary", "bounded", "ordinal", "draws"):
        own = [world for world in worlds if world.kind == kind]
        assert {world.units for world in own} == {20, 50, 100, 300, 1000, 5000}
        assert {world.discordance for world in own} == {0.02, 0.05, 0.10, 0.20, 0.40}
        assert {world.shape for world in own} == {"even", "mixed", "losses"}
    assert {world.icc for world in worlds if world.kind == "clustered binary"} == {0.0, 0.2, 0.5, 0.8, 1.0}


LARGE = [
    World("bounded", 200_000, 0.2, "mixed"),
    World("draws", 200_000, 0.2, "losses"),
    World("ordinal", 200_000, 0.4, "mixed"),
    World("clustered binary", 40_000, 0.1, "mixed", 5, 0.5),
]


@pytest.mark.parametrize("world", LARGE, ids=str)
def test_the_truth_of_a_world_is_its_truth(world: World) -> None:
    values = world.sample(np.random.default_rng(0))
    assert values.mean() == pytest.approx(world.truth, abs=5 * values.std() / np.sqrt(world.units))
    differing = np.abs(values.reshape(world.units, -1)).sum(axis=1) > 0
    expected = world.differing * (15 / 16 if world.kind == "draws" else 1)  # four draws may all agree
    assert differing.sum() == pytest.approx(expected, rel=0.02)


def test_missed_targets_are_named_and_noise_is_not_one() -> None:
    world = World("bounded", 300, 0.40, "mixed")
    fine = Counted(world, 400, 0.95, {"non_inferior": 0.05, "regressed_beyond": 0.06}, 0.0, 0.0)
    assert list(misses(fine)) == []
    assert list(misses(replace(fine, coverage=0.925))) == []
    assert [miss.what for miss in misses(replace(fine, coverage=0.925, repetitions=0))] == ["coverage"]
    assert [miss.what for miss in misses(replace(fine, errors={"non_inferior": 0.12}))] == ["non_inferior"]
    assert [miss.what for miss in misses(replace(fine, coverage=1.0))] == ["too wide"]
    assert list(misses(replace(fine, coverage=1.0, world=World("bounded", 50, 0.10, "mixed")))) == []


def test_the_page_gets_the_table_and_keeps_the_rest(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    results = [
        count(World("binary", 20, 0.4, "even"), 0, 0),
        Counted(World("binary", 50, 0.4, "even"), 0, 0.5, {"alarm": 0.2}, 0, 0),
    ]
    put(page, text(results, 0))
    written = page.read_text(encoding="utf-8")
    assert written.startswith("before\n")
    assert written.endswith("after\n")
    assert "old" not in written
    assert table(results) in written
    assert "not explained" in written
    page.write_text("no markers", encoding="utf-8")
    with pytest.raises(ValueError, match="no region"):
        put(page, "x")


@pytest.mark.parametrize("arguments", [["--only", "nothing"], ["--processes", "0"], ["--share", "0"], ["--share", "2"]])
def test_what_cannot_be_simulated_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_few_documents_pass_no_more_often() -> None:
    rng, passed, runs = np.random.default_rng(5), 0, 300
    for seed in range(runs):
        size = rng.integers(200, 800, 8).astype(float)
        before = size * (1 + 0.1 * rng.normal(size=8))
        after = before + size * (0.05 + 0.05 * rng.normal(size=8))
        each = np.arange(8)
        sides = np.stack([before, size], axis=1), np.stack([after, size], axis=1)
        pairs = stats.CorpusPairs("bits_per_byte", *sides, each, np.zeros(8, dtype=np.intp), -1, seed)
        passed += pairs.test(-0.05, "greater").p <= 0.05
    assert passed / runs <= 0.05 + 0.01 + 3 * np.sqrt(0.05 * 0.95 / runs)


def test_a_corpus_bootstrap_covers_the_truth() -> None:
    rng = np.random.default_rng(12)
    covered = 0
    runs = 150
    for seed in range(runs):
        sizes = rng.integers(50, 150, 120).astype(float)
        base = np.stack([sizes * rng.normal(0.5, 0.1, 120), sizes], axis=1)
        cand = np.stack([base[:, 0] + sizes * rng.normal(0.02, 0.1, 120), sizes], axis=1)
        units = np.arange(120)
        found = stats.CorpusPairs("ratio", base, cand, units, np.zeros(120, dtype=np.intp), 1, seed).interval(0.90)
        covered += (found.low or 0.0) <= 0.02 <= (found.high or 0.0)
    assert covered / runs >= 0.83
