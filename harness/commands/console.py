"""How the commands speak: a rich console on stderr for progress, stdout for results."""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 200)
_wide = Console(highlight=False, width=1000)
err = Console(stderr=True, highlight=False)


def show_wide(table: Table) -> None:
    """A table on stdout with every cell whole: in a narrow terminal its lines are wrapped, but no name and no number is cut."""
    _wide.print(table)


def printable(text: str) -> str:
    """Text without control characters: models and files smuggle them in, and a terminal obeys them."""
    return "".join(character if character.isprintable() or character == "\n" else "�" for character in text)


class Bars:
    """Progress bars for the pipeline (``harness.pipeline.Progress``) and the trainers: a line per stage, kept when it is over."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=err,
        )
        self._task: TaskID | None = None
        self._told: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    def stage(self, title: str, total: int) -> None:
        """A new bar."""
        self._task = self._progress.add_task(title, total=total)

    def advance(self, steps: int = 1) -> None:
        """Move the newest bar."""
        if self._task is not None:
            self._progress.advance(self._task, steps)

    def told(self, stage: str, done: int, total: int) -> None:
        """What trainers call: (stage, done, total), several stages side by side or one after the other. What is over when it is
        first heard of is a sentence: a line of its own, for a bar has no room for it."""
        if stage not in self._told and done == total == 1:
            self.note(stage)
            return
        if stage not in self._told:
            self._told[stage] = self._progress.add_task(escape(stage), total=total)
        self._progress.update(self._told[stage], completed=done, total=total)

    def note(self, text: str) -> None:
        """A line above the bars, whole."""
        self._progress.console.print(printable(text), markup=False, soft_wrap=True)
