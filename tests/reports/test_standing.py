"""Who stands where: by what certifies, and not by what chose the candidates."""

from __future__ import annotations

from typing import Any

import msgspec

from harness.records import Comparison, Conclusion, Finding, Verdict
from reports.answer import hero
from reports.retained import kept_lines
from reports.standing import Roles, standings
from tests.reports.told import concluded, finding


def claim(gain: float, split: Any = None, metric: str = "s/t/acc") -> Finding:
    found = finding("pass", metric=metric)
    assert found.comparison is not None
    rule = msgspec.structs.replace(found.rule, require="superior", margin=None, split=split)
    return msgspec.structs.replace(found, rule=rule, comparison=compared(gain, metric=metric))


def compared(gain: float, candidate: str = "c", metric: str = "s/t/acc") -> Comparison:
    return Comparison(metric=metric, baseline="b", candidate=candidate, baseline_value=0.5, candidate_value=0.5 + gain, gain=gain)


def two(lucky: list[Finding], steady: list[Finding], comparisons: tuple[Comparison, ...] = ()) -> Conclusion:
    verdicts: list[Verdict] = [
        concluded(*found, outcome="pass", candidate=name).verdicts[0] for name, found in (("lucky", lucky), ("steady", steady))
    ]
    return Conclusion(created="", baseline="b", outcome="pass", exit_code=0, verdicts=tuple(verdicts), comparisons=comparisons)


def test_what_selected_a_candidate_neither_ranks_it_nor_is_its_gain() -> None:
    said = two([claim(0.30, "select"), claim(0.02, "gate")], [claim(0.05, "select"), claim(0.08, "gate")])
    ranked = standings(said, {})
    assert [(each.candidate, each.target.gain if each.target else None) for each in ranked] == [("steady", 0.08), ("lucky", 0.02)]
    assert [each.leads for each in ranked] == [True, False]
    assert hero(said, ranked).headline == "Ship steady"


def test_without_the_select_rule_the_same_candidates_stand_the_same() -> None:
    with_rule = two([claim(0.30, "select"), claim(0.02)], [claim(0.05, "select"), claim(0.08)])
    without = two([claim(0.02)], [claim(0.08)])
    assert standings(with_rule, {}) == standings(without, {})


def test_where_only_selecting_rules_claim_a_gain_it_is_that_of_all_items() -> None:
    everything = (compared(0.01, "lucky"), compared(0.04, "steady"))
    ranked = standings(two([claim(0.30, "select")], [claim(0.05, "select")], everything), {})
    assert [(each.candidate, each.target.gain if each.target else None) for each in ranked] == [("steady", 0.04), ("lucky", 0.01)]


def test_a_pooled_rule_over_the_items_that_select_is_not_the_worst_that_was_kept() -> None:
    pooled = claim(-0.2, "select")
    pooled = msgspec.structs.replace(pooled, rule=msgspec.structs.replace(pooled.rule, require="not_regressed", pool=True))
    kept = compared(-0.01, metric="s/t/lost")  # which makes s a retained suite
    for split, worst in (("select", None), ("gate", -0.2)):
        rule = msgspec.structs.replace(pooled.rule, split=split)
        (standing,) = standings(
            Conclusion(
                created="", baseline="b", outcome="pass", exit_code=0, comparisons=(kept,),
                verdicts=concluded(msgspec.structs.replace(pooled, rule=rule), outcome="pass").verdicts,
            ),
            {},
        )  # fmt: skip
        assert (standing.worst.gain if standing.worst else None) == worst


def test_who_answered_fewer_items_says_so_in_the_table_of_what_was_retained() -> None:
    def against(name: str, items: int, before: float) -> Comparison:
        return Comparison(
            metric="s/t/acc",
            baseline="b",
            candidate=name,
            baseline_value=before,
            candidate_value=0.5,
            gain=0.5 - before,
            items=items,
        )

    conclusion = msgspec.structs.replace(concluded(finding()), comparisons=(against("c", 30, 0.9), against("d", 100, 0.7)))
    (line,) = kept_lines(conclusion, Roles(retained=("s",)), {}, ("c", "d"))
    assert (line.items.text, line.baseline.text) == ("100", "70.0%"), "of whoever answered most"
    assert [cell.items and (cell.items.text, cell.items.at) for cell in line.cells] == [
        ("30", "/conclusion/comparisons/0/items"),
        None,
    ]
