"""Where in a TOML or YAML file something stands, so that a finding can point at its rule, and an error at what is wrong.

The readers that we use keep no positions. This one looks only for where keys and entries of lists begin; a file that it does not
understand has no lines, and nothing else changes.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import ConfigError

Steps = tuple[str | int, ...]
"""The way to a value: keys of tables and places in lists, from 0."""

_TOML_STRING = re.compile(r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*', re.DOTALL)
_KEY = re.compile(r'"((?:\\.|[^"\\])*)"|\'([^\']*)\'|([A-Za-z0-9_-]+)')
_STEP = re.compile(r"\[(\d+)\]|\.?([^.\[\]]+)")


def entry_lines(path: Path, key: str) -> list[int]:
    """Line numbers, from 1, of the entries of the top-level list ``key``; empty where the file does not say it in a way we know."""
    found = {steps[1]: line for steps, line in _lines(path).items() if len(steps) == 2 and steps[0] == key}
    return [line for step, line in found.items() if isinstance(step, int)]


def line_of(path: Path, where: str) -> int | None:
    """The line, from 1, of ``suites[2].options.items``, or of the nearest thing around it that the file has.

    An entry of a list goes by its place or by its ``name``. None for an entry that the file does not have (the command line added
    it), and where nothing of it is found.
    """
    return _resolved(path, where)[0]


@contextmanager
def located(file: str) -> Iterator[None]:
    """ConfigErrors about what ``file`` says name the file and the line, whoever found them: also a suite or an engine that knows
    only its own place in it, and where another file is wrong that a key names. ``file`` empty: there is none."""
    try:
        yield
    except ConfigError as error:
        if not file or error.line is not None:
            raise
        line, whole, known = _resolved(Path(file), error.where)
        if error.file in ("", file) and (known or not error.where):
            raise ConfigError(error.message, where=error.where, file=file, line=line) from error
        if whole:
            raise ConfigError(f"{error.file}: {error.message}", where=error.where, file=file, line=line) from error
        raise


def _resolved(path: Path, where: str) -> tuple[int | None, bool, bool]:
    """The line of a place, whether all of it is in the file, and whether its first step is."""
    lines, raw = _lines(path), _raw(path)
    dotted = [steps for steps in lines if "." in str(steps[-1])]
    known: Steps = ()
    while where:
        quoted = next((str(steps[-1]) for steps in dotted if steps[:-1] == known and _begins(where, str(steps[-1]))), "")
        found = _STEP.match(where)
        if found is None:
            break
        next_step = quoted or (int(found[1]) if found[1] else _named(raw, found[2]))
        where = where.removeprefix(".").removeprefix(quoted) if quoted else where[found.end() :]
        if (*known, next_step) not in lines:
            if isinstance(raw, list) and not (isinstance(next_step, int) and next_step < len(raw)):
                return None, False, True
            return (lines[known], False, True) if known in lines else (None, False, bool(known))
        known = (*known, next_step)
        raw = _inside(raw, next_step)
    return lines.get(known), bool(known), bool(known)


def _begins(where: str, key: str) -> bool:
    """Whether the way goes on with a key that holds dots itself, as one written in quotation marks may."""
    where = where.removeprefix(".")
    return where.startswith(key) and where[len(key) : len(key) + 1] in ("", ".", "[")


def _named(raw: Any, step: str) -> str | int:
    """The place of the entry called so, where ``raw`` is a list; else the key itself."""
    if isinstance(raw, list):
        names = [entry.get("name") if isinstance(entry, dict) else None for entry in raw]
        return names.index(step) if step in names else step
    return step


def _inside(raw: Any, step: str | int) -> Any:
    try:
        return raw[step]
    except (KeyError, IndexError, TypeError):
        return None


def _raw(path: Path) -> Any:
    try:
        return (msgspec.toml if path.suffix == ".toml" else msgspec.yaml).decode(path.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _lines(path: Path) -> dict[Steps, int]:
    """Line of every key and every entry of a list of tables; empty where the file cannot be read."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return {}
    return _Toml(text).lines if path.suffix == ".toml" else _yaml(text)


class _Toml:
    """A walk through the text, with strings and comments blanked, that notes where keys and entries begin."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.blank = _TOML_STRING.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
        self.ends = [match.start() for match in re.finditer("\n", self.blank)]
        self.lines: dict[Steps, int] = {}
        self.tables: dict[Steps, int] = {}  # [[lists]] of tables: the place of the latest entry
        self._document()

    def _document(self) -> None:
        at, table = 0, ()  # type: tuple[int, Steps]
        while (at := self._after_space(at)) < len(self.blank):
            if self.blank[at] == "[":
                end = self._end_of_line(at)
                table = self._header(at, self.text[at : self.blank.rfind("]", at, end)], several=self.blank.startswith("[[", at))
                at = end
            else:
                at = self._assignment(at, table, "\n")

    def _header(self, at: int, text: str, *, several: bool) -> Steps:
        """``[a.b]`` or ``[[a.b]]``: the table that what follows belongs to."""
        found: Steps = ()
        keys = _keys(text)
        for number, key in enumerate(keys, start=1):
            found = (*found, key)
            if several and number == len(keys):
                self.tables[found] = self.tables.get(found, -1) + 1
            if found in self.tables:
                self._note(found, at)
                found = (*found, self.tables[found])
            self._note(found, at)
        return found

    def _assignment(self, at: int, table: Steps, stop: str) -> int:
        """``key = value`` from ``at``, until one of the characters ``stop``; a quoted key is blank, so that "=" may stand there."""
        equals = at
        while equals < len(self.blank) and self.blank[equals] not in f"={stop}":
            equals += 1
        if equals == len(self.blank) or self.blank[equals] != "=":
            return equals + 1 if equals < len(self.blank) and stop == "\n" else equals
        start = self.blank.rfind("\n", 0, equals) + 1
        before = max(start, *(self.blank.rfind(mark, start, equals) + 1 for mark in ",{"))
        found = table
        for key in _keys(self.text[before:equals]):
            found = (*found, key)
            self._note(found, equals)
        return self._value(equals + 1, found, stop)

    def _value(self, at: int, steps: Steps, stop: str) -> int:
        while at < len(self.blank) and self.blank[at] in " \t":
            at += 1
        if at < len(self.blank) and self.blank[at] == "[":
            return self._list(at + 1, steps)
        if at < len(self.blank) and self.blank[at] == "{":
            return self._inline(at + 1, steps)
        while at < len(self.blank) and self.blank[at] not in stop:
            at += 1
        return at

    def _list(self, at: int, steps: Steps) -> int:
        place = 0
        while (at := self._after_space(at)) < len(self.blank) and self.blank[at] != "]":
            if self.blank[at] == ",":
                place, at = place + 1, at + 1
            else:
                if self.blank[at] == "{":
                    self._note((*steps, place), at)
                at = self._value(at, (*steps, place), ",]")
        return at + 1

    def _inline(self, at: int, steps: Steps) -> int:
        while (at := self._after_space(at)) < len(self.blank) and self.blank[at] != "}":
            at = at + 1 if self.blank[at] == "," else self._assignment(at, steps, ",}")
        return at + 1

    def _after_space(self, at: int) -> int:
        while at < len(self.blank) and self.blank[at].isspace():
            at += 1
        return at

    def _end_of_line(self, at: int) -> int:
        end = self.blank.find("\n", at)
        return len(self.blank) if end < 0 else end

    def _note(self, steps: Steps, at: int) -> None:
        self.lines.setdefault(steps, bisect_left(self.ends, at) + 1)


def _keys(text: str) -> list[str]:
    return [match[1] or match[2] or match[3] or "" for match in _KEY.finditer(text)]


def _yaml(text: str) -> dict[Steps, int]:
    import yaml

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return {}
    found: dict[Steps, int] = {}
    waiting: list[tuple[Any, Steps]] = [(root, ())]
    seen: set[int] = set()
    while waiting:
        node, steps = waiting.pop()
        if id(node) in seen:  # an alias; it stands where its anchor is
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                found[*steps, key.value] = key.start_mark.line + 1
                waiting.append((value, (*steps, key.value)))
        elif isinstance(node, yaml.SequenceNode):
            for place, entry in enumerate(node.value):
                found[*steps, place] = entry.start_mark.line + 1
                waiting.append((entry, (*steps, place)))
    return found
