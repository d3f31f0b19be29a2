"""The JUnit file: what CI systems know, and nothing that they cannot read."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

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
    assert len(found) == sum(len(verdict.findings) for verdict in conclusion.verdicts)
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
    assert [each.tag for each in case if each.tag != "properties"] == ([child] if child else [])
    assert {each.get("name") for each in case.iter("property")} >= {"gain", "low", "high", "margin", "p", "items"}


def test_junit_counts_what_it_holds(conclusion: Conclusion) -> None:
    root = ElementTree.fromstring(junit(conclusion))
    for attribute, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(root.get(attribute) or -1) == len(list(root.iter(tag)))


def test_junit_drops_what_xml_cannot_hold() -> None:
    data = junit(concluded(finding(name=HOSTILE_NAME + "\ud800\uffff"), candidate=HOSTILE_NAME))
    assert ElementTree.fromstring(data) is not None
    assert b"\x1b" not in data
    assert b"\x00" not in data


def test_a_verdict_without_findings_is_still_a_case() -> None:
    assert len(cases(concluded(outcome="inconclusive"))) == 1
