"""Where in a TOML or YAML file the entries of a list begin, so that a finding can point at its rule."""

from __future__ import annotations

import re
from pathlib import Path

_TOML_STRING = re.compile(r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*', re.DOTALL)


def entry_lines(path: Path, key: str) -> list[int]:
    """Line numbers, from 1, of the entries of the top-level list ``key``; empty where the file does not say it in a way we know."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return []
    return _toml(text, key) if path.suffix == ".toml" else _yaml(text, key)


def _toml(text: str, key: str) -> list[int]:
    """Of ``[[key]]`` tables, or of the tables inside ``key = [ … ]``. Strings and comments are blanked first."""
    blank = _TOML_STRING.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    tables = [match.start(1) for match in re.finditer(rf"(?m)^[ \t]*(\[\[)[ \t]*{re.escape(key)}[ \t]*\]\]", blank)]
    starts = tables or _inline(blank, key)
    return [blank.count("\n", 0, start) + 1 for start in starts]


def _inline(blank: str, key: str) -> list[int]:
    root = re.search(r"(?m)^[ \t]*\[", blank)  # what follows the first table header is not at the top level
    opening = re.search(rf"(?m)^[ \t]*{re.escape(key)}[ \t]*=[ \t]*\[", blank[: root.start()] if root else blank)
    if opening is None:
        return []
    starts, depth = [], 1
    for place in range(opening.end(), len(blank)):
        if blank[place] in "[{":
            if depth == 1 and blank[place] == "{":
                starts.append(place)
            depth += 1
        elif blank[place] in "]}":
            depth -= 1
            if depth == 0:
                break
    return starts


def _yaml(text: str, key: str) -> list[int]:
    import yaml

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return []
    if not isinstance(root, yaml.MappingNode):
        return []
    for name, value in root.value:
        if name.value == key and isinstance(value, yaml.SequenceNode):
            return [entry.start_mark.line + 1 for entry in value.value]
    return []
