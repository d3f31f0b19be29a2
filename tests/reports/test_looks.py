"""Where a candidate that was asked look by look was stopped, and why: on the page, in the comment, at the terminal."""

from __future__ import annotations

import re

import msgspec
import pytest

from harness.gate import Policy, conclude
from harness.records import Conclusion, Looks, Measured, Rule, Sequential
from reports.comment import markdown
from reports.items.explorer import ABSENT
from reports.page import render
from reports.terminal import terminal
from reports.view import build
from tests.harness.runs import measured, right, samples, table
from tests.reports.unpacked import index_of

WHY = "at look 2 of 5, after 80 of 200 items, every rule about facts is decided: kept proven to fail"


def sides(stopped: str = WHY, made: tuple[int, ...] = (40, 80)) -> dict[tuple[str, str], Measured]:
    """A baseline that was asked 200 items, and a candidate that was asked some of them and got none right."""
    looks = Looks(settings=Sequential(), planned=(40, 80, 120, 160, 200), made=made, stopped=stopped)
    asked = samples([0.0] * made[-1])
    return dict(table(measured("old", right(180, 20)), measured("new", asked, looks=looks, planned=200, asked=made[-1])))


def concluded(runs: dict[tuple[str, str], Measured]) -> Conclusion:
    rule = Rule(name="kept", metric="facts/t/acc", require="non_inferior", margin=0.05)
    return conclude(runs, Policy(baseline="old", rules=(rule,)), created="2026-11-20T12:00:00+00:00", environment={})


@pytest.fixture(scope="module")
def runs() -> dict[tuple[str, str], Measured]:
    return sides()


@pytest.fixture(scope="module")
def conclusion(runs: dict[tuple[str, str], Measured]) -> Conclusion:
    return concluded(runs)


def test_the_conclusion_keeps_where_asking_ended_and_why(conclusion: Conclusion) -> None:
    health = {each.candidate: each for each in conclusion.health}
    assert health["old"].looks is None
    looks = health["new"].looks
    assert looks is not None
    assert (health["new"].asked, health["new"].planned, looks.stopped) == (80, 200, WHY)
    assert msgspec.json.decode(msgspec.json.encode(conclusion), type=Conclusion) == conclusion


def test_items_that_were_not_needed_are_not_missing(conclusion: Conclusion) -> None:
    finding = next(finding for finding in conclusion.verdicts[0].findings if finding.rule.name == "kept")
    assert finding.outcome == "fail"
    assert finding.comparison is not None
    assert (finding.comparison.items, finding.comparison.missing) == (80, 0)


def test_the_page_says_it_and_marks_nothing_as_missing(conclusion: Conclusion, runs: dict[tuple[str, str], Measured]) -> None:
    page = build(conclusion, runs, {})
    (line,) = page.looks
    assert (line.suite, line.candidate, line.asked.text, line.planned.text, line.early) == ("facts", "new", "80", "200", True)
    assert line.why == WHY
    strip = next(strip for strip in page.strips if not strip.is_baseline)
    assert (strip.total.asked, strip.total.unneeded, strip.total.planned) == (80, 120, 200)
    html = render(conclusion, runs, {})
    assert "Asked look by look" in html
    assert "At look 2 of 5, after 80 of 200 items, every rule about facts is decided: kept proven to fail." in html
    strip_html = html[html.index('class="strip"') : html.index("</table>", html.index('class="strip"'))]
    assert " mark" not in strip_html
    status = index_of(page.pack.index)["sides"][1]["status"]
    assert status.count(str(ABSENT)) == 120, "never asked is neither lost nor an error"


def test_items_that_are_missing_without_a_reason_are_marked() -> None:
    runs = sides(stopped="", made=(40, 80))
    html = render(concluded(runs), runs, {})
    strip_html = html[html.index('class="strip"') : html.index("</table>", html.index('class="strip"'))]
    assert " mark" in strip_html


def test_the_comment_folds_the_reason_in(conclusion: Conclusion) -> None:
    text = markdown(conclusion)
    assert "<details><summary>Asked look by look: 80 of 200 items were enough</summary>" in text
    assert "- facts, new: at look 2 of 5, after 80 of 200 items" in text


def test_the_terminal_says_how_far_each_was_asked(conclusion: Conclusion) -> None:
    assert "◔ new: asked 80 of 200 items of facts (look 2 of 5)" in terminal(conclusion)


def test_nothing_is_said_where_everybody_was_asked_in_full() -> None:
    runs = dict(table(measured("old", right(30, 10)), measured("new", right(29, 11))))
    conclusion = concluded(runs)
    assert "look by look" not in markdown(conclusion)
    assert not any("◔" in line for line in terminal(conclusion))
    assert not re.search("Asked look by look", render(conclusion, runs, {}))


def test_a_reason_cannot_break_out_of_the_page_or_the_comment() -> None:
    runs = sides("at look 1 of 5: <script>alert(1)</script> </details> ::error::x")
    conclusion = concluded(runs)
    assert "<script>alert(1)" not in render(conclusion, runs, {})
    assert "</details> ::error" not in markdown(conclusion)
