"""The spread of speed over items, by quantiles worked out by hand."""

from __future__ import annotations

import msgspec

from harness.records import Candidate, Fingerprints, Measured, Metric, Run, Sample
from reports.pace.spread import quantiles, spread_cards


def timed(name: str, seconds: list[float], use: str = "latency") -> Measured:
    run = Run(
        candidate=Candidate(name=name), suite="speed", use=use, fingerprints=Fingerprints(asked="a", weights="w"), graded="g",
        items_hash="i", suite_hash="s", engine={"name": "fake"}, planned=len(seconds),
        metrics={"seconds": Metric(kind="real", direction="lower", unit="s")},
    )  # fmt: skip
    rows = tuple(Sample(key=f"k{index}", task="", prompt="p", scores={"seconds": value}) for index, value in enumerate(seconds))
    return Measured(run=run, samples=rows)


def test_cuts_are_those_of_all_items_inclusive() -> None:
    measured = {("speed", "old"): timed("old", [float(each) for each in range(21)]), ("speed", "new"): timed("new", [3.0, 5.0])}
    old, new = quantiles(measured, ("old", "new"))
    assert old.cuts == (1.0, 5.0, 10.0, 15.0, 19.0), "of 0 to 20, each twentieth is a whole number"
    assert new.cuts == (3.1, 3.5, 4.0, 4.5, 4.9)
    (card,) = spread_cards((old, new))
    assert card.metric == "speed/seconds"
    assert [figure.at for figure in card.rows[1].cuts][:2] == ["/spread/1/cuts/0", "/spread/1/cuts/1"]
    assert "half of the items up to 10.0 s" in str(card.picture)


def test_two_loads_are_two_distributions() -> None:
    side = timed("old", [1.0, 2.0, 9.0, 10.0])
    rows = tuple(msgspec.structs.replace(row, task="load1" if place < 2 else "load4") for place, row in enumerate(side.samples))
    found = quantiles({("speed", "old"): msgspec.structs.replace(side, samples=rows)}, ("old",))
    assert [(each.task, each.items, each.cuts[2]) for each in found] == [("load1", 2, 1.5), ("load4", 2, 9.5)]
    assert [card.metric for card in spread_cards(found)] == ["speed/load1/seconds", "speed/load4/seconds"]


def test_one_item_has_no_spread_and_other_suites_are_not_about_speed() -> None:
    assert quantiles({("speed", "old"): timed("old", [1.0])}, ("old",)) == ()
    assert quantiles({("speed", "old"): timed("old", [1.0, 2.0], use="prompted")}, ("old",)) == ()
    empty = msgspec.structs.replace(timed("old", []), samples=(Sample(key="k", task="", prompt="p", error="gone"),))
    assert quantiles({("speed", "old"): empty}, ("old",)) == ()
