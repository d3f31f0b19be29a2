"""Who gets a verdict, and by which rules: references of others, and rules against the candidate itself."""

from __future__ import annotations

import msgspec

from harness.gate.policy import only_references
from harness.records import Candidate, Rule
from tests.harness.gate.deciding import MARGIN, decide
from tests.harness.runs import measured, right

BASE, BAD, GOOD = measured("base", right(500, 100)), measured("w46", right(300, 300)), measured("w47", right(500, 100))


def test_only_a_plain_base_serves_as_a_reference_and_nothing_else() -> None:
    assert only_references({"w47": "w46", "w46": "raw", "prod": "raw"}) == {"raw"}


def test_a_candidate_that_is_the_reference_of_another_is_judged_all_the_same() -> None:
    found = decide(BASE, BAD, GOOD, references={"w47": "w46", "w46": "base"})
    assert {each.candidate: each.outcome for each in found.verdicts} == {"w46": "fail", "w47": "pass"}
    assert found.exit_code == 10


def test_who_is_left_out_as_a_named_reference_is_said() -> None:
    found = decide(BASE, BAD, GOOD, references={"w47": "w46"})
    assert [each.candidate for each in found.verdicts] == ["w47"]
    said = "w46 was not judged: it only serves as the reference of w47, and has none of its own"
    assert said in found.verdicts[0].warnings
    adapter = msgspec.structs.replace(GOOD.run, candidate=Candidate(name="w47", model="models/raw", adapter="w47"))
    trained = msgspec.structs.replace(GOOD, run=adapter)
    assert said not in decide(BASE, BAD, trained, references={"w47": "w46"}).verdicts[0].warnings, "its base, which nobody named"


def test_a_rule_against_the_candidate_itself_is_not_made() -> None:
    against = msgspec.structs.replace(MARGIN, against="w46")
    found = decide(BASE, BAD, GOOD, rules=(against,))
    verdicts = {each.candidate: each for each in found.verdicts}
    assert [finding.rule.against for finding in verdicts["w47"].findings] == ["w46"]
    assert verdicts["w46"].findings == ()
    assert verdicts["w46"].outcome == "inconclusive", "nothing was decided about it"
    assert "no blocking rule about it" in verdicts["w46"].sentence
    assert found.exit_code == 11
    both = decide(BASE, measured("w46", right(500, 100)), GOOD, rules=(against, MARGIN))
    assert {each.candidate: len(each.findings) for each in both.verdicts} == {"w46": 1, "w47": 2}
    assert both.exit_code == 0


def test_a_rule_about_a_score_of_its_own_is_compared_with_nobody() -> None:
    value = Rule(metric="facts/*/acc", require="at_least", value=0.8, against="w46")
    found = decide(BASE, BAD, GOOD, rules=(value,))
    assert {each.candidate: each.outcome for each in found.verdicts} == {"w46": "fail", "w47": "pass"}
