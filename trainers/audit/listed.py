"""Words that somebody does not want in training data: only those of a list that the user brings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.errors import UsageError
from harness.records import Check
from trainers.audit.entries import Entry
from trainers.audit.found import check
from trainers.audit.words import plain


def read_list(path: Path) -> list[str]:
    """The words or phrases of a file, one per line; lines that begin with ``#`` are comments. UsageError where there is none."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read as a list of words in UTF-8: {error}") from error
    found = [plain(line) for line in lines if line.strip() and not line.startswith("#")]
    if not any(found):
        raise UsageError(f"{path} lists no word. Expected one word or phrase per line.")
    return [phrase for phrase in found if phrase]


def checks(entries: Sequence[Entry], listed: Sequence[str], *, name: str) -> Iterator[Check]:
    """Rows that hold a listed word, whole words only."""
    spots = []
    for entry in entries:
        said = [f" {plain(text)} " for text in entry.texts]
        found = next((phrase for phrase in listed if any(f" {phrase} " in text for text in said)), None)
        if found is not None:
            spots.append(entry.spot(f"{found}: {next(text for text in entry.texts if f' {found} ' in f' {plain(text)} ')}"))
    yield check("words", f"words of {name}", "warning", spots, len(entries), f"{len(listed)} words and phrases were looked for")
