"""The JUnit file: what CI systems know, and nothing that they cannot read."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from lxml import etree

from harness.records import Conclusion
from reports.junit import junit
from tests.reports import fixtures
from tests.reports.told import HOSTILE_NAME, concluded, finding


@pytest.fixture(scope="module")
def conclusion() -> Conclusion:
    return fixtures.full()[0]


def cases(conclusion: Conclusion) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(junit(conclusion)).iter("testcase"))


def test_junit_has_one_unique_case_per_finding(conclusion: Conclusion) -> None:
    found = cases(conclusion)
    undecided = [verdict for verdict in conclusion.verdicts if verdict.outcome in ("inconclusive", "insensitive")]
    assert len(found) == sum(len(verdict.findings) for verdict in conclusion.verdicts) + len(undecided)
    names = [(case.get("classname"), case.get("name")) for case in found]
    assert len(set(names)) == len(names)


def test_junit_keeps_doubled_rules_apart() -> None:
    names = [case.get("name") for case in cases(concluded(finding(), finding()))]
    assert names == ["s/t/acc", "s/t/acc #2"]


@pytest.mark.parametrize(
    ("outcome", "severity", "child"),
    [
        ("pass", "block", None),
        ("fail", "block", "failure"),
        ("invalid", "block", "error"),
        ("not_comparable", "block", "error"),
        ("no_baseline", "block", "error"),
        ("inconclusive", "block", "skipped"),
        ("insensitive", "block", "skipped"),
        ("fail", "warn", "skipped"),
    ],
)
def test_junit_maps_outcomes_to_what_ci_systems_know(outcome: Any, severity: Any, child: str | None) -> None:
    case = cases(concluded(finding(outcome, severity), outcome="fail"))[0]
    assert [each.tag for each in case if each.tag != "system-out"] == ([child] if child else [])
    numbers = dict(re.findall(r"(?m)^\[\[PROPERTY\|(\w+)=(.*)\]\]$", case.findtext("system-out") or ""))
    assert numbers | {"gain": "-0.04", "margin": "0.02", "items": "1200"} == numbers
    assert {"low", "high", "p", "method"} <= set(numbers)


def test_junit_counts_what_it_holds(conclusion: Conclusion) -> None:
    root = ElementTree.fromstring(junit(conclusion))
    for attribute, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        for place in (*root, root) if attribute != "skipped" else root:
            assert int(place.get(attribute) or -1) == len(list(place.iter(tag)))


def test_junit_drops_what_xml_cannot_hold() -> None:
    data = junit(concluded(finding(name=HOSTILE_NAME + "\ud800\uffff"), candidate=HOSTILE_NAME))
    assert ElementTree.fromstring(data) is not None
    assert b"\x1b" not in data
    assert b"\x00" not in data


def test_a_verdict_without_findings_is_still_a_case() -> None:
    assert len(cases(concluded(outcome="inconclusive"))) == 1


JENKINS = """
<grammar xmlns="http://relaxng.org/ns/structure/1.0" datatypeLibrary="http://www.w3.org/2001/XMLSchema-datatypes">
  <start><element name="testsuites">
    <ref name="counted"/><optional><attribute name="name"/></optional>
    <zeroOrMore><ref name="suite"/></zeroOrMore>
  </element></start>
  <define name="counted">
    <optional><attribute name="tests"><data type="nonNegativeInteger"/></attribute></optional>
    <optional><attribute name="failures"><data type="nonNegativeInteger"/></attribute></optional>
    <optional><attribute name="errors"><data type="nonNegativeInteger"/></attribute></optional>
  </define>
  <define name="suite"><element name="testsuite">
    <attribute name="name"/>
    <attribute name="tests"/><attribute name="failures"/><attribute name="errors"/>
    <optional><attribute name="skipped"/></optional>
    <zeroOrMore><element name="testcase">
      <attribute name="name"/><attribute name="classname"/>
      <zeroOrMore><choice>
        <element name="skipped"><ref name="said"/></element>
        <element name="error"><ref name="said"/></element>
        <element name="failure"><ref name="said"/></element>
        <element name="system-out"><text/></element>
      </choice></zeroOrMore>
    </element></zeroOrMore>
  </element></define>
  <define name="said">
    <optional><attribute name="type"/></optional><optional><attribute name="message"/></optional><text/>
  </define>
</grammar>
"""
"""What the junit-10 schema of Jenkins' xUnit plugin allows, as far as we use it."""


def test_junit_is_what_the_schema_of_jenkins_allows(conclusion: Conclusion) -> None:
    schema = etree.RelaxNG(etree.fromstring(JENKINS))
    hostile = concluded(finding(name=HOSTILE_NAME), finding("pass"), finding("invalid"), candidate=HOSTILE_NAME)
    empty = Conclusion(created="", baseline="b", outcome="no_baseline", exit_code=12)
    for each in (conclusion, hostile, concluded(outcome="inconclusive"), empty):
        assert schema.validate(etree.fromstring(junit(each))), schema.error_log
    assert not schema.validate(etree.fromstring(b"<testsuites><testsuite name='x'/></testsuites>"))


@pytest.mark.parametrize("outcome", ["inconclusive", "insensitive"])
def test_a_candidate_that_is_not_decided_is_not_green(outcome: Any) -> None:
    found = cases(concluded(finding(outcome), finding("pass"), outcome=outcome))
    assert [[each.tag for each in case if each.tag != "system-out"] for case in found] == [["skipped"], [], ["failure"]]
    assert found[-1].get("name") == "verdict"
    assert [each.get("type") for each in found[-1]] == [outcome.capitalize()]
    assert 'failures="1"' in junit(concluded(finding(outcome), outcome=outcome)).decode().splitlines()[1]


def test_only_what_holds_the_gate_up_is_a_failure() -> None:
    waived = msgspec.structs.replace(concluded(finding("inconclusive"), outcome="inconclusive"), exit_code=0)
    assert not [case for case in cases(waived) if case.find("failure") is not None]
    advice = finding("inconclusive", "warn")
    advice = msgspec.structs.replace(advice, rule=msgspec.structs.replace(advice.rule, about="recipe"))
    assert not [case for case in cases(concluded(advice, outcome="inconclusive")) if case.find("failure") is not None]
    failed = cases(concluded(finding("fail"), finding("inconclusive"), outcome="fail"))
    assert [case.get("name") for case in failed] == ["s/t/acc", "s/t/acc #2"], "the failure says it"
