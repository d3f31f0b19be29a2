"""How a model may be scored: what its config forbids, then what a probe shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from harness.engines.packing import SHORTEST_PREFIX
from harness.engines.probes import HALF_TOLERANCE, PROBES
from harness.engines.scoring import Score, Scorer, Way
from harness.engines.tokens import Pair, Tokens

TOLERANCE = {"float32": 1e-4}
"""Nats by which a summed log-probability may differ between two ways of scoring, by dtype; else ``probes.HALF_TOLERANCE``."""

RELATIVE = 2e-6
"""Where a sum is large, the part of it that float32 leaves open, if that is more."""

_ATTENTION = ("sdpa", "eager")
"""transformers' attention implementations that take a mask of our own."""

_LAYERS = {"full_attention", "sliding_attention", "chunked_attention"}


class Found(NamedTuple):
    """The way to score with, and why it is not the fastest; ``reason`` is empty where it is."""

    way: Way
    reason: str = ""


def find_way(scorer: Scorer, who: str, pairs: Sequence[Pair], dtype: str) -> Found:
    """The fastest way that gives the numbers of plain scoring on ``pairs``. The model must be serving ``who``."""
    plain = dict(_scored(scorer, who, pairs, "plain"))
    reason = not_packed(scorer.model) or ""
    ways: tuple[Way, ...] = ("separate",) if reason else ("packed", "separate")
    for way in ways:
        try:
            found = dict(_scored(scorer, who, pairs, way))
        except Exception as error:  # an architecture refuses in its own words what it was not made for
            reason = reason or f"the model does not run so ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
            continue
        distance = _distance(plain, found, dtype)
        if distance is None:
            return Found(way, reason)
        reason = reason or distance
    return Found("plain", reason)


def probe_pairs(tokens: Tokens, length: int) -> list[Pair]:
    """The probe prompts with one another's continuations, whole and cut short, and again behind a common prefix."""
    probes = [tokens.pair(probe) for probe in PROBES]
    continuations = [probe.continuation for probe in probes]
    continuations.append(continuations[0][:-1] or continuations[0])
    prefix = [token for probe in probes for token in probe.context + probe.continuation]
    while len(prefix) < SHORTEST_PREFIX:
        prefix += prefix
    pairs = []
    for probe in probes:
        for continuation in continuations:
            for before in ([], prefix):
                own = continuation[: length // 2]
                pairs.append(Pair((before + probe.context)[: length - len(own)], own))
    return pairs


def not_packed(model: Any) -> str | None:
    """Why rows of this model cannot be trees, as far as its config says; None where nothing speaks against it."""
    config = model.config.get_text_config()
    other = set(getattr(config, "layer_types", None) or ()) - _LAYERS
    attention = getattr(config, "_attn_implementation", None)
    if getattr(model.config, "is_encoder_decoder", False):
        return "it is an encoder-decoder"
    if other or getattr(model, "_is_stateful", False):
        return f"it has recurrent layers ({', '.join(sorted(other)) or model.config.model_type})"
    if attention not in _ATTENTION:
        return f"its attention, {attention}, takes no mask of our own"
    return None


def _scored(scorer: Scorer, who: str, pairs: Sequence[Pair], way: Way) -> list[tuple[int, Score]]:
    return [entry for batch in scorer.plan(who, pairs, way) for entry in scorer.score(who, batch, pairs, way)]


def _distance(plain: dict[int, Score], found: dict[int, Score], dtype: str) -> str | None:
    """What is wrong with scores that should be ``plain``; None where nothing is."""
    allowed = TOLERANCE.get(dtype, HALF_TOLERANCE)
    for index, score in plain.items():
        difference = abs(found[index].logprob - score.logprob)
        if not difference <= max(allowed, RELATIVE * abs(score.logprob)):
            return f"on the probe prompts its log-probabilities moved by {difference:.2g} nats"
    return None
