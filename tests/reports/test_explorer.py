"""Items side by side: what counts as lost, as failing, as in doubt; what is shown first."""

from __future__ import annotations

from typing import Any

from harness.records import Candidate, Conclusion, Fingerprints, Judgment, Measured, Metric, Run, Sample, Verdict
from reports import judging, retained, view
from reports.items import explorer
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


def test_the_order_of_an_addition_loses_no_item_and_wins_no_comparison() -> None:
    metrics = {"win": Metric(kind="bounded")}
    before, after = (0.1 + 0.2 + 0.3) / 3, (0.3 + 0.2 + 0.1) / 3
    assert before != after
    sides = {
        ("s", name): run_of(
            "s", name, [sample("1", value, metric="win"), sample("2", 0.6 * 0.5 + 0.2, metric="win")], metrics=metrics
        )
        for name, value in (("b", before), ("c", after))
    }
    assert set(statuses(sides).values()) == {explorer.SAME}
    half = (0.7 * 0.0 + 0.1 * 1 + 0.2 * 1 + 0.4 * 1) / (0.7 + 0.7)
    assert half != 0.5
    sides = {("s", name): run_of("s", name, [sample("1", half, metric="win")], metrics=metrics) for name in ("b", "c")}
    assert [(wins.win, wins.tie, wins.loss) for wins in judging.wins(sides, "b", ["c"])] == [(0, 1, 0)]


def test_the_four_fields_of_lost_and_gained_items_are_counted_each_for_itself() -> None:
    kinds = [(1, 1)] * 5 + [(1, 0)] * 4 + [(0, 1)] * 3 + [(0, 0)] * 2 + [(1, None)]
    sides = {
        ("s", name): run_of("s", name, [sample(str(place), values[side]) for place, values in enumerate(kinds)])
        for side, name in enumerate(("b", "c"))
    }
    (flip,) = retained.flips(explorer.pair(sides, "b", ["c"]), sides, "b", ["c"])
    assert (flip.both, flip.lost, flip.gained, flip.neither, flip.binary) == (5, 4, 3, 2, True)


def test_what_is_zero_is_held_against_the_mean_and_nothing_is_lost_where_there_is_no_size_at_all() -> None:
    metrics = {"acc": Metric(kind="real", direction="lower")}
    for before, expected in (((0.0, 0.0), [explorer.UNCOMPARED] * 2), ((0.0, 4.0), [explorer.SAME, explorer.LOST])):
        sides = {
            ("s", name): run_of("s", name, [sample("1", first), sample("2", second)], metrics=metrics)
            for name, (first, second) in (("b", before), ("c", (0.1, 9.0)))
        }
        items = explorer.pair(sides, "b", ["c"])
        assert [each.statuses["c"] for each in items] == expected
        assert [bool(each.gains) for each in items] == [status != explorer.UNCOMPARED for status in expected]
        tiles = retained.flips(items, sides, "b", ["c"])
        assert sum(tile.both + tile.lost for tile in tiles) == (2 if any(before) else 0)


def test_items_that_measure_speed_are_never_lost() -> None:
    metrics = {"acc": Metric(kind="real")}
    sides = {
        ("s", name): run_of("s", name, [sample("1", value)], use="latency", metrics=metrics) for name, value in (("b", 9), ("c", 1))
    }
    assert statuses(sides) == {"1": explorer.UNCOMPARED}
    assert not explorer.pair(sides, "b", ["c"])[0].gains, "nor is it one of the items that could have been lost"


def test_an_item_on_one_side_only_is_shown_and_not_judged() -> None:
    found = explorer.pair(
        {("s", "b"): run_of("s", "b", [sample("1", 1)]), ("s", "c"): run_of("s", "c", [sample("2", 0)])}, "b", ["c"]
    )
    assert [sorted(each.samples) for each in found] == [["b"], ["c"]]


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


def test_still_failing_unstable_and_disputed_answers_are_told_apart() -> None:
    steady, shaky = {"acc": [0.0, 0.0]}, {"acc": [0.0, 1.0]}
    torn = (Judgment(judge="a", score=1.0), Judgment(judge="b", score=0.0))
    before = [sample("1", 0, draws=steady), sample("2", 0.5, draws=shaky), sample("3", None), sample("4", 1)]
    after = [sample("1", 0), sample("2", 0.5, judgments=torn), sample("3", 0), sample("4", 1, flags=("conflict",))]
    items = explorer.pair({("s", "b"): run_of("s", "b", before), ("s", "c"): run_of("s", "c", after)}, "b", ["c"])
    assert [(each.failing("b"), each.failing("c")) for each in items] == [
        (True, True),
        (False, False),
        (False, True),
        (False, False),
    ]
    assert [each.unstable("b") for each in items] == [False, True, False, False]
    assert [each.disputed("c") for each in items] == [False, True, False, True]


def test_failing_is_the_other_half_where_lower_is_better_and_nothing_where_scores_are_no_shares() -> None:
    lower, real = {"acc": Metric(kind="bounded", direction="lower")}, {"acc": Metric(kind="real")}
    for metrics, expected in ((lower, [False, True]), (real, [False, False])):
        runs = {("s", "b"): run_of("s", "b", [sample("1", 0.0), sample("2", 1.0)], metrics=metrics)}
        assert [each.failing("b") for each in explorer.pair(runs, "b", [])] == expected


def test_what_was_asked_is_read_from_whoever_has_it() -> None:
    broken = Sample(key="1", task="t", error="EngineError: gone")
    runs = {("s", "b"): run_of("s", "b", [broken]), ("s", "c"): run_of("s", "c", [sample("1", 1, prompt="why?")])}
    assert explorer.pair(runs, "b", ["c"])[0].any_sample.prompt == "why?"


def test_every_item_of_every_suite_is_paired() -> None:
    conclusion, measured, _ = fixtures.small()
    names = [verdict.candidate for verdict in conclusion.verdicts]
    pairings = explorer.pair(measured, conclusion.baseline, names)
    assert len(pairings) == sum(len(each.samples) for (_, name), each in measured.items() if name == conclusion.baseline)


def test_a_metric_keeps_the_hyphen_of_its_name_and_only_its_number_gets_a_minus() -> None:
    metrics = {"log-likelihood": Metric(kind="real")}
    sides = {
        ("s", name): run_of("s", name, [sample("1", value, metric="log-likelihood")], metrics=metrics, primary="log-likelihood")
        for name, value in (("b", -1.0), ("c", -2.5))
    }
    conclusion = Conclusion(
        created="", baseline="b", outcome="pass", exit_code=0, verdicts=(Verdict(candidate="c", outcome="pass", sentence=""),)
    )
    (item,) = view.build(conclusion, sides, {}).lost[0].items
    assert (item.before_score.text, item.after_score.text) == ("log-likelihood −1", "log-likelihood −2.5")
