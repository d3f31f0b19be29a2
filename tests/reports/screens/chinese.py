"""A page for people who read Chinese: the rules carry Chinese names, the items ask in Chinese, and so does the interface."""

from __future__ import annotations

import msgspec

from tests.reports import fixtures
from tests.reports.fixtures import Made
from tests.reports.trained import trainings

LANG = "zh"
NAMES = {
    "target": "学会了新技能",
    "keeps general skills": "通用能力不退步",
    "keeps refusals": "拒答能力不退步",
    "keeps facts": "事实知识不退步",
    "arithmetic canary": "算术能力预警",
}


def build() -> Made:
    """The careless page's candidates, under rules with Chinese names."""
    runs = fixtures.measured(scale=0.4)
    rules = [msgspec.structs.replace(rule, name=NAMES.get(rule.name or "", rule.name)) for rule in fixtures.RULES]
    return fixtures.conclusion(runs, rules=rules), runs, trainings()
