"""Annotations for GitHub Actions: at the rule's line, few enough to be shown, and never an order that a model gave."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from harness.records import Conclusion, Finding
from reports.github import SHOWN, outputs, workflow_commands
from tests.reports.told import HOSTILE_NAME, concluded, finding
from tests.runner import obeyed

HOSTILE = (
    "::error::owned",
    "\n::stop-commands::abc\n::set-env name=PATH::/evil",
    "##[add-path]/evil",
    "\r\n##[error]owned",
    "%0A::error::owned%0D",
    "a,line=1::warning::b",
    HOSTILE_NAME,
)


def at(line: int, each: Finding) -> Finding:
    return msgspec.structs.replace(each, rule=msgspec.structs.replace(each.rule, line=line))


def told(*findings: Finding, file: str = "policy/gate.toml") -> list[Any]:
    return obeyed("\n".join(workflow_commands(concluded(*findings), file=file)))


@pytest.mark.parametrize(
    ("outcome", "severity", "level"),
    [
        ("fail", "block", "error"),
        ("invalid", "block", "error"),
        ("not_comparable", "block", "error"),
        ("no_baseline", "block", "error"),
        ("inconclusive", "block", "warning"),
        ("insensitive", "block", "warning"),
        ("fail", "warn", "warning"),
        ("fail", "inform", "notice"),
    ],
)
def test_an_annotation_stands_at_the_line_of_its_rule(outcome: Any, severity: Any, level: str) -> None:
    (only,) = told(at(31, finding(outcome, severity, name="keeps refusals")))
    assert only.name == level
    assert only.properties == {"file": "policy/gate.toml", "line": "31", "title": "sftgate: keeps refusals"}
    assert only.message == f"c: {outcome.replace('_', ' ')}. s/t/acc: a loss is proven."


def test_what_passes_is_not_annotated() -> None:
    assert told(at(3, finding("pass"))) == []


def test_the_findings_of_one_rule_share_its_annotation() -> None:
    found = told(*[at(7, finding(metric=f"s/{number}/acc", name="keeps facts")) for number in range(8)])
    assert len(found) == 1
    assert len(found[0].message.splitlines()) == 6
    assert found[0].message.endswith("and 3 more")


def test_of_more_than_ten_of_a_level_the_last_counts_the_others() -> None:
    found = told(*[at(number, finding(name=f"rule {number}")) for number in range(30)], at(99, finding("inconclusive")))
    errors = [each for each in found if each.name == "error"]
    assert len(errors) == SHOWN
    assert errors[-1].message.startswith("21 more rules")
    assert [each.name for each in found if each.name != "error"] == ["warning"]


def test_a_rule_without_a_line_is_annotated_at_the_file_and_outside_the_repository_nowhere() -> None:
    assert told(finding())[0].properties == {"file": "policy/gate.toml", "title": "sftgate: s/t/acc"}
    assert told(at(3, finding()), file="")[0].properties == {"title": "sftgate: s/t/acc"}


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_inside_its_annotation(text: str) -> None:
    each = at(4, finding(name=text, metric=f"s/{text}/acc"))
    found = obeyed("\n".join(workflow_commands(concluded(each, candidate=text), file=f"a{text}.toml")))
    assert [one.name for one in found] == ["error"]
    assert set(found[0].properties) == {"file", "line", "title"}
    assert found[0].properties["line"] == "4"


@pytest.mark.parametrize("text", HOSTILE)
def test_outputs_are_one_line_each(text: str) -> None:
    said = msgspec.structs.replace(concluded(finding("pass"), outcome="pass", candidate=text), exit_code=0)
    lines = outputs(said, report=f"runs/{text}").splitlines()
    assert [line.split("=", 1)[0] for line in lines] == ["outcome", "exit-code", "passed", "report"]
    assert lines[:2] == ["outcome=pass", "exit-code=0"]


def test_a_conclusion_without_verdicts_annotates_nothing() -> None:
    assert workflow_commands(Conclusion(created="", baseline="b", outcome="no_baseline", exit_code=12), file="x") == []
