"""A metric over the runs of a store: only runs of the same items count, pins are marked, and noise comes from seeds alone."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from harness.baselines import Pin, PinnedRun, Pins, Promotion
from harness.history import FEWEST, MOST, answers, history, with_scores
from harness.records import Candidate, Fingerprints, Looks, Metric, Run, Sample, Sequential
from tests.harness.runs import measured, right, samples


def run(name: str, correct: int, day: int, **fields: Any) -> Run:
    settings = {"graded": f"{name}{day}", "created": f"2026-11-{day:02d}T09:00:00+00:00", "samples_hash": f"{name}{day}{correct}"}
    return with_scores(measured(name, right(correct, 100 - correct), **(settings | fields)))


WEEKS = [run("w1", 80, 1), run("w2", 82, 8), run("w3", 79, 15)]


def test_runs_stand_in_the_order_in_which_they_were_made() -> None:
    found = history(reversed(WEEKS), WEEKS[2], Pins(), now=[answers(WEEKS[2])])
    assert found is not None
    assert (found.suite, found.metric, found.kind, found.direction) == ("facts", "acc", "binary", "higher")
    assert [(point.candidate, point.score, point.now) for point in found.points] == [
        ("w1", 0.80, False), ("w2", 0.82, False), ("w3", 0.79, True),
    ]  # fmt: skip
    assert (found.noise, found.noise_runs) == (None, 0)


def test_one_or_two_runs_and_runs_that_are_all_judged_now_are_no_history() -> None:
    assert history(WEEKS[: FEWEST - 1], WEEKS[0], Pins(), now=[]) is None
    assert history(WEEKS, WEEKS[0], Pins(), now=[answers(each) for each in WEEKS]) is None
    again = [run("w3", 79, 16, samples_hash="x", replicate=1)]
    assert history([*WEEKS, *again], WEEKS[0], Pins(), now=[answers(each) for each in WEEKS]) is None, "a repetition is no past"


def test_other_items_and_runs_in_part_do_not_count() -> None:
    looks = Looks(settings=Sequential(), planned=(50, 100), made=(50,), stopped="decided")
    strange = [
        run("a", 50, 2, items_hash="others"),
        run("b", 50, 3, suite_hash="another version"),
        run("c", 50, 4, judge_hash="another judge"),
        run("d", 50, 5, limit=100),
        run("e", 50, 6, looks=looks),
        run("f#shuffled", 50, 7),
        run("w1", 80, 9, samples_hash=WEEKS[0].samples_hash, graded=WEEKS[0].graded),
    ]
    found = history([*strange, *WEEKS], WEEKS[0], Pins(), now=[])
    assert found is not None
    assert [point.candidate for point in found.points] == ["w1", "w2", "w3"], "the same answers, declared anew, are one run"
    assert found.points[0].created.startswith("2026-11-01"), "the first time that they were given"
    whole = run("g", 50, 7, limit=500)
    found = history([whole, *WEEKS], WEEKS[0], Pins(), now=[])
    assert found is not None
    assert len(found.points) == 4, "a limit above what there is cuts nothing"


def pin(of: Run) -> Pin:
    runs = {"facts": PinnedRun(graded="a" * 64, samples=of.samples_hash)}
    return Pin(candidate=of.candidate.name, created=of.created, by="Ana", runs=runs)


def test_pins_and_promotions_are_marked_by_whose_answers_they_are() -> None:
    promotions = tuple(Promotion(created=f"2026-11-{day}T10:00:00+00:00", by="Ana", to=to) for day, to in ((10, "a"), (16, "b")))
    pins = Pins(promoted="b", promotions=promotions, pins={"a": pin(WEEKS[0]), "b": pin(WEEKS[1]), "old": pin(WEEKS[0])})
    twin = run("x", 80, 20, samples_hash=WEEKS[0].samples_hash)
    found = history([*WEEKS, twin], WEEKS[0], pins, now=[])
    assert found is not None
    assert [(point.pins, point.promoted[:10], point.baseline) for point in found.points] == [
        (("a", "old"), "2026-11-10", False), (("b",), "2026-11-16", True), ((), "", False), ((), "", False),
    ]  # fmt: skip


def test_noise_is_the_spread_within_seeds_and_training_seeds_come_first() -> None:
    prints = Fingerprints(asked="w1")
    repeated = [run("w1", score, 1 + seed, seed=seed, fingerprints=prints) for seed, score in enumerate((80, 82, 84))]
    found = history([*repeated, run("w9", 20, 9)], repeated[0], Pins(), now=[])
    assert found is not None
    assert (found.noise, found.noise_runs, found.noise_of) == (pytest.approx(0.02), 3, "seed of asking")
    second = run("w1#2", 81, 5, replicate=1, fingerprints=prints)
    found = history([repeated[0], second, run("w9", 20, 9)], repeated[0], Pins(), now=[])
    assert found is not None
    assert found.noise == pytest.approx(math.sqrt(0.5) * 0.01)
    assert [(point.candidate, point.replicate) for point in found.points][1] == ("w1", 1)
    seeds = [msgspec.structs.replace(run(name, score, 10), candidate=Candidate(name=name, recipe=name[0]))
             for name, score in (("p1", 70), ("p2", 74), ("q1", 50), ("q2", 50), ("q3", 56))]  # fmt: skip
    found = history([*repeated, *seeds], repeated[0], Pins(), now=[])
    assert found is not None
    squares = 2 * 0.02**2 + 2 * 0.02**2 + 0.04**2
    assert found.noise == pytest.approx(math.sqrt(squares / 3)), "n − 1 of each recipe, pooled"
    assert (found.noise_runs, found.noise_of) == (5, "training seed")


def test_only_the_newest_runs_and_all_pins_are_kept() -> None:
    many = [run(f"w{number}", 50, 1 + number % 28, created=f"2026-11-20T09:{number // 60:02d}:{number % 60:02d}+00:00")
            for number in range(MOST + 30)]  # fmt: skip
    found = history(many, many[0], Pins(pins={"first": pin(many[0])}), now=[])
    assert found is not None
    assert (len(found.points), found.omitted) == (MOST, 30)
    assert found.points[0].pins == ("first",)
    assert found.points[-1].candidate == many[-1].candidate.name


def test_a_runs_own_scores_pool_its_tasks_item_by_item_and_leave_out_what_failed() -> None:
    listed = [*samples([1, 0, None], task="a"), *[Sample(key=f"b{n}", task="b", scores={"acc": 1.0, "f1": 0.5}) for n in range(2)]]
    metrics = {"acc": Metric(kind="binary"), "f1": Metric(kind="bounded")}
    assert with_scores(measured("w1", listed, metrics=metrics)).scores == {"acc": 0.75, "f1": 0.5}
    assert with_scores(measured("w1", [None, None])).scores == {}
    unlike = {"a/acc": Metric(kind="binary"), "b/acc": Metric(kind="real", direction="lower")}
    assert with_scores(measured("w1", listed, metrics=unlike)).scores == {}, "read in two ways, it has no score of its own"
    twice = with_scores(measured("w1", [*samples([1]), *samples([0])]))
    assert twice.scores == {}, "samples that contradict each other are judged elsewhere"


def test_runs_stand_in_the_order_of_time_wherever_the_clock_stood() -> None:
    late = run("late", 70, 1, created="2026-11-01T23:30:00-08:00")  # the second, 07:30 UTC
    early = run("early", 75, 1, created="2026-11-02T02:00:00+09:00")  # the first, 17:00 UTC
    undated = run("undated", 60, 1, created="last week")
    found = history([late, early, WEEKS[0], undated], WEEKS[0], Pins(), now=[])
    assert found is not None
    assert [point.candidate for point in found.points] == ["undated", "w1", "early", "late"]


def test_what_was_asked_otherwise_is_said_where_it_begins_and_what_was_other_questions_is_counted() -> None:
    newer = {"engine": {"name": "fake", "version": "2", "dtype": "float32", "template_date": "2026-01-01"}}
    runs = [*WEEKS, run("w4", 79, 22, **newer), run("w5", 79, 23, **newer), run("old", 20, 1, suite_hash="before", failed=3)]
    found = history(runs, WEEKS[0], Pins(), now=[])
    assert found is not None
    assert [(point.candidate, point.otherwise) for point in found.points if point.otherwise] == [("w4", ("version 1 → 2",))]
    assert (len(found.points), found.elsewhere) == (5, 1)


def test_errors_stand_beside_the_score_that_they_have_no_share_in() -> None:
    found = history([*WEEKS, run("w4", 79, 22, asked=100, failed=12)], WEEKS[0], Pins(), now=[])
    assert found is not None
    assert [(point.asked, point.failed) for point in found.points][-1] == (100, 12)


def test_other_weights_that_answer_alike_are_another_run_and_an_endpoint_is_asked_anew_every_time() -> None:
    def again(name: str, day: int, **fields: Any) -> Run:
        return run(name, 80, day, samples_hash="alike", **fields)

    nightly = [again("nightly", day, fingerprints=Fingerprints(asked=f"a{day}", weights=f"w{day}")) for day in (1, 8, 15)]
    found = history(nightly, nightly[0], Pins(), now=[])
    assert found is not None
    assert len(found.points) == 3
    endpoint = [again("api", day, fingerprints=Fingerprints(asked="a")) for day in (1, 8, 15)]
    found = history(endpoint, endpoint[0], Pins(), now=[])
    assert found is not None
    assert len(found.points) == 3
    same = [again("nightly", day, fingerprints=Fingerprints(asked="a", weights="w")) for day in (1, 8, 15)]
    assert history(same, same[0], Pins(), now=[]) is None, "one run, declared three times"
    pinned = Pins(pins={"p": Pin(candidate="nightly", created="2026-11-08", by="Ana",
                                 runs={"facts": PinnedRun(graded="nightly8", samples="alike")})})  # fmt: skip
    found = history(nightly, nightly[0], pinned, now=[])
    assert found is not None
    assert [point.pins for point in found.points] == [(), ("p",), ()], "not every run that answered alike is the pinned one"
