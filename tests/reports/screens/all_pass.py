"""Everybody may ship, and every rule holds."""

from __future__ import annotations

from tests.reports import fixtures
from tests.reports.fixtures import Made
from tests.reports.trained import trainings


def build() -> Made:
    """Two careful candidates, under the rules that they keep."""
    names = ("full-replay", "lora-replay")
    runs = fixtures.measured(names=names)
    rules = [rule for rule in fixtures.RULES if rule.severity == "block" and "instructions" not in rule.metric]
    return fixtures.conclusion(runs, names, rules), runs, trainings(names)
