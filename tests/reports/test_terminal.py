"""Lines for a terminal: the answer first, few, and safe to print."""

from __future__ import annotations

import re

import msgspec
import pytest

from harness.records import Conclusion
from reports.comment import markdown
from reports.junit import junit
from reports.terminal import _wide, terminal
from tests.reports import fixtures
from tests.reports.told import HOSTILE_NAME, concluded, finding


@pytest.fixture(scope="module")
def conclusion() -> Conclusion:
    return fixtures.full()[0]


def test_the_terminal_says_the_answer_first_and_names_every_rule_that_did_not_pass(conclusion: Conclusion) -> None:
    lines = terminal(conclusion)
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
    told = terminal(
        Conclusion(
            created="",
            baseline="b",
            outcome="fail",
            exit_code=10,
            verdicts=(msgspec.structs.replace(one, warnings=("c is identical to b",)),),
        )
    )
    assert "  ✕ Fail: kept (×3: s/a/acc; s/b/acc; s/c/acc)" in told
    assert "  ▲ Warning: fail: canary" in told
    assert "  ▲ c is identical to b" in told
    assert not any("a loss is proven." in line for line in told)


def test_sixty_candidates_and_two_hundred_rules_can_still_be_read() -> None:
    one = concluded(*(finding(name=f"rule {number}") for number in range(200))).verdicts[0]
    worn = ("the items are worn",)
    verdicts = tuple(msgspec.structs.replace(one, candidate=f"c{number}", warnings=worn) for number in range(60))
    passing = msgspec.structs.replace(one, candidate="last", outcome="pass", findings=(finding("pass"),), warnings=worn)
    lines = terminal(msgspec.structs.replace(concluded(finding()), verdicts=(*verdicts, passing)))
    assert lines[0].startswith("Ship last. Don’t ship c0, c1, ")
    assert lines[0].endswith(" and 48 more.")
    assert any(line.startswith("✓ last: ") for line in lines), "who may ship is among those who get a sentence"
    assert "… and 51 more candidates, each with its reasons in report.html." in lines
    assert sum("rule 0, rule 1, " in line and line.endswith(" and 170 more") for line in lines) == 9
    assert [line for line in lines if "worn" in line] == ["▲ of all candidates: the items are worn"]
    assert len(lines) < 120


def test_terminal_lines_are_single_lines_without_control_characters() -> None:
    for line in terminal(concluded(finding(name=HOSTILE_NAME), candidate=HOSTILE_NAME + "\n::error::x")):
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", line)


def test_chinese_names_line_up_in_the_terminal() -> None:
    one = concluded(finding()).verdicts[0]
    both = msgspec.structs.replace(concluded(finding()), verdicts=(one, msgspec.structs.replace(one, candidate="候选模型")))
    rows = [line for line in terminal(both) if " fail " in line and ":" not in line]
    assert len({_wide(line[: line.index("fail")]) for line in rows}) == 1


def test_a_conclusion_without_candidates_has_words_everywhere() -> None:
    empty = Conclusion(created="", baseline="b", outcome="no_baseline", exit_code=12)
    assert "no candidate" in markdown(empty)
    assert "no candidate" in terminal(empty)[0]
    assert b"<error" in junit(empty), "no test case at all would be green"
