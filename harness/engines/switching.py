"""Which adapter a PEFT model answers with. PEFT walks the whole model to change it: done only when another's turn comes."""

from __future__ import annotations

import contextlib
from typing import Any


class Switch:
    """Turns one model into each of its candidates. ``model`` is a PeftModel, or a plain model, which is only ever itself."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._disabled = contextlib.ExitStack()
        self._current: str | None = ""  # what no adapter is called: the first turn always changes something

    def to(self, adapter: str | None) -> None:
        """Answer with the adapter of this name, or (None) as the base."""
        if adapter == self._current or not hasattr(self._model, "peft_config"):
            return
        self._current = ""
        self._disabled.close()
        if adapter is None:
            self._disabled.enter_context(self._model.disable_adapter())
        else:
            self._model.set_adapter(adapter)
        self._current = adapter
