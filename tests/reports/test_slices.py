"""Slices on the page and in the summary: the surest losses first, never as if a rule were about them."""

from __future__ import annotations

import msgspec
import pytest

from harness.records import Conclusion, SliceReading
from reports.comment import BUDGET, markdown
from reports.page import render
from reports.slices import MOST, WORST, called, ranked, slice_table
from tests.reports.told import HOSTILE_NAME, concluded, finding


def sliced(value: str, gain: float | None, p: float | None = None, **fields: object) -> SliceReading:
    known = {} if gain is None else {"low": gain - 0.1, "high": gain + 0.1, "baseline_value": 0.9, "candidate_value": 0.9 + gain}
    return SliceReading(
        metric="facts/t/acc", candidate="new", baseline="base", field="lang", value=value, items=40, clusters=40, gain=gain,
        p=p, p_bh=p, **{**known, **fields},
    )  # type: ignore[arg-type]  # fmt: skip


def told(*slices: SliceReading) -> Conclusion:
    return msgspec.structs.replace(concluded(finding()), slices=slices)


def test_the_surest_losses_come_first_and_what_has_no_numbers_last() -> None:
    found = told(
        sliced("few", None, note="n too small: 3 items, under 10"), sliced("won", 0.2, 0.001), sliced("maybe", -0.05, 0.4),
        sliced("looked", -0.3, None, note="asked look by look"), sliced("sure", -0.04, 0.0001),
    )  # fmt: skip
    assert [found.slices[place].value for place in ranked(found)] == ["sure", "maybe", "won", "looked", "few"]
    lines = slice_table(found, {}).lines
    assert lines[0].name == "lang=sure"
    assert lines[-1].gain is None
    assert lines[-1].note.startswith("n too small")


def test_the_summary_shows_a_few_losses_and_says_that_no_rule_is_about_them() -> None:
    many = [sliced(f"v{number}", -0.01 * number, 0.1 / number) for number in range(1, 12)]
    text = markdown(told(*many, sliced("won", 0.4, 0.00001)))
    assert "for reading (no rule is about them): 12 looked at" in text
    rows = [line for line in text.splitlines() if line.startswith("| new | facts/t/acc")]
    assert len(rows) == WORST
    assert "v11" in rows[0]
    assert "won" not in "".join(rows)
    assert text.count("<details>") == text.count("</details>")


def test_no_loss_is_said_too_and_without_slices_nothing() -> None:
    assert "No slice with enough items scored worse" in markdown(told(sliced("zh", 0.1, 0.2)))
    assert "Slices" not in markdown(told())
    assert 'id="slices"' not in render(told(), {}, {})


def test_the_page_shows_no_more_than_it_can_and_says_so() -> None:
    page = render(told(*(sliced(f"v{number}", -0.01, 0.5) for number in range(MOST + 7))), {}, {})
    assert page.count("lang=v") >= MOST
    assert "7 more stand in verdict.json" in page
    assert "No rule is about these numbers" in page


@pytest.mark.parametrize("value", [HOSTILE_NAME, "a|b\n::error::x", "<details>"])
def test_what_items_say_cannot_become_markup(value: str) -> None:
    found = told(sliced(value, -0.2, 0.001))
    text = markdown(found)
    assert len(text) < BUDGET
    row = next(line for line in text.splitlines() if line.startswith("| new | facts/t/acc"))
    assert row.replace("\\|", "").count("|") == 7, "no border of a table comes from a value"
    assert text.count("<details>") == text.count("</details>")
    assert "<script" not in row
    page = render(found, {}, {})
    assert "<details>" not in page[page.index('id="slices"') : page.index("</section>", page.index('id="slices"'))]


def test_a_field_that_was_not_read_by_value_is_called_by_its_name() -> None:
    assert called(sliced("*", None)) == "lang"
    assert called(sliced("zh", None)) == "lang=zh"
