"""What the pipeline tells while it works; the command line draws it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Stages follow one another; each counts up to its total."""

    def stage(self, title: str, total: int) -> None:
        """A new stage begins."""
        ...

    def advance(self, steps: int = 1) -> None:
        """So many more of the stage's total are done."""
        ...

    def note(self, text: str) -> None:
        """Something worth a line of its own."""
        ...


class _Silent:
    def stage(self, title: str, total: int) -> None: ...
    def advance(self, steps: int = 1) -> None: ...
    def note(self, text: str) -> None: ...


SILENT: Progress = _Silent()
