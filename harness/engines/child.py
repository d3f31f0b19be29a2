"""vLLM's core in a child process: waiting for it, and noticing that it is no more.

The client of vLLM 0.32 is not told when the child is killed: its ``get_output`` waits for ever. So we wait ourselves, and look.
"""

from __future__ import annotations

import time
from typing import Any

from harness.engines.flights import LOWER
from harness.errors import EngineError

LOOK_SECONDS = 0.5
"""How often who waits looks whether the child is still alive."""


def is_dead(core: Any) -> bool:
    """Is the child process no more? ``core`` is vLLM's client of it; a core in our own process never is."""
    resources = getattr(core, "resources", None)
    return resources is not None and bool(resources.engine_dead)


def await_output(core: Any, seconds: float) -> bool:
    """Wait up to ``seconds`` for what the child says next; has it? True at once where there is none: then a step does the work.

    Raises EngineError once the child is dead.
    """
    arriving = getattr(core, "outputs_queue", None)
    if arriving is None:
        return True
    deadline = time.monotonic() + max(0.0, seconds)
    while arriving.empty():
        if is_dead(core):
            raise EngineError(last_words(core))
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        with arriving.not_empty:
            if not arriving.queue:
                arriving.not_empty.wait(min(left, LOOK_SECONDS))
    return True


def last_words(core: Any) -> str:
    """What to say of a child that is dead: it cannot say why itself."""
    ended = [code for code in core.resources.engine_manager.finished_procs().values() if code]
    how = "was killed" if -9 in ended else "ended by itself" if not ended else f"ended with code {ended[0]}"
    return f"its process {how}. Often that is memory. {LOWER} VLLM_LOGGING_LEVEL=ERROR in the environment shows its own words."
