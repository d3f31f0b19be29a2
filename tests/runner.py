"""What the runner of GitHub Actions does with the lines of a log, as far as it concerns us.

A line is a command where it begins with ``::name key=value,…::`` after white space, or where ``##[name key=value;…]`` stands
anywhere in it; between ``::stop-commands::TOKEN`` and ``::TOKEN::`` nothing is one. Unknown names are no commands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

KNOWN = {
    "error", "warning", "notice", "debug", "group", "endgroup", "add-mask", "add-path", "set-env", "set-output", "save-state",
    "add-matcher", "remove-matcher", "echo", "stop-commands",
}  # fmt: skip


@dataclass(frozen=True)
class Obeyed:
    name: str
    properties: dict[str, str]
    message: str


def obeyed(log: str) -> list[Obeyed]:
    """The commands that the runner would carry out, in order."""
    found: list[Obeyed] = []
    token: str | None = None
    for line in re.split(r"\r\n|\n|\r", log):
        each = _parsed(line, token)
        if token is not None:
            token = None if each is not None and each.name == token else token
        elif each is not None and each.name == "stop-commands":
            token = each.message
        elif each is not None:
            found.append(each)
    assert token is None, "the runner was told to stop, and never to go on"
    return found


def _parsed(line: str, token: str | None) -> Obeyed | None:
    known = KNOWN | ({token} if token else set())
    new = re.match(r"\s*::([^\s:]+)(?:\s+(.*?))?::(.*)$", line)
    old = re.search(r"##\[([^\s\]]+)(?:\s+(.*?))?\](.*)$", line)
    for match, separator in ((new, ","), (old, ";")):
        if match is not None and match[1] in known:
            pairs = dict(part.split("=", 1) for part in (match[2] or "").split(separator) if "=" in part)
            return Obeyed(match[1], {key: _unescaped(value) for key, value in pairs.items()}, _unescaped(match[3]))
    return None


def _unescaped(text: str) -> str:
    for escape, character in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        text = text.replace(escape, character)
    return text
