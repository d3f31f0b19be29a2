"""Rows of the gate table: rules that nobody wrote and that say the same stand together, and what holds is folded away."""

from __future__ import annotations

from typing import Any

import msgspec
from lxml import html as lxml_html

from harness.records import Comparison, Conclusion, Finding, Rule, Verdict
from reports import page
from reports.gate_rows import gate_tables
from reports.standing import standings


def flag(metric: str, outcome: Any = "fail", lost: int = 17, **fields: Any) -> Finding:
    comparison = Comparison(
        metric=metric, baseline="b", candidate="c", baseline_value=0.0, candidate_value=lost / 240, gain=-lost / 240, p=0.002,
        items=240, clusters=52, lost=lost,
    )  # fmt: skip
    suite, _, name = metric.split("/")
    rule = Rule(metric=f"{suite}/*/{name}", require="not_regressed", implicit=True)
    made = Finding(rule=rule, outcome=outcome, reason="why.", metric=metric, comparison=comparison)
    return msgspec.structs.replace(made, **fields)


def concluded(*findings: Finding, outcome: Any = "fail") -> Conclusion:
    verdict = Verdict(candidate="c", outcome=outcome, sentence="Do not ship c.", findings=findings)
    return Conclusion(created="", baseline="b", outcome=outcome, exit_code=10, verdicts=(verdict,))


def table(conclusion: Conclusion) -> Any:
    (made,) = gate_tables(conclusion, standings(conclusion, {}), {})
    return made


def test_suites_that_grade_the_same_answers_say_once_that_these_were_cut_off() -> None:
    made = table(concluded(flag("told/describe/truncated"), flag("writing/describe/truncated"), flag("slots/t/truncated", lost=3)))
    assert [(line.metric, line.alike) for line in made.lines] == [
        ("told/describe/truncated", ("writing/describe/truncated",)),
        ("slots/t/truncated", ()),
    ]


def test_other_flags_other_outcomes_and_rules_that_somebody_wrote_stand_alone() -> None:
    written = flag("c/t/truncated", rule=Rule(metric="c/t/truncated", require="not_regressed"))
    made = table(concluded(flag("a/t/truncated"), flag("b/t/empty"), written, flag("d/t/truncated", outcome="inconclusive")))
    assert len(made.lines) == 4
    assert not any(line.alike for line in made.lines)


def test_what_could_not_be_compared_for_one_reason_is_told_once() -> None:
    made = table(concluded(*(flag(f"{suite}/t/empty", "invalid", comparison=None) for suite in "abc"), outcome="invalid"))
    (line,) = made.lines
    assert line.alike == ("b/t/empty", "c/t/empty")


def test_of_a_failure_what_holds_is_folded_and_counted_in_full() -> None:
    held = flag("x/t/acc", "pass", rule=Rule(name="kept", metric="x/t/acc", require="non_inferior", margin=0.2))
    conclusion = concluded(flag("a/t/empty"), held, flag("b/t/empty", "pass", lost=0), flag("c/t/empty", "pass", lost=0))
    made = table(conclusion)
    assert [line.metric for line in made.lines] == ["a/t/empty"]
    assert [line.metric for line in made.quiet] == ["x/t/acc", "b/t/empty"]
    assert made.held.value == 3
    tree = lxml_html.document_fromstring(page.render(conclusion, {}, {}))
    assert tree.xpath("//details[@class='quiet']/summary")[0].text_content() == "3 more hold"
    assert "and, with the same numbers: c/t/empty" in tree.get_element_by_id("gate").text_content()


def test_of_a_pass_everything_that_somebody_asked_for_is_shown() -> None:
    held = flag("x/t/acc", "pass", rule=Rule(name="kept", metric="x/t/acc", require="non_inferior", margin=0.2))
    made = table(concluded(held, flag("b/t/empty", "pass", lost=0), outcome="pass"))
    assert [line.metric for line in made.lines] == ["x/t/acc"]
    assert [line.metric for line in made.quiet] == ["b/t/empty"]
