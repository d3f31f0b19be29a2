"""``[averaging]``: candidates that are made of the weights of a run, beside the one that it hands over."""

from __future__ import annotations

from collections.abc import Iterable

from harness.records import Record
from trainers.config.complaints import Complaint, Range, ranges


class AveragingConfig(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """More candidates of one run, in ``derived/`` of its folder, each to be gated like any other.

    ``every_steps``: ``NAME-average``, the mean of the weights after every so many steps (0: none) from the share ``start_ratio`` of
    all steps on (0.5) to the end (Izmailov 2018, arXiv 1803.05407). LoRA: the mean of the served weights and not of A and B, as one
    adapter of the ranks together. ``alphas``: ``NAME-alpha-A`` for each, base + A x (trained - base) (WiSE-FT, arXiv 2109.01903).
    """

    every_steps: int = 0
    start_ratio: float | None = None
    alphas: tuple[float, ...] = ()

    def snapshots(self, steps: int) -> list[int]:
        """After which of a run's steps weights go into the mean."""
        start = (0.5 if self.start_ratio is None else self.start_ratio) * steps
        return [step for step in range(1, steps + 1) if self.every_steps and step % self.every_steps == 0 and step >= start]


def complaints(averaging: AveragingConfig) -> Iterable[Complaint]:
    """(where, what) of everything that types alone do not catch."""
    start, alphas = averaging.start_ratio or 0.0, averaging.alphas
    yield from ranges(
        Range("averaging.every_steps", averaging.every_steps, averaging.every_steps >= 0, "0 (off) or more"),
        Range("averaging.start_ratio", start, 0 <= start <= 1, "a share between 0 and 1"),
        *(
            Range(f"averaging.alphas[{index}]", alpha, 0 < alpha <= 2 and alpha != 1, "above 0 (the base), at most 2, and not 1")
            for index, alpha in enumerate(alphas)
        ),
    )
    if averaging.start_ratio is not None and not averaging.every_steps:
        yield "averaging.start_ratio", "is given, but averaging.every_steps is 0: nothing is averaged. Set it, or remove this."
    if len({f"{alpha:g}" for alpha in alphas}) != len(alphas):
        yield "averaging.alphas", f"lists a value twice: {list(alphas)}"
