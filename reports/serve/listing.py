"""What a store holds, as the pages list it. It may be written while it is read: what is not whole yet is not there, and what cannot
be read is said beside what can."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from harness.errors import StoreError
from harness.history import instant
from harness.records import Measured, Record, Run
from harness.store import HASH_LENGTH, TEMPORARY, Store

_Stamp = tuple[int, int, int]


class Listed(Record, frozen=True, kw_only=True):
    """A run and where it lies. ``name`` is how pages call it: its folders inside the store."""

    name: str
    run: Run
    selected: bool = False

    @property
    def hash(self) -> str:
        """What tells it from other runs of the same name: the end of its folder's."""
        return self.name.rpartition("@")[2] if "@" in self.name else self.run.graded[:HASH_LENGTH]


class Listing(Record, frozen=True, kw_only=True):
    """All runs, oldest first. ``damaged``: why some are not among them; ``partial``: folders of runs that lack a file, and
    ``writing`` how many are being written just now. ``lost``: (suite, candidate, folder) of runs that the last measure selected and
    that are not among ``runs``."""

    runs: tuple[Listed, ...]
    lost: tuple[tuple[str, str, str], ...] = ()
    damaged: tuple[str, ...] = ()
    partial: tuple[str, ...] = ()
    writing: int = 0

    @property
    def suites(self) -> dict[str, list[Listed]]:
        """By suite, in the order of their names."""
        found: dict[str, list[Listed]] = {name: [] for name in sorted({each.run.suite for each in self.runs})}
        for each in self.runs:
            found[each.run.suite].append(each)
        return found

    @property
    def candidates(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(each.run.candidate.name for each in self.runs))

    def called(self, name: str) -> Listed | None:
        """The run that pages call so. Names are looked up, never walked along: no path comes from a request."""
        return next((each for each in self.runs if each.name == name), None)

    def of(self, candidate: str) -> dict[str, Listed]:
        """By suite, the selected run of a candidate, else its newest; none where one was selected that is lost."""
        lost = {suite for suite, name, _ in self.lost if name == candidate}
        found: dict[str, Listed] = {}
        for each in self.runs:
            suite = each.run.suite
            mine = each.run.candidate.name == candidate and suite not in lost
            if mine and (each.selected or not (old := found.get(suite)) or not old.selected):
                found[suite] = each
        return found


class Shelf:
    """A store whose runs are read once, as long as their files stay as they are."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._known: dict[str, tuple[_Stamp, Run]] = {}

    def listing(self) -> Listing:
        """What is there now."""
        told: list[str] = []
        current: dict[tuple[str, str], Path] = {}
        try:
            current = self.store.current()
        except StoreError as error:
            told.append(str(error))
        selected = {str(path) for path in current.values()}
        runs, partial, writing = [], [], 0
        kept: dict[str, tuple[_Stamp, Run]] = {}
        for suite, folder in _folders(self.store.root):
            name = f"{suite}/{folder}"
            place = self.store.root / suite / folder
            stamps = [_stamp(place / file) for file in ("run.json", "samples.jsonl")]
            if folder.startswith(TEMPORARY):
                writing += 1
            elif stamps[0] is None or stamps[1] is None:
                if place.is_dir() and ("@" in folder or stamps[0] is not None):
                    partial.append(name)
            else:
                try:
                    known = self._known.get(name)
                    run = known[1] if known is not None and known[0] == stamps[0] else self.store.run(place)
                except StoreError as error:
                    if place.is_dir():  # else it was taken away meanwhile
                        told.append(str(error))
                    continue
                kept[name] = stamps[0], run
                runs.append(Listed(name=name, run=run, selected=str(place) in selected))
        self._known = kept
        runs.sort(key=lambda each: (instant(each.run.created), each.name))
        there = {str(self.store.root / each.name) for each in runs}
        lost = [(*who, f"{path.parent.name}/{path.name}") for who, path in current.items() if str(path) not in there]
        return Listing(runs=tuple(runs), lost=tuple(lost), damaged=tuple(told), partial=tuple(partial), writing=writing)


def read(store: Store, listed: Listed) -> Measured:
    """The run with its samples. StoreError where it is gone by now, or was changed."""
    return store.read(store.root / Path(listed.name))


def _folders(root: Path) -> Iterator[tuple[str, str]]:
    """Folder of a suite, folder in it, sorted; what is taken away while we look is not there."""
    for suite in _inside(root):
        if not suite.startswith("."):
            for folder in _inside(root / suite):
                yield suite, folder


def _inside(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as found:
            return sorted(each.name for each in found if each.is_dir())
    except OSError:
        return []


def _stamp(file: Path) -> _Stamp | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
