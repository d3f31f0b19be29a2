"""Items side by side: what counts as lost, what is shown first, what is left out when there is too much."""

from __future__ import annotations

from typing import Any

from harness.records import Candidate, Fingerprints, Measured, Metric, Run, Sample
from reports import explorer
from tests.reports import fixtures


def run_of(suite: str, name: str, samples: list[Sample], **more: Any) -> Measured:
    run = Run(
        candidate=Candidate(name=name),
        suite=suite,
        use=more.pop("use", "prompted"),
        fingerprints=Fingerprints(asked="a"),
        graded="g",
        items_hash="i",
        suite_hash="s",
        metrics=more.pop("metrics", {"acc": Metric()}),
        primary=more.pop("primary", "acc"),
        **more,
    )
    return Measured(run=run, samples=tuple(samples))


def sample(key: str, value: float | None, task: str = "t", metric: str = "acc", **more: Any) -> Sample:
    if value is None:
        return Sample(key=key, task=task, error="EngineError: timed out", **more)
    return Sample(key=key, task=task, scores={metric: value}, outputs=(f"{key} {value}",), **more)


def statuses(measured: dict[tuple[str, str], Measured]) -> dict[str, int]:
    return {each.key: each.statuses["c"] for each in explorer.pair(measured, "b", ["c"])}


def test_items_are_paired_by_key_not_by_position_and_errors_are_not_losses() -> None:
    before = run_of("s", "b", [sample("1", 1), sample("2", 1), sample("3", 0), sample("4", 1)])
    after = run_of("s", "c", [sample("4", None), sample("3", 1), sample("2", 0), sample("1", 1)])
    found = statuses({("s", "b"): before, ("s", "c"): after})
    assert found == {"1": explorer.SAME, "2": explorer.LOST, "3": explorer.GAINED, "4": explorer.ERROR}


def test_where_lower_is_better_a_higher_score_is_a_loss() -> None:
    metrics = {"acc": Metric(kind="real", direction="lower")}
    before = run_of("s", "b", [sample("1", 1.0), sample("2", 1.0)], metrics=metrics)
    after = run_of("s", "c", [sample("1", 1.5), sample("2", 1.05)], metrics=metrics)
    assert statuses({("s", "b"): before, ("s", "c"): after}) == {"1": explorer.LOST, "2": explorer.SAME}


def test_items_that_measure_speed_are_never_lost() -> None:
    metrics = {"acc": Metric(kind="real")}
    sides = {
        ("s", name): run_of("s", name, [sample("1", value)], use="latency", metrics=metrics) for name, value in (("b", 9), ("c", 1))
    }
    assert statuses(sides) == {"1": explorer.SAME}


def test_an_item_on_one_side_only_is_shown_and_not_judged() -> None:
    found = explorer.pair(
        {("s", "b"): run_of("s", "b", [sample("1", 1)]), ("s", "c"): run_of("s", "c", [sample("2", 0)])}, "b", ["c"]
    )
    assert [sorted(each.samples) for each in found] == [["b"], ["c"]]
    packed = explorer.pack(found, "b", ["c"])
    assert packed.rows[0][8][1] is None
    assert packed.rows[1][8][1][0] == explorer.SAME


def test_the_worst_lost_items_come_from_retained_suites_first_and_from_all_tasks() -> None:
    tasks = [sample(f"{task}{number}", 1, task) for task in ("a", "b") for number in range(20)]
    lost = [sample(f"{task}{number}", 0, task) for task in ("a", "b") for number in range(20)]
    measured = {
        ("new", "b"): run_of("new", "b", tasks[:5]),
        ("new", "c"): run_of("new", "c", lost[:5]),
        ("old", "b"): run_of("old", "b", tasks, retained=True),
        ("old", "c"): run_of("old", "c", lost, retained=True),
    }
    worst = explorer.worst_lost(explorer.pair(measured, "b", ["c"]), "c", 10)
    assert {each.suite for each in worst} == {"old"}
    assert sorted(each.task for each in worst) == ["a"] * 5 + ["b"] * 5


def test_equal_texts_are_kept_once() -> None:
    measured = {
        ("s", name): run_of("s", name, [sample(str(number), 1, prompt="same") for number in range(50)]) for name in ("b", "c")
    }
    packed = explorer.pack(explorer.pair(measured, "b", ["c"]), "b", ["c"])
    assert len(packed.texts) == 52
    assert packed.omitted == 0


def test_beyond_the_budget_changed_items_keep_their_texts_and_the_pack_says_what_it_left_out() -> None:
    rows = [sample(str(number), 1, prompt=f"{number} " + "x" * 1000) for number in range(200)]
    after = [sample(str(number), 0 if number < 20 else 1, prompt=f"{number} " + "x" * 1000) for number in range(200)]
    measured = {("s", "b"): run_of("s", "b", rows), ("s", "c"): run_of("s", "c", after)}
    packed = explorer.pack(explorer.pair(measured, "b", ["c"]), "b", ["c"], budget=60_000)
    assert packed.omitted == 180
    assert all((row[4] >= 0) == (index < 20) for index, row in enumerate(packed.rows))
    assert packed.rows[150][6].startswith("150 x")
    assert packed.rows[150][8][1][2] == [0, 1]


def test_when_even_the_changed_ones_are_too_many_the_worst_are_kept() -> None:
    metrics = {"acc": Metric(kind="bounded")}
    before = [sample(str(number), 1.0, prompt="y" * 1000 + str(number)) for number in range(100)]
    after = [sample(str(number), 1 - number / 100, prompt="y" * 1000 + str(number)) for number in range(100)]
    measured = {("s", "b"): run_of("s", "b", before, metrics=metrics), ("s", "c"): run_of("s", "c", after, metrics=metrics)}
    packed = explorer.pack(explorer.pair(measured, "b", ["c"]), "b", ["c"], budget=20_000)
    kept = [index for index, row in enumerate(packed.rows) if row[4] >= 0]
    assert kept == list(range(100 - len(kept), 100))
    assert 10 < len(kept) < 20


def test_very_long_texts_are_cut_with_a_word_about_it() -> None:
    measured = {("s", name): run_of("s", name, [sample("1", 1, prompt="z" * 100_000)]) for name in ("b", "c")}
    packed = explorer.pack(explorer.pair(measured, "b", ["c"]), "b", ["c"])
    assert packed.cut
    assert max(len(text) for text in packed.texts) < explorer.LONGEST_TEXT + 200
    assert any("94,000 more characters" in text for text in packed.texts)


def test_the_fixture_packs_every_item_of_every_suite() -> None:
    conclusion, measured, _ = fixtures.small()
    names = [verdict.candidate for verdict in conclusion.verdicts]
    pairings = explorer.pair(measured, conclusion.baseline, names)
    assert len(pairings) == sum(len(each.samples) for (_, name), each in measured.items() if name == conclusion.baseline)
