"""What people said, on the page: every number is that of the conclusion, and hostile names stay text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.gate import Policy, conclude
from harness.records import Conclusion, Measured
from reports import page
from reports.blind.form import Form
from reports.people import what_people_said
from reports.people.words import told
from reports.votes.pooling import Poll
from reports.votes.unblinding import to_measured
from tests.reports.people.test_people import voted
from tests.reports.test_page import parsed, resolve, said
from tests.reports.votes.ballots import entry, key_of

HOSTILE = "<script>alert(1)</script>"


def sides() -> tuple[Measured, Measured]:
    """Uneven drawing, two raters who agree mostly and a third who sleeps, duplicates, checks, times."""
    items = [entry(n, left=n % 2 == 0, stratum=str(n <= 10), probability=0.5 if n <= 10 else 1.0) for n in range(1, 31)]
    again = [entry(n + 40, left=n % 2 == 1, kind="duplicate", item=f"item{n}", twin=f"r{n:03d}") for n in range(1, 9)]
    checks = [entry(n, item=f"check{n}", kind="attention", candidate_side=None, expected="left") for n in range(61, 66)]
    key = key_of(*items, *again, *checks, form=Form())
    said = {n: float((n - 40 if n > 40 else n) % 3 > 0) for n in (*range(1, 31), *range(41, 49))}
    good = dict.fromkeys(range(61, 66), "left")
    votes = [
        *voted(key, "ana", {**said, **good}, seconds=12.0),
        *voted(key, HOSTILE, {**said, 1: "tie", 2: 0.0, **good}, seconds=20.0),
        *voted(key, "bo", dict.fromkeys((*said, *good), "right"), seconds=0.1),
    ]
    return to_measured((Poll(key=key, votes=tuple(votes), people=what_people_said(votes, key)),))


def concluded() -> tuple[Conclusion, dict[tuple[str, str], Measured]]:
    baseline, candidate = sides()
    measured = {("human", "prod"): baseline, ("human", "week47"): candidate}
    return conclude(measured, Policy(baseline="prod", bad_answers=False), created="", environment={}), measured


def test_every_number_of_the_panel_is_that_of_the_conclusion() -> None:
    conclusion, measured = concluded()
    tree = parsed(page.render(conclusion, measured, {}))
    data = json.loads(tree.get_element_by_id("data").text_content())
    section = tree.get_element_by_id("people")
    shown = section.xpath(".//*[@data-at]")
    assert len(shown) > 60
    for node in shown:
        value: Any = resolve(data, node.get("data-at"))
        assert value is not None, node.get("data-at")
        if node.get("data-at").endswith("/p"):
            continue
        number, step = said(node.text_content())
        assert abs(number - value) <= step, node.get("data-at")
    text = section.text_content()
    for words in ("every item counting alike", "without bo", "failed attention checks", "Fleiss", HOSTILE,
                  "too fast to have read"):  # fmt: skip
        assert words in text
    assert not section.xpath(".//script")


def test_the_terminal_says_the_same() -> None:
    _, candidate = sides()
    (people,) = candidate.run.people
    lines = told(people)
    win = people.win.value
    assert win is not None
    assert any(line.startswith("won by the candidate: ") and f"{100 * win:.1f} %" in line for line in lines)
    assert any(line.endswith(f"all intervals here are {100 * people.level:g} % ones") for line in lines)
    assert any("without bo, who failed attention checks" in line for line in lines)
    assert any(line.startswith("bo: 43 of 43 rows") and "failed 5 of 5 attention checks" in line for line in lines)
    assert people.win.value != pytest.approx(people.plain.value)


def test_a_page_without_people_has_no_such_section() -> None:
    conclusion, measured = concluded()
    bare = {pair: Measured(run=_without(each), samples=each.samples) for pair, each in measured.items()}
    text = page.render(conclude(bare, Policy(baseline="prod", bad_answers=False), created="", environment={}), bare, {})
    assert 'id="people"' not in text
    assert conclusion.people


def _without(each: Measured) -> Any:
    from msgspec import structs

    return structs.replace(each.run, people=())
