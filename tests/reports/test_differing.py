"""The gate's page says what changed where sides may not be compared, and where the same weights answered otherwise."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from harness.gate import Policy, conclude
from harness.records import Fingerprints, Measured, Rule
from reports.differing import MOST, changed_cards, differing
from tests.harness.runs import measured, right, samples, table


def side(name: str, weights: str, prompt: str = "What is the capital of Velmora?", **fields: Any) -> Measured:
    rows = samples(right(8, 2), prompt=[prompt] * 10, prompt_hash=[f"{prompt}{n}" for n in range(10)])
    return measured(name, rows, fingerprints=Fingerprints(asked=name, weights=weights, template="t"), **fields)


def concluded(*sides: Measured) -> Any:
    found = table(*sides)
    rule = Rule(metric="facts/t/acc", require="not_regressed")
    return conclude(found, Policy(baseline=sides[0].run.candidate.name, rules=(rule,)), created="2026-11-20", environment={}), found


def test_sides_that_may_not_be_compared_say_what_changed_with_one_example() -> None:
    conclusion, found = concluded(
        side("base", "a"), side("w1", "b", "In one word: what is the capital of Velmora?"), side("w2", "b")
    )
    told = differing(conclusion, found)
    assert [(each.old, each.new) for each in told.pairs] == [("base", "w1")]
    assert [(each.what, each.count, len(each.examples)) for each in told.pairs[0].items] == [("other prompt", 10, 1)]
    assert changed_cards(told)[0].lines[0][1].at == "/differing/pairs/0/items/0/count"


def test_the_same_weights_that_answer_otherwise_are_told_and_other_weights_are_not() -> None:
    twin = side("twin", "a")
    changed = replace(twin, samples=(replace(twin.samples[0], outputs=("another answer",)), *twin.samples[1:]))
    conclusion, found = concluded(side("base", "a"), changed, side("same", "a"), side("other", "b"))
    told = differing(conclusion, found)
    assert [(each.new, each.same_weights) for each in told.pairs] == [("twin", True)]
    endpoint = replace(changed, run=replace(changed.run, fingerprints=Fingerprints(asked="x", template="t")))
    assert differing(*concluded(side("base", "a"), endpoint)).pairs == (), "nobody knows an endpoint's weights"


def test_that_other_weights_answer_otherwise_is_no_change_in_what_was_asked() -> None:
    new = side("w1", "b", engine={"name": "fake", "version": "2", "dtype": "float32"})
    answered = replace(new, samples=tuple(replace(each, outputs=("otherwise",)) for each in new.samples))
    conclusion, found = concluded(side("base", "a"), answered)
    assert conclusion.outcome == "not_comparable"
    assert differing(conclusion, found).pairs == ()


def test_more_pairs_than_anybody_reads_are_counted() -> None:
    many = [side(f"w{n}", "b", f"Other {n}?") for n in range(MOST + 2)]
    told = differing(*concluded(side("base", "a"), *many))
    assert (len(told.pairs), told.left) == (MOST, 2)
