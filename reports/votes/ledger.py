"""``votes-<package>.jsonl`` beside the key: everything that anybody handed in, raw, with what became of it. It only ever grows.

Raters hand in one after another, and some of them twice: a file that was imported before is known by its content, and a new one is
sorted together with all that is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from harness.errors import UsageError
from harness.records import SIMULATED
from harness.store import atomic_write
from reports.blind.key import Key
from reports.votes.reading import content_of, digest_of, files_of, read_file
from reports.votes.sorting import sort_votes
from reports.votes.statement import Statement
from reports.votes.vote import Kept, Sorted


def ledger_path(key_file: Path, key: Key) -> Path:
    """Beside the key."""
    return key_file.parent / f"votes-{key.package}.jsonl"


def read_ledger(path: Path) -> tuple[Kept, ...]:
    """What was imported so far; nothing where there is no such file. UsageError where it was changed into something else."""
    if not path.exists():
        return ()
    found = []
    for number, line in enumerate(content_of(path).splitlines(), start=1):
        try:
            found.append(msgspec.json.decode(line, type=Kept))
        except msgspec.DecodeError as error:
            raise UsageError(
                f"{path}, line {number}: not a line of votes: {error}. Restore the file, or move it away and import all files again"
            ) from error
    return tuple(found)


def write_ledger(path: Path, kept: Sequence[Kept]) -> None:
    """Atomically."""
    atomic_write(path, b"".join(msgspec.json.encode(line) + b"\n" for line in kept))


def gather(
    paths: Sequence[Path], key: Key, before: Sequence[Kept], *, names: Mapping[str, str], now: str
) -> tuple[Sorted, list[Path]]:
    """All votes, those of before and those of the files, sorted; and the files that had been imported before.

    ``names``: file -> the name of its rater, where the file's own will not do (two raters of one name). Raises UsageError for a
    file that holds no votes, or only votes of another package or on unknown items: then nothing of this import is kept.
    """
    lines, there = list(before), {line.file for line in before}
    known: list[Path] = []
    files = files_of(paths)
    _require_one_each(files, names)
    for path in files:
        content = content_of(path)
        file, name = digest_of(content), names.get(str(path)) or names.get(path.name)
        if file in there:
            known.append(path)
            _require_one_rater(path, [line.statement for line in lines if line.file == file], name)
            lines = [_renamed(line, name) if line.file == file and name else line for line in lines]
            continue
        there.add(file)
        said = read_file(path, content)
        _require_one_rater(path, said, name)
        fresh = [Kept(file=file, imported=now, rater=name or statement.rater, statement=statement) for statement in said]
        _require_ours(path, fresh, key)
        lines += fresh
    return sort_votes(lines, key), known


def _require_one_each(files: Sequence[Path], names: Mapping[str, str]) -> None:
    """UsageError where a name would be given to the files of several people."""
    for named, rater in names.items():
        meant = [path for path in files if named in (str(path), path.name)]
        if len(meant) > 1:
            places = ", ".join(map(str, meant[:3]))
            raise UsageError(f"--rater {named}={rater}: several files are called so ({places}); name one by its whole path")


def _require_one_rater(path: Path, said: Sequence[Statement], name: str | None) -> None:
    """UsageError where one name would be given to the votes of several people, or a person's to those of a program."""
    raters = sorted({statement.rater for statement in said})
    if name and raters and raters[0].startswith(SIMULATED) and not name.startswith(SIMULATED):
        raise UsageError(f"--rater {path.name}={name}: these are the votes of a program, and cannot be {name}'s")
    if name and len(raters) > 1:
        some = ", ".join(map(repr, raters[:4]))
        raise UsageError(f"--rater {path.name}={name}: the file holds votes of {len(raters)} raters ({some}), and not of one")


def _renamed(line: Kept, name: str) -> Kept:
    return msgspec.structs.replace(line, rater=name)


def _require_ours(path: Path, fresh: Sequence[Kept], key: Key) -> None:
    """A file of another export is refused whole: whoever names it has mistaken it."""
    fates = [line for line in sort_votes(fresh, key).kept if line.fate not in ("empty", "skipped", "draft")]
    if not fates:
        return
    if all(line.fate == "foreign" for line in fates):
        packages = sorted({line.statement.package for line in fates} - {key.package, ""})
        if packages:
            raise UsageError(f"{path}: these votes belong to package {', '.join(packages)}, and the key to {key.package}")
        raise UsageError(f"{path}: these votes were cast under another key: its digest differs, so it was changed or exchanged")
    if all(line.fate == "unknown_item" for line in fates):
        names = ", ".join(repr(line.statement.review_id) for line in fates[:3])
        raise UsageError(f"{path}: package {key.package} holds none of its items ({names} …); these are votes on another export")
    nameless = [line for line in fresh if not line.rater.strip()]
    if nameless:
        raise UsageError(
            f"{path}: {nameless[0].statement.place} names no rater. Say whose votes they are with --rater {path.name}=NAME"
        )
