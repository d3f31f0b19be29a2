"""A finding points at the line of its rule, however the policy was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.config import load
from harness.lines import entry_lines

HEAD = """\
# rules = [ {} ]
baseline = "a"
store = "runs # not a comment"
candidates = [{ name = "a", engine = "fake" }]
suites = [{ name = "s", use = "prompted" }]
"""

INLINE = (
    HEAD
    + """\
rules = [
  { metric = "s/*/x", require = "not_regressed", name = "brackets ] } in a name" },  # { not this
  { metric = "s/*/y", require = "non_inferior", margin = 0.1 },
  { metric = "s/*/z", require = "not_regressed" },
]
"""
)

TABLES = (
    HEAD
    + """
[[rules]]
metric = "s/*/x"
require = "not_regressed"
name = '''
[[rules]]
'''

  [[ rules ]]
metric = "s/*/y"
require = "not_regressed"
"""
)

YAML = """\
baseline: a
candidates: [{name: a, engine: fake}]
suites: [{name: s, use: prompted}]
rules:
  # the first
  - metric: s/*/x
    require: not_regressed
  - {metric: s/*/y, require: not_regressed}
"""


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [("gate.toml", INLINE, [7, 8, 9]), ("gate.toml", TABLES, [7, 14]), ("gate.yaml", YAML, [6, 8])],
    ids=["inline tables", "tables", "yaml"],
)
def test_every_rule_of_a_config_knows_its_line(tmp_path: Path, name: str, text: str, lines: list[int]) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert entry_lines(path, "rules") == lines
    assert [rule.line for rule in load(path).config.rules] == lines


def test_a_list_inside_another_table_is_not_the_one(tmp_path: Path) -> None:
    path = tmp_path / "gate.toml"
    path.write_text('[other]\nrules = [{ a = "b" }]\n', encoding="utf-8")
    assert entry_lines(path, "rules") == []


def test_rules_that_the_command_line_changed_keep_their_lines_and_others_have_none(tmp_path: Path) -> None:
    path = tmp_path / "gate.toml"
    path.write_text(INLINE, encoding="utf-8")
    changed = load(path, sets=["rules.1.margin=0.2"]).config.rules
    assert [(rule.line, rule.margin) for rule in changed] == [(7, None), (8, 0.2), (9, None)]
    replaced = load(path, sets=['rules=[{ metric = "s/*/x", require = "not_regressed" }]']).config.rules
    assert [rule.line for rule in replaced] == [None]
