"""Attention checks: pairs of which one answer is obviously better to whoever reads them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from harness.errors import UsageError
from harness.records import Record
from reports.blind.form import Language

AUTHORED = Path(__file__).parent.parent / "templates" / "checks.jsonl"


class Check(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``better`` must win against ``worse``. ``language`` of the raters it is meant for; None: any."""

    name: str
    question: str
    better: str
    worse: str
    language: Language | None = None


def read_checks(path: Path, *, language: Language) -> list[Check]:
    """The checks of a JSONL file that raters of ``language`` can read. Raises UsageError where a line is none, naming it."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: the attention checks cannot be read: {error}") from error
    checks = [_check(path, number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    _require_unlike(path, checks)
    return [check for check in checks if check.language in (None, language)]


def _check(path: Path, number: int, line: str) -> Check:
    try:
        check = msgspec.json.decode(line, type=Check)
    except msgspec.DecodeError as error:
        raise UsageError(f"{path}, line {number}: not an attention check (name, question, better, worse): {error}") from error
    if not check.name or check.better.strip() == check.worse.strip():
        raise UsageError(f"{path}, line {number}: a check has a name, and a worse answer that is not its better one")
    return check


def _require_unlike(path: Path, checks: Iterable[Check]) -> None:
    seen: set[str] = set()
    for check in checks:
        if check.name in seen:
            raise UsageError(f"{path}: two checks are named {check.name!r}")
        seen.add(check.name)
