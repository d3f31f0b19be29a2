"""``[watching]``: what is looked at while a run goes on, beside its losses."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterable
from typing import Literal

from harness.records import Record
from trainers.config.complaints import Complaint, Range, ranges

Tracker = Literal["tensorboard", "wandb", "mlflow"]


class WatchingConfig(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is looked at. Nothing here changes what is trained.

    ``flow`` is how many times in a run the norm of the gradient is noted for every group of weights (0: never). At every look
    (each validation, each checkpoint, the first and the last step) ``answers`` prompts are answered, greedily and with at most
    ``answer_tokens`` tokens, and it is seen how many of ``verbatim`` training answers would be repeated word for word (0: none).
    Over-fitting is called a validation loss that at ``patience`` looks in a row was above its best, while the training loss fell,
    and whose distance from it grew by more than ``gap`` nats. ``trackers`` get every number: TensorBoard where it is installed,
    unless this names others, or none (``[]``).
    """

    flow: int = 40
    answers: int = 3
    answer_tokens: int = 32
    verbatim: int = 32
    patience: int = 2
    gap: float = 0.02
    trackers: tuple[Tracker, ...] | None = None

    @property
    def tracked(self) -> tuple[Tracker, ...]:
        """Who gets the numbers."""
        if self.trackers is not None:
            return self.trackers
        return ("tensorboard",) if importlib.util.find_spec("tensorboard") else ()


def complaints(watching: WatchingConfig) -> Iterable[Complaint]:
    """(where, what) of everything that types alone do not catch."""
    yield from ranges(
        Range("watching.flow", watching.flow, watching.flow >= 0, "0 (never) or more"),
        Range("watching.answers", watching.answers, watching.answers >= 0, "0 (none) or more"),
        Range("watching.answer_tokens", watching.answer_tokens, watching.answer_tokens >= 1, "1 or more"),
        Range("watching.verbatim", watching.verbatim, watching.verbatim >= 0, "0 (none) or more"),
        Range("watching.patience", watching.patience, watching.patience >= 1, "1 or more"),
        Range("watching.gap", watching.gap, 0 <= watching.gap < math.inf, "0 or more"),
    )
    for index, tracker in enumerate(watching.trackers or ()):
        if tracker in (watching.trackers or ())[:index]:
            yield f"watching.trackers[{index}]", f"{tracker!r} is named twice"
        if importlib.util.find_spec(tracker) is None:
            yield f"watching.trackers[{index}]", f"{tracker!r} is not installed: pip install {tracker}. Or remove it."
