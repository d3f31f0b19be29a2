"""A judge, people beside it, and what each of them is worth."""

from __future__ import annotations

from msgspec.structs import replace

from tests.harness.runs import table
from tests.reports import test_winning
from tests.reports.fixtures import Made
from tests.reports.people import test_people_on_the_page as votes


def build() -> Made:
    """Two candidates under a judge, a panel of three raters."""
    conclusion = test_winning.conclusion()
    people, _ = votes.concluded()
    return replace(conclusion, people={"new": people.people["week47"]}), dict(table(*test_winning.runs())), {}
