"""Items that were found in training data: a slice that says so, and a limit above which a rule decides nothing."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest
from msgspec import structs

from harness.errors import ConfigError
from harness.gate import check_rules
from harness.gate.contamination import found_in, marked, refusal
from harness.gate.policy import Policy
from harness.gate.stopping import should_stop
from harness.records import Finding, Looks, Measured, Quarantined, Rule, Sequential
from tests.harness.gate.deciding import CLAIM, LIGHT, MARGIN, against, decide
from tests.harness.runs import measured, right, samples, table

GIVEN = {"facts": tuple(f"k{index}" for index in range(30))}
"""The first 30 of 300 items: what the candidate gained, in ``gained``."""


def gained(**fields: Any) -> list[Measured]:
    """30 items gained, all of them contaminated, and 270 on which nothing changed."""
    base, new = against(0, 30, 200, 70)
    return [measured(name, samples(scores, **fields)) for name, scores in (("base", base), ("new", new))]


def found(rule: Rule, **policy: Any) -> Finding:
    return decide(*gained(), rules=(rule,), **{"contaminated": GIVEN, **policy}).verdicts[0].findings[0]


def items(finding: Finding) -> int | None:
    return None if finding.comparison is None else finding.comparison.items


# ------------------------------------------------------------------------------------------------------------ slice


def test_every_item_says_whether_it_was_found_in_training_data() -> None:
    assert marked({"lang": "zh"}, "k1", frozenset({"k1"})) == {"lang": "zh", "contaminated": "yes"}
    assert marked({}, "k2", frozenset({"k1"})) == {"contaminated": "no"}
    assert marked({"contaminated": "who knows"}, "k1", None) == {"contaminated": "who knows"}, "where no file is named"
    assert found_in(GIVEN, "facts") == frozenset(GIVEN["facts"])
    assert found_in(GIVEN, "skill") == frozenset(), "a suite that the file does not name"
    assert found_in(None, "facts") is None
    assert found_in({"facts": ("k1",)}, "human") == {"facts/k1"}, "votes are about items of suites"


def test_a_rule_looks_at_either_side_of_the_slice() -> None:
    clean, dirty = (structs.replace(CLAIM, slice=f"contaminated={value}") for value in ("no", "yes"))
    assert (found(clean).outcome, items(found(clean))) == ("inconclusive", 270)
    assert (found(dirty).outcome, items(found(dirty))) == ("pass", 30)
    assert found(clean).reason.startswith("facts/t/acc where contaminated=no: ")
    assert found(dirty).reason.startswith("facts/t/acc where contaminated=yes: ")


def test_every_value_is_a_decision_and_a_slice_for_reading() -> None:
    concluded = decide(*gained(), rules=(MARGIN, structs.replace(LIGHT, slice="contaminated=*")), contaminated=GIVEN)
    assert [each.rule.slice for each in concluded.verdicts[0].findings] == [None, "contaminated=no", "contaminated=yes"]
    readings = {each.value: each for each in concluded.slices if each.field == "contaminated"}
    assert {value: each.items for value, each in readings.items()} == {"no": 270, "yes": 30}
    assert readings["yes"].gain == 1.0
    assert all(each.p_bh is not None for each in readings.values()), "of the family that is corrected"
    assert decide(*gained()).slices == ()


def test_leaving_them_out_is_the_slice() -> None:
    by_slice = found(structs.replace(CLAIM, slice="contaminated=no"))
    by_word = found(structs.replace(CLAIM, exclude="contaminated"))
    assert by_slice.comparison == by_word.comparison
    assert by_slice.reason == by_word.reason.replace("facts/t/acc: ", "facts/t/acc where contaminated=no: ")
    assert "30 items that were found in training data are left out" in by_word.reason


def test_leaving_out_what_nothing_names_lets_nothing_pass() -> None:
    assert found(structs.replace(MARGIN, exclude="contaminated"), contaminated=None).outcome == "invalid"


def test_leaving_them_out_combines_with_another_slice() -> None:
    runs = gained(slices=[{"lang": "zh"}] * 50 + [{"lang": "en"}] * 250)
    rule = structs.replace(LIGHT, slice="lang=*", exclude="contaminated")
    findings = decide(*runs, rules=(rule,), contaminated=GIVEN).verdicts[0].findings
    assert {each.rule.slice: items(each) for each in findings} == {"lang=en": 250, "lang=zh": 20}
    assert "30 items that were found in training data are left out" in findings[1].reason
    assert "none of these items was found in training data" in findings[0].reason


@pytest.mark.parametrize("value", ["yes", "no", "*"])
def test_leaving_them_out_and_a_slice_of_them_is_one_too_many(value: str) -> None:
    with pytest.raises(ConfigError, match="Keep one") as caught:
        check_rules([structs.replace(LIGHT, exclude="contaminated", slice=f"contaminated={value}")], ("facts/t/acc",))
    assert caught.value.where == "rules[0].exclude"


def test_an_item_with_a_slice_of_that_name_is_named() -> None:
    own = [{"contaminated": "yes"} if index == 7 else {} for index in range(300)]
    with pytest.raises(ConfigError, match=re.escape("item 'k7' of suite 'facts' has a slice 'contaminated' of its own")) as caught:
        decide(*gained(slices=own), contaminated={})
    assert caught.value.where == "contaminated"
    assert decide(*gained(slices=own)).outcome == "pass", "where no file is named it is a slice like others"


@pytest.mark.parametrize(
    ("contaminated", "value", "words"),
    [
        (None, "no", "Every item has it once contaminated names the file"),
        (None, "*", "Every item has it once contaminated names the file"),
        ({}, "yes", "Known: no"),
        (GIVEN, "ye", "Did you mean 'yes'"),
    ],
)
def test_a_value_that_no_item_has(contaminated: Any, value: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        found(structs.replace(LIGHT, slice=f"contaminated={value}"), contaminated=contaminated)


# ------------------------------------------------------------------------------------------------------------ limit


def test_too_many_of_them_and_a_rule_decides_nothing() -> None:
    concluded = decide(*gained(), rules=(CLAIM,), contaminated=GIVEN, max_contaminated=0.02)
    finding = concluded.verdicts[0].findings[0]
    assert finding.outcome == concluded.outcome == "invalid"
    assert concluded.exit_code == 13
    assert finding.comparison is None
    assert finding.reason == (
        "facts/t/acc: 30 of 300 items (10.0 %) of facts were found in training data, more than the 2 % allowed: leave them out "
        '(exclude = "contaminated"), take another test set, or train without them.'
    )
    assert concluded.verdicts[0].change == "facts/t/acc must look at fewer items that training data contain."
    said = "Unknown whether new may ship: training data contain too many of the items that would decide it. facts/t/acc: 30 of 300"
    assert concluded.verdicts[0].sentence.startswith(said)


def test_what_failed_beside_too_many_of_them_is_said_first() -> None:
    """The headline says that the evaluation failed, and so what follows it must be about the failure."""
    runs = gained()
    broken = measured("new", [structs.replace(each, scores=None, error="down") for each in runs[1].samples], suite="skill")
    both = [*runs, measured("base", runs[0].samples, suite="skill"), broken]
    rule = structs.replace(CLAIM, metric="skill/*/acc")
    sentence = decide(*both, rules=(CLAIM, rule), contaminated=GIVEN, max_contaminated=0.02).verdicts[0].sentence
    assert sentence.startswith("Unknown whether new may ship: the evaluation itself failed. skill/t/acc: 300 of 300 items")


def test_the_limit_itself_is_allowed_and_a_rule_may_have_its_own() -> None:
    assert found(CLAIM).outcome == "pass", "no limit unless one is set"
    assert found(CLAIM, max_contaminated=0.1).outcome == "pass"
    assert found(CLAIM, max_contaminated=0.0999).outcome == "invalid"
    assert found(structs.replace(CLAIM, max_contaminated=0.2), max_contaminated=0.02).outcome == "pass"
    assert found(structs.replace(CLAIM, max_contaminated=0.0), max_contaminated=0.2).outcome == "invalid"
    counts = {"facts": (29, 100)}
    assert not refusal(CLAIM, Policy(baseline="base", max_contaminated=0.29), counts), "0.29 * 100 is less than 29"


def test_a_proven_loss_on_too_many_of_them_is_none() -> None:
    base, new = against(60, 0, 200, 40)
    runs = [measured(name, samples(scores)) for name, scores in (("base", base), ("new", new))]
    assert decide(*runs, rules=(LIGHT,), contaminated=GIVEN).outcome == "fail"
    assert decide(*runs, rules=(LIGHT,), contaminated=GIVEN, max_contaminated=0.02).outcome == "invalid"


def test_only_what_a_rule_looks_at_counts() -> None:
    limit = {"max_contaminated": 0.02}
    assert found(structs.replace(CLAIM, exclude="contaminated"), **limit).outcome == "inconclusive"
    runs = gained(slices=[{"lang": "zh"}] * 30 + [{"lang": "en"}] * 270)
    rule = structs.replace(LIGHT, slice="lang=*")
    outcomes = {each.rule.slice: each for each in decide(*runs, rules=(rule,), contaminated=GIVEN, **limit).verdicts[0].findings}
    assert (outcomes["lang=en"].outcome, outcomes["lang=zh"].outcome) == ("pass", "invalid")
    assert "30 of 30 items (100.0 %) of facts" in outcomes["lang=zh"].reason
    halves = gained(slices=[{"split": "select"}] * 30 + [{"split": "gate"}] * 270)
    certify = structs.replace(MARGIN, split="gate")
    assert decide(*halves, rules=(certify,), contaminated=GIVEN, **limit).outcome == "pass"


def test_items_in_quarantine_are_not_looked_at() -> None:
    out = tuple(Quarantined(suite="facts", key=key, reason="known", until=date(2099, 1, 1)) for key in GIVEN["facts"][:27])
    finding = found(LIGHT, quarantine=out, max_contaminated=0.01)
    assert "3 of 273 items (1.1 %) of facts" in finding.reason
    assert found(LIGHT, quarantine=out, max_contaminated=0.011).outcome == "pass"


def test_only_the_tasks_of_a_rule_count_and_each_suite_for_itself() -> None:
    base, new = right(200, 70), right(200, 70)
    other = samples(right(20, 10), task="u", key=[f"u{index}" for index in range(30)])
    runs = [measured(name, [*samples([*scores]), *other]) for name, scores in (("base", base), ("new", new))]
    runs += [measured(name, samples(right(200, 70)), suite="skill") for name in ("base", "new")]
    pooled = Rule(metric="*/*/acc", require="non_inferior", margin=0.05, pool=True)
    rules = (structs.replace(MARGIN, metric="facts/t/acc"), structs.replace(MARGIN, metric="facts/u/acc", margin=0.4), pooled)
    given = {"facts": tuple(f"u{index}" for index in range(9))}
    one, two, three = decide(*runs, rules=rules, contaminated=given, max_contaminated=0.025).verdicts[0].findings
    assert one.outcome == "pass"
    assert "9 of 30 items (30.0 %) of facts" in two.reason
    assert "9 of 300 items (3.0 %) of facts" in three.reason, "and not of the 570 of both"
    assert three.metric == "*/*/acc"


def test_failed_items_are_looked_at_too() -> None:
    base, new = against(0, 30, 200, 70)
    runs = [measured(name, samples([None, None, None, *scores[3:]])) for name, scores in (("base", base), ("new", new))]
    finding = decide(*runs, rules=(LIGHT,), contaminated=GIVEN, max_contaminated=0.02, max_errors=0.1).verdicts[0].findings[0]
    assert "30 of 300 items" in finding.reason


def test_rules_that_nobody_wrote_are_not_refused() -> None:
    flags = {"watched": ("truncated",)}
    runs = [measured(name, samples(right(200, 100)), **flags) for name in ("base", "new")]
    rule = structs.replace(MARGIN, exclude="contaminated")
    findings = decide(*runs, rules=(rule,), contaminated=GIVEN, max_contaminated=0.02).verdicts[0].findings
    assert [(each.rule.implicit, each.outcome) for each in findings] == [(False, "pass"), (True, "pass")]


def test_a_recipe_is_refused_like_a_checkpoint() -> None:
    base, new = against(0, 30, 200, 70)
    runs = [measured("base", samples(base)), *(measured(f"s{index}", samples(new)) for index in range(3))]
    rule = structs.replace(MARGIN, about="recipe")
    settings: dict[str, Any] = {"rules": (rule,), "contaminated": GIVEN, "recipes": dict.fromkeys(("s0", "s1", "s2"), "careful")}
    finding = decide(*runs, **settings, max_contaminated=0.02).verdicts[0].findings[0]
    assert finding.outcome == "invalid"
    assert "30 of 300 items (10.0 %) of facts" in finding.reason
    passed = decide(*runs, **settings).verdicts[0].findings[0]
    assert passed.outcome == "pass"
    assert "; 30 of its 300 items were found in training data" in passed.reason


def test_asking_on_does_not_help_a_rule_that_is_refused() -> None:
    base, new = right(200, 100), right(100, 0)
    looks = Looks(settings=Sequential(), planned=(100, 200, 300), made=(100,))
    runs = table(measured("base", samples([*base])), measured("new", samples([*new]), looks=looks, planned=300))
    given = {"facts": tuple(f"k{index}" for index in range(290, 300))}
    policy = Policy(baseline="base", rules=(MARGIN,), contaminated=given)
    assert should_stop(runs, policy, "new", "facts") is None
    reached = should_stop(runs, structs.replace(policy, max_contaminated=0.02), "new", "facts")
    assert reached is not None
    assert reached.why.endswith("facts/t/acc beyond deciding"), "10 of 300 items, though none of those asked so far"


# ---------------------------------------------------------------------------------------------------- what is said


def test_a_pass_says_how_many_of_its_items_were_contaminated() -> None:
    passed = found(CLAIM)
    assert "; 30 of its 300 items were found in training data" in passed.reason
    assert passed.comparison is not None
    assert passed.comparison.parameters["contaminated"] == 30
    one = decide(*gained(), rules=(CLAIM,), contaminated={"facts": ("k0",)}).verdicts[0].findings[0]
    assert "; 1 of its 300 items was found in training data" in one.reason
    for quiet in (
        found(CLAIM, contaminated={}),
        found(structs.replace(CLAIM, slice="contaminated=yes")),
        found(structs.replace(CLAIM, metric="facts/t/acc", margin=0.2)),
    ):
        assert "of its" not in quiet.reason
