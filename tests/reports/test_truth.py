"""What is shown stands on the side on which it was decided; no number of a table comes from elsewhere than the page's own data."""

from __future__ import annotations

import re
from typing import Any

import pytest
from lxml import html as lxml_html

from harness.records import Comparison, Finding, Require, Rule
from reports import page
from reports.gate_rows import gate_line
from tests.reports import fixtures
from tests.reports.told import concluded, finding

NEARBY = (-1e-3, -1e-4, -1e-5, -1e-6, 0.0, 1e-6, 1e-5, 1e-4, 1e-3)


def shown(text: str) -> float:
    found = re.search(r"[+−]?\d+(\.\d+)?", text)
    assert found, text
    return float(found.group().replace("−", "-"))


@pytest.mark.parametrize("margin", [0.0, 0.01, 0.0125, 0.02, 0.0333, 0.05, 0.001])
@pytest.mark.parametrize("step", NEARBY)
def test_a_gain_is_never_shown_on_the_other_side_of_its_margin(margin: float, step: float) -> None:
    rule = Rule(metric="s/t/acc", require="non_inferior", margin=margin)
    gain = -margin + step
    comparison = Comparison(
        metric="s/t/acc", baseline="b", candidate="c", baseline_value=0.7, candidate_value=0.7 + gain, gain=gain, low=gain,
        high=gain + 0.01, p=0.04,
    )  # fmt: skip
    line = gate_line(Finding(rule=rule, outcome="fail", reason="", comparison=comparison), "/x", {})
    assert line.gain is not None
    assert line.span is not None
    assert line.span.low is not None
    bound = -shown(line.margin)
    for text in (line.gain.text, line.span.low.text):
        assert (shown(text) - bound) * step >= 0, (text, line.margin)
    if abs(step) >= 1e-6:
        assert shown(line.gain.text) != bound


@pytest.mark.parametrize("require", ["at_least", "at_most"])
@pytest.mark.parametrize("value", [0.5, 0.9976, 0.99, 0.0333, 1.0])
@pytest.mark.parametrize("step", NEARBY)
def test_a_level_is_never_shown_on_the_other_side_of_what_was_asked(require: Require, value: float, step: float) -> None:
    score = min(1.0, value + step)
    rule = Rule(metric="s/t/acc", require=require, value=value)
    comparison = Comparison(metric="s/t/acc", baseline="b", candidate="c", baseline_value=0.7, candidate_value=score, gain=0.1)
    line = gate_line(Finding(rule=rule, outcome="fail", reason="", comparison=comparison), "/x", {})
    assert line.candidate is not None
    assert (shown(line.candidate.text) - shown(line.margin)) * (score - value) >= 0, (line.candidate.text, line.margin)


@pytest.mark.parametrize("p", [0.0, 1e-300, 9e-5, 0.00004999])
def test_no_p_is_zero_on_the_page(p: float) -> None:
    told = finding()
    assert told.comparison is not None
    changed = Comparison(**{name: getattr(told.comparison, name) for name in told.comparison.__struct_fields__} | {"p": p})
    made = Finding(rule=told.rule, outcome="fail", reason=told.reason, metric=told.metric, comparison=changed)
    tree = lxml_html.document_fromstring(page.render(concluded(made), {}, {}))
    cells = [
        each.text_content()
        for each in tree.xpath("//*[contains(@data-at, '/p')][substring(@data-at, string-length(@data-at)) = 'p']")
    ]
    assert cells == ["< 0.0001"]


def test_every_number_in_a_column_of_numbers_is_read_from_the_data() -> None:
    parser = lxml_html.HTMLParser(encoding="utf-8", huge_tree=True)
    tree = lxml_html.document_fromstring(page.render(*fixtures.small()).encode(), parser=parser)
    loose = set()
    cells: list[Any] = tree.xpath("//main//td[contains(concat(' ', @class, ' '), ' r ')]")
    for cell in cells:
        said = "".join(cell.xpath(".//text()[not(ancestor::*[@data-at]) and not(ancestor::*[@class='metric'])]"))
        sentence = re.search(r"of \d+ suites?|not in points", said)  # they come as they are from the gate's own words
        if re.search(r"\d", said) and cell.get("data-label") != "margin" and not sentence:
            loose.add(said.strip())
    assert len(cells) > 1000
    assert loose == {"20261120"}, "the seed of a run, which is a name and no number"
