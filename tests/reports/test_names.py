"""What a number is called is what it is: under each heading of each table stand numbers of that name, of the candidate and the
metric that the row names. A number that is right, under the wrong name, is a wrong number."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from lxml import html as lxml_html

from reports import page
from tests.reports.harmed import everything

GAIN = {"gain", "low", "high"}
SCORE = {"baseline_value"}
CALLED: dict[str, dict[str, set[str]]] = {
    "candidates": {"Target gain": GAIN, "Worst retained": {*GAIN, "missing"}},
    "health": {
        "Asked": {"asked"}, "Planned": {"planned"}, "Errors": {"failed"}, "Truncated": {"truncated"}, "Empty": {"empty"},
        "Unparsable": {"unparsable"}, "Conflict": {"conflict"}, "Value": {"value"},
    },
    "gate": {
        "Gain [interval]": {*GAIN, "level"}, "p": {"p", "p_holm", "p_contrary"}, "Items": {"items", "missing", "clusters"},
        "MDE": {"mde"},
    },
    "gains": {"Candidate": {"items"}, "Gain": GAIN},
    "forgetting": {
        "Target gain": {"gain", "target_gain", "target_low", "target_high"}, "General gain": {"gain"}, "Items": {"items"},
        "Before": SCORE, "Gain on what was retained": {"retained_gain", "retained_low", "retained_high"},
        "Lost": {"lost", "lost_low", "lost_high"}, "Gained": {"gained"}, "Known before": {"known"}, "Lost by all": {"count"},
        "Expected at random": {"expected"}, "worse": {"lost"}, "same": {"both"}, "better": {"gained"}, "Noise": {"noise"},
        "Lost and not guessed": {"known", "known_low"},
    },
    "slices": {
        "Items": {"items"}, "Before": SCORE, "Candidate": {"candidate_value"}, "Gain, + is better": GAIN, "p, corrected": {"p_bh"},
    },
    "failures": {
        "Items": {"items"}, "Lost": {"lost"}, "Lost elsewhere": {"elsewhere"}, "Share of all lost": {"share"},
        "Explained": {"excess"}, "Answers": {"count"},
    },
    "judges": {
        "Win": {"win"}, "Tie": {"tie"}, "Loss": {"loss"}, "Orders or raters disagree": {"conflict"}, "Unparsable": {"unparsable"},
        "Items": {"items"}, "Win rate": {"rate", "low", "high"}, "At equal length": {"length", "length_low", "length_high"},
        "No contradiction": {"consistent", "consistent_low", "consistent_high", "consistent_items"},
        "At equal style": {"style", "style_low", "style_high"}, "Same in both orders": {"consistent_items"},
        "First slot": {"first"}, "Second slot": {"second"}, "Verdicts unreadable": {"unparsable", "verdicts"},
    },
    "people": {"Items with two votes": {"items"}, "Voted": {"voted", "given"}, "Checks failed": {"failed", "checks"}},
    "latency": {
        "Baseline": SCORE, "Candidate": {"candidate_value"}, "Gain, + is better": GAIN, "Items": {"items"}, "n": {"items"},
        "5%": {"cuts/0"}, "25%": {"cuts/1"}, "50%": {"cuts/2"}, "75%": {"cuts/3"}, "95%": {"cuts/4"},
        "Read": {"tokens_in"}, "Written": {"tokens_out"}, "Money": {"cost"},
    },
    "training": {
        "loss": {"loss"}, "learning rate": {"learning_rate"}, "gradient norm": {"grad_norm"}, "Target gain": {"target"},
        "General gain": {"general"}, "Rules broken": {"broken"}, "not proven": {"unproven"},
    },
    "contamination": {"Items counted": {"items"}, "Of these, found": {"contaminated"}},
    "history": {
        "Score": {"score"}, "Against the one before": {"step"}, "Against the reference": {"gain"}, "Against the first": {"gain"},
    },
    "provenance": {"Requests sent": {"sent_requests"}, "Re-used": {"reused_requests"}, "Time": {"seconds"}},
}  # fmt: skip
"""Section -> heading -> the last step of the pointers beneath it."""
ABSENT = {
    ("history", "Against the reference"),
    *(("forgetting", name) for name in ("Noise", "Lost and not guessed")),
    *(("latency", name) for name in ("Read", "Written", "Money")),
}
"""What this page does not have."""
SHARED = {("forgetting", "Items"), ("forgetting", "Before")}
"""Columns of all candidates."""
UNNAMED = ("/standings/", "/flips/")
"""Means of several metrics, and counts by each suite's first one."""
ORDERED = {
    ("gate", "Baseline candidate"): ["baseline_value", "candidate_value"],
    ("gate", "Lost / won"): ["lost", "won"],
    ("forgetting", "now right"): ["both", "gained"],
    ("forgetting", "now wrong"): ["lost", "neither"],
    ("people", "Voted"): ["voted", "given"],
    ("people", "Checks failed"): ["failed", "checks"],
}
"""Where one column has two numbers of one kind: which comes first."""


def said(element: Any) -> str:
    return " ".join(" ".join(element.itertext()).split())


@pytest.fixture(scope="module")
def tree() -> Any:
    parser = lxml_html.HTMLParser(encoding="utf-8", huge_tree=True)
    return lxml_html.document_fromstring(page.render(*everything()).encode(), parser=parser)


def cells(tree: Any) -> Iterator[tuple[str, str, Any]]:
    """Section, heading and cell, of all tables with headings."""
    for section in tree.xpath("//main/section"):
        name = section.get("id") or section.get("aria-labelledby").removesuffix("-title")
        for table in section.xpath(".//table[thead]"):
            heads = [
                said(head).lstrip("●■◇✕ ")
                for head in table.xpath("./thead/tr[last()]/*")
                for _ in range(int(head.get("colspan") or 1))
            ]
            for row in table.xpath("./tbody/tr"):
                place = 0
                for cell in row:
                    if place < len(heads):
                        yield name, heads[place], cell
                    place += int(cell.get("colspan") or 1)


def last(at: str) -> str:
    steps = at.split("/")
    return "/".join(steps[-2:]) if steps[-2] == "cuts" else next(step for step in reversed(steps) if not step.isdigit())


def test_under_each_heading_stand_numbers_of_that_name(tree: Any) -> None:
    seen: dict[tuple[str, str], list[str]] = {}
    for section, heading, cell in cells(tree):
        found = [last(figure.get("data-at")) for figure in cell.xpath(".//*[@data-at]")]
        seen.setdefault((section, heading), []).extend(found)
        expected = CALLED.get(section, {}).get(heading)
        assert expected is None or set(found) <= expected, (section, heading, found)
    missing = {(section, heading) for section, names in CALLED.items() for heading in names if not seen.get((section, heading))}
    assert missing <= ABSENT
    for place, order in ORDERED.items():
        found = [name for name in seen[place] if name in order]
        assert found, place
        assert found == order * (len(found) // len(order)), place


def record(data: Any, at: str, field: str) -> str | None:
    """The nearest record around the number that has such a field."""
    found = None
    for step in at.strip("/").split("/"):
        data = data[int(step)] if isinstance(data, list) else data[step.replace("~1", "/").replace("~0", "~")]
        if isinstance(data, dict) and isinstance(data.get(field), str):
            found = data[field]
    return found


def test_a_number_stands_with_the_candidate_and_the_metric_whose_it_is(tree: Any) -> None:
    data = json.loads(tree.get_element_by_id("data").text)
    checked = 0
    for section, heading, cell in cells(tree):
        if section == "candidates":
            continue  # a mean of several metrics has no single one
        around = " ".join(
            [heading, said(cell.getparent())]
            + [said(each) for each in cell.xpath("ancestor::table[1]/caption | ancestor::tbody/tr[@class='group']")]
            + [said(each) for each in cell.xpath("ancestor::details/summary | ancestor::article/h3 | ancestor::figure/figcaption")]
            + [said(each) for each in cell.xpath("ancestor::*/preceding-sibling::h3[1] | ancestor::div[@class='suite']/h4")]
        )
        around = re.sub(r"\s+", "", around)
        for figure in cell.xpath(".//*[@data-at]"):
            for field in ("candidate", "metric", "suite"):
                name = record(data, figure.get("data-at"), field)
                if field == "candidate" and (section, heading) in SHARED:
                    continue
                if name is not None and not (field == "metric" and figure.get("data-at").startswith(UNNAMED)):
                    checked += 1
                    told = name if field != "metric" else name.rpartition("/")[2]
                    assert told.replace(" ", "") in around, (section, heading, field, name, figure.get("data-at"), around[:300])
    assert checked > 1000
