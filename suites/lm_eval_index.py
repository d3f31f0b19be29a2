"""Names of lm-eval's tasks, groups and tags: what ``TaskManager.task_index`` knows, without its scan of 14,000 YAML files.

Only the head of a file matters (what it is called, its tags, what it includes), and a regular expression finds that in nearly all
of them; the rest are parsed. The installed package's index is kept on disk under the paths, times and sizes of its files.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from harness.environment import cache_root
from harness.fingerprint import digest

_IGNORED = frozenset({"__pycache__", ".ipynb_checkpoints"})
_HEAD = re.compile(r"^(task|group|tag|include|class)[ \t]*:(.*)$", re.MULTILINE)
_PLAIN = re.compile(r"[ \t]+([A-Za-z_][\w./+-]*)[ \t]*(?:#.*)?")
_WORDS = frozenset({"y", "n", "yes", "no", "true", "false", "on", "off", "null", "none"})
_UNUSUAL = re.compile(r"^(?:[\"'{?&*!\[]|<<|---[ \t]*\S|[ \t]+(?:task|group|tag|include|class)[ \t]*:[^\n]*\n?\Z)", re.MULTILINE)


class Entry(msgspec.Struct, frozen=True):
    """A name: the file of a task or group, or the tasks that a tag stands for."""

    kind: Literal["task", "group", "tag"]
    path: str | None = None
    members: tuple[str, ...] = ()


def index_of(heads: Iterable[tuple[Path, Mapping[str, Any]]]) -> dict[str, Entry]:
    """The names of one folder. As in lm-eval the first file of a name wins, in the order of paths, and tags are the tasks' own."""
    files: dict[str, Entry] = {}
    tags: dict[str, list[str]] = {}
    for path, head in heads:
        grouped = "group" in head and "class" not in head
        name = head.get("group" if grouped else "task")
        if not isinstance(name, str) or name in files or name in tags:
            continue
        files[name] = Entry("group" if grouped else "task", str(path))
        if not grouped:
            listed = head.get("tag") or []
            for tag in listed if isinstance(listed, list) else [listed]:
                if str(tag) not in files:
                    tags.setdefault(str(tag), []).append(name)
    return files | {tag: Entry("tag", None, tuple(sorted(set(members)))) for tag, members in tags.items()}


def yaml_files(root: Path) -> list[Path]:
    """Every task file beneath a folder, in lm-eval's order."""
    found = (path for path in root.glob("**/*.yaml") if _IGNORED.isdisjoint(path.parts))
    return sorted(found, key=lambda path: path.as_posix())


@functools.cache
def installed() -> Mapping[str, Entry]:
    """The names that come with lm-eval; none where it is not installed. Cached in ``$SFTGATE_CACHE``, else ``~/.cache/sftgate``."""
    spec = importlib.util.find_spec("lm_eval")
    if spec is None or spec.origin is None:
        return {}
    root = Path(spec.origin).parent / "tasks"
    files = sorted(_stated(str(root)))
    kept = cache_root() / f"lm_eval-{digest([str(root), files])[:16]}.json"
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode(kept.read_bytes(), type=dict[str, Entry])
    found = index_of(heads(sorted((Path(name) for name, _, _ in files), key=lambda path: path.as_posix())))
    with contextlib.suppress(OSError):  # a cache that cannot be written costs a second, and no more
        kept.parent.mkdir(parents=True, exist_ok=True)
        fresh = kept.with_suffix(f".{os.getpid()}")
        fresh.write_bytes(msgspec.json.encode(found))
        fresh.replace(kept)
    return found


def _stated(folder: str) -> Iterator[tuple[str, int, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                if entry.name not in _IGNORED:
                    yield from _stated(entry.path)
            elif entry.name.endswith(".yaml"):
                state = entry.stat()
                yield entry.path, state.st_mtime_ns, state.st_size


def heads(paths: Iterable[Path]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    read = functools.cache(_own_head)
    for path in paths:
        with contextlib.suppress(OSError, ValueError, yaml.YAMLError):  # lm-eval skips a file that it cannot read, too
            yield path, _merged(path, read, ())


def _merged(path: Path, read: Callable[[Path], Mapping[str, Any]], seen: tuple[Path, ...]) -> Mapping[str, Any]:
    """A file's head over the heads of what it includes."""
    if path in seen:
        raise ValueError(f"{path} includes itself")
    own = read(path)
    if "include" not in own:
        return own
    listed = own["include"]
    merged: dict[str, Any] = {}
    for name in listed if isinstance(listed, list) else [listed]:
        merged |= _merged((path.parent / str(name)).resolve(), read, (*seen, path))
    return merged | {key: value for key, value in own.items() if key != "include"}


def _own_head(path: Path) -> Mapping[str, Any]:
    text = path.read_text(encoding="utf-8")
    found: dict[str, Any] = {}
    for match in _HEAD.finditer(text):
        plain = _PLAIN.fullmatch(match[2])
        after = text[match.end() + 1 : match.end() + 2]
        if plain is None or plain[1].lower() in _WORDS or match[1] in found or after in (" ", "\t"):
            return _parsed(text)
        found[match[1]] = plain[1]
    return found if found and not _UNUSUAL.search(text) else _parsed(text)


class _Head(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML whose own tags (``!function``) are text."""


_Head.add_constructor("!function", lambda _, node: str(node.value))


def _parsed(text: str) -> Mapping[str, Any]:
    content = yaml.load(text, Loader=_Head)
    if not isinstance(content, dict):
        raise ValueError("not a mapping")
    return {key: content[key] for key in ("task", "group", "tag", "include", "class") if key in content}
