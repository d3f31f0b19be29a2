"""Comment, JUnit file and terminal lines: short, complete, and safe to print."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest

from harness.records import Comparison, Conclusion, Finding, Rule, Verdict
from reports import summary
from tests.reports import fixtures

HOSTILE_NAME = "<img src=x onerror=alert(1)> @everyone #1 [x](javascript:1) `|` ::error::\x1b[31m\u202e\x00"


def finding(outcome: Any = "fail", severity: Any = "block", name: str | None = None, metric: str = "s/t/acc") -> Finding:
    comparison = Comparison(
        metric=metric,
        baseline="b",
        candidate="c",
        baseline_value=0.7,
        candidate_value=0.66,
        gain=-0.04,
        low=-0.06,
        high=-0.0201,
        p=0.0,
        items=1200,
        lost=60,
        won=12,
    )
    rule = Rule(name=name, metric=metric, require="non_inferior", margin=0.02, severity=severity)
    return Finding(rule=rule, outcome=outcome, reason=f"{metric}: a loss is proven.", metric=metric, comparison=comparison)


def concluded(*findings: Finding, outcome: Any = "fail", candidate: str = "c") -> Conclusion:
    verdict = Verdict(candidate=candidate, outcome=outcome, sentence=f"Do not ship {candidate}: s/t/acc fell.", findings=findings)
    return Conclusion(created="", baseline="b", outcome=outcome, exit_code=10, verdicts=(verdict,))


@pytest.fixture(scope="module")
def conclusion() -> Conclusion:
    return fixtures.full()[0]


def test_the_comment_starts_with_its_marker_and_one_alert(conclusion: Conclusion) -> None:
    lines = summary.markdown(conclusion).splitlines()
    assert lines[0] == summary.MARKER
    assert lines[1] == "> [!WARNING]"
    assert lines[2].startswith("> **Ship full-replay.**")
    assert any("would have shipped careless" in line for line in lines[:12])
    assert summary.markdown(concluded(finding())).splitlines()[1] == "> [!CAUTION]"
    assert summary.markdown(concluded(finding("pass"), outcome="pass")).splitlines()[1] == "> [!TIP]"


def test_the_comment_shows_worst_retained_losses_without_the_runs(conclusion: Conclusion) -> None:
    row = next(line for line in summary.markdown(conclusion).splitlines() if line.startswith("| ❌ fail | careless"))
    assert "+99.5 pp" in row
    assert "−51.3 pp" in row
    assert "general/refusals/acc" in row


def test_the_comment_shows_failures_open_and_passes_folded(conclusion: Conclusion) -> None:
    text = summary.markdown(conclusion)
    assert text.index("keeps refusals") < text.index("<details>")
    assert text.count("<details>") == text.count("</details>") == len(conclusion.verdicts) + 1  # and one for what was not equal


def test_numbers_beside_a_margin_are_not_rounded_onto_it() -> None:
    text = summary.markdown(concluded(finding()))
    assert "−2.01 pp" in text
    assert "< 0.0001" in text


@pytest.mark.parametrize("count", [1000, 5000])
def test_a_comment_never_exceeds_its_budget_and_says_that_it_was_cut(count: int) -> None:
    findings = tuple(finding("fail" if number % 2 else "pass", name=f"rule {number}") for number in range(count))
    text = summary.markdown(concluded(*findings))
    assert len(text) <= summary.BUDGET
    assert "Cut to fit a comment" in text
    assert text.count("<details>") == text.count("</details>")
    assert text.startswith(summary.MARKER)


def test_a_comment_about_very_many_candidates_still_fits() -> None:
    one = concluded(finding()).verdicts[0]
    many = tuple(msgspec.structs.replace(one, candidate=f"candidate {number} " + "x" * 80) for number in range(600))
    text = summary.markdown(msgspec.structs.replace(concluded(finding()), verdicts=many))
    assert len(text) <= summary.BUDGET
    assert "Cut to fit a comment" in text


def test_names_and_reasons_cannot_become_html_links_mentions_or_table_borders() -> None:
    text = summary.markdown(concluded(finding(name=HOSTILE_NAME), candidate=HOSTILE_NAME))
    assert "<img" not in text
    assert "@everyone" not in text
    assert "](javascript" not in text
    assert "#1" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if line.startswith("| ❌")}
    assert widths <= {6, 9}


def cases(conclusion: Conclusion) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(summary.junit(conclusion)).iter("testcase"))


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
    root = ElementTree.fromstring(summary.junit(conclusion))
    for attribute, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(root.get(attribute) or -1) == len(list(root.iter(tag)))


def test_junit_drops_what_xml_cannot_hold() -> None:
    data = summary.junit(concluded(finding(name=HOSTILE_NAME + "\ud800\uffff"), candidate=HOSTILE_NAME))
    assert ElementTree.fromstring(data) is not None
    assert b"\x1b" not in data
    assert b"\x00" not in data


def test_a_verdict_without_findings_is_still_a_case() -> None:
    assert len(cases(concluded(outcome="inconclusive"))) == 1


def test_the_terminal_says_the_answer_first_and_names_every_rule_that_did_not_pass(conclusion: Conclusion) -> None:
    lines = summary.terminal(conclusion)
    assert lines[0].startswith("Ship full-replay. ")
    assert "A leaderboard of the target alone would have shipped careless." in lines
    table = [line for line in lines if re.match(r"  (careless|lora|full-replay|lora-replay)\s", line)]
    assert [line.split()[0] for line in table] == ["careless", "full-replay", "lora-replay", "lora"]
    text = "\n".join(lines)
    for verdict in conclusion.verdicts:
        assert text.count(f" {verdict.candidate}: ") == 1
        names = {each.rule.name or each.metric or each.rule.metric for each in verdict.findings if each.outcome != "pass"}
        assert not [name for name in names if name not in text]
    assert lines[-1] == "Every reason, with its numbers, is in report.html and summary.md."


def test_the_terminal_keeps_the_reasons_for_the_report_and_the_warnings_for_the_reader() -> None:
    same = [finding(name="kept", metric=f"s/{task}/acc") for task in "abc"]
    one = concluded(*same, finding(severity="warn", name="canary")).verdicts[0]
    told = summary.terminal(
        Conclusion(
            created="",
            baseline="b",
            outcome="fail",
            exit_code=10,
            verdicts=(msgspec.structs.replace(one, warnings=("c is identical to b",)),),
        )
    )
    assert "  ✕ Fail: kept (×3)" in told
    assert "  ▲ Warning: fail: canary" in told
    assert "  ▲ c is identical to b" in told
    assert not any("a loss is proven." in line for line in told)


def test_terminal_lines_are_single_lines_without_control_characters() -> None:
    for line in summary.terminal(concluded(finding(name=HOSTILE_NAME), candidate=HOSTILE_NAME + "\n::error::x")):
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", line)


def test_chinese_names_line_up_in_the_terminal() -> None:
    one = concluded(finding()).verdicts[0]
    both = msgspec.structs.replace(concluded(finding()), verdicts=(one, msgspec.structs.replace(one, candidate="候选模型")))
    rows = [line for line in summary.terminal(both) if " fail " in line and ":" not in line]
    assert len({summary._wide(line[: line.index("fail")]) for line in rows}) == 1


def test_a_conclusion_without_candidates_has_words_everywhere() -> None:
    empty = Conclusion(created="", baseline="b", outcome="no_baseline", exit_code=12)
    assert "no candidate" in summary.markdown(empty)
    assert "no candidate" in summary.terminal(empty)[0]
    assert cases(empty) == []
