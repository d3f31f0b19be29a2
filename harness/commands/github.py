"""How the commands speak inside GitHub Actions, whose runner obeys lines of the log.

While a command runs, the runner is told to obey nothing (``::stop-commands::``), because answers and error messages may hold such
lines; it listens again only for what we say ourselves. Elsewhere all of this does nothing.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.config import Loaded
from harness.errors import ConfigError, SftgateError
from harness.records import Conclusion, Measured

if TYPE_CHECKING:
    from reports.failures.reading import Reading

_TOKEN = secrets.token_hex(16)
"""What ends the silence; no text that a model wrote before can hold it."""


def here() -> bool:
    """Do we run inside GitHub Actions?"""
    return os.environ.get("GITHUB_ACTIONS") == "true"


@contextmanager
def muted() -> Iterator[None]:
    """The runner obeys no line of the log while this lasts."""
    if not here():
        yield
        return
    _say([f"::stop-commands::{_TOKEN}"])
    try:
        yield
    finally:
        _say([f"::{_TOKEN}::"])


def tell(
    conclusion: Conclusion,
    measured: Mapping[tuple[str, str], Measured],
    readings: Mapping[str, Reading],
    loaded: Loaded,
    report: Path,
) -> None:
    """Annotations at the lines of the policy, the job summary, and the step's outputs."""
    if not here():
        return
    from reports.comment import markdown
    from reports.github import SUMMARY_BUDGET, outputs, workflow_commands

    _say([f"::{_TOKEN}::", *workflow_commands(conclusion, file=_from_root(Path(loaded.file))), f"::stop-commands::{_TOKEN}"])
    _append("GITHUB_STEP_SUMMARY", markdown(conclusion, measured, readings, budget=SUMMARY_BUDGET, lang=loaded.config.lang))
    _append("GITHUB_OUTPUT", outputs(conclusion, report=str(report)))


def tell_error(verb: str, error: SftgateError) -> None:
    """Why a command could not be carried out, as an annotation; at its line, where something in a config is wrong."""
    if here():
        from reports.github import command

        file = _from_root(Path(error.file)) if isinstance(error, ConfigError) and error.file else ""
        place = {"file": file} if file else {}
        if file and isinstance(error, ConfigError) and error.line is not None:
            place["line"] = str(error.line)
        said = command("error", str(error), **place, title=f"sftgate {verb}")
        _say([f"::{_TOKEN}::", said, f"::stop-commands::{_TOKEN}"])


def _say(lines: Iterable[str]) -> None:
    """On stdout, in order with what goes to stderr: both are one log."""
    sys.stderr.flush()
    for line in lines:
        print(line)
    sys.stdout.flush()


def _from_root(file: Path) -> str:
    """The policy's path from the repository's root, as annotations name files; empty where it lies outside."""
    root = Path(os.environ.get("GITHUB_WORKSPACE") or ".").resolve()
    path = file.resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else ""


def _append(variable: str, text: str) -> None:
    place = os.environ.get(variable)
    if place:
        try:
            with Path(place).open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:  # the verdict stands, and its exit code
            print(f"sftgate: ${variable} cannot be written: {error.strerror}", file=sys.stderr)
