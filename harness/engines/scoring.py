"""Log-probabilities from a Hugging Face model at the cost of the model: what texts have in common is computed once, and the LM head
is applied to scored tokens only.

Three ways, from the fastest to the simplest; ``harness.engines.scoring_way`` finds the first that gives the numbers of the last:

- ``packed``: rows are trees (``harness.engines.packing``) under a mask of their own; a prefix common to many rows is kept as keys
  and values.
- ``separate``: one plain sequence a row, under the model's own mask, for architectures that take no other.
- ``plain``: ``score_pairs``, which asks nothing of the model but logits for every token.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from harness.engines.packing import Batch, Layout, Limits, layout, plan
from harness.engines.tokens import Pair

Way = Literal["packed", "separate", "plain"]

HEAD_VALUES = 1 << 26
"""Logits that may exist at once (in float32: 256 MiB); more scored tokens go through the head in several goes."""

PREFIX_BYTES = 1 << 29
"""Keys and values of prefixes that are kept, per engine; the least recently used leave first."""


_BY_LENGTH = ("longrope", "dynamic")
"""Kinds of rotary positions that differ from a length on."""


class Score(NamedTuple):
    """Summed log-probability of a continuation in nats, and whether each of its tokens was the most likely one."""

    logprob: float
    greedy: bool


class Scorer:
    """Scores pairs with one model. Who is asked (which adapter is switched on) is the caller's business; ``who`` only names it."""

    def __init__(self, model: Any, *, tokens: int) -> None:
        config = model.config.get_text_config()
        self.model = model
        self._head = model.get_output_embeddings()
        self._prefixes: OrderedDict[tuple[str, tuple[int, ...]], list[tuple[Any, Any]]] = OrderedDict()
        self._limits = Limits(tokens, getattr(config, "hidden_size", None) or 1024, window=window(config))
        self._values = int(config.vocab_size)

    def plan(self, who: str, pairs: Sequence[Pair], way: Way) -> list[Batch]:
        """Batches that score every pair once."""
        if way == "packed":
            return plan(pairs, self._limits, [prefix for owner, prefix in self._prefixes if owner == who])
        tokens = self._limits.tokens if way == "separate" else min(self._limits.tokens, HEAD_VALUES // self._values)
        return plan(pairs, self._limits._replace(tree=False, tokens=tokens))

    def score(self, who: str, batch: Batch, pairs: Sequence[Pair], way: Way) -> list[tuple[int, Score]]:
        """Scores of a batch's pairs, each with the pair's number."""
        numbers = [index for row in batch.rows for index in row.pairs]
        own = [pairs[index] for index in numbers]
        if way == "plain":
            return list(zip(numbers, score_pairs(self.model, own), strict=True))
        import torch

        with torch.inference_mode():
            found = self._tokens(who, batch.prefix, layout(batch, pairs))
        scores, start = [], 0
        for pair in own:
            end = start + len(pair.continuation)
            scores.append(Score(math.fsum(found[0][start:end]), all(found[1][start:end])))
            start = end
        return list(zip(numbers, scores, strict=True))

    def _tokens(self, who: str, prefix: tuple[int, ...], arrays: Layout) -> tuple[list[float], list[float]]:
        """Log-probability and greediness of each scored token, read from the device once."""
        import numpy as np
        import torch

        device = self.model.device
        wanted, places = np.unique(arrays.heads, return_inverse=True)
        heads = torch.from_numpy(wanted).to(device)
        inputs: dict[str, Any] = {"input_ids": torch.from_numpy(arrays.ids).to(device), "use_cache": False}
        if arrays.visible is not None:
            inputs |= self._tree(who, prefix, arrays)
        hidden: list[Any] = []

        def pick(_: Any, given: tuple[Any, ...]) -> tuple[Any, ...]:
            """Only scored rows go into the head: of what the model computed, or of what it computed before."""
            if not hidden:
                hidden.append(given[0].flatten(0, 1)[heads])
            return (hidden[0][None, start : start + chunk], *given[1:])

        chunk = max(1, HEAD_VALUES // self._values)
        logprobs, greedy, order = [], [], []
        handle = self._head.register_forward_pre_hook(pick)
        try:
            for start in range(0, len(heads), chunk):
                if start:  # the head's input is replaced: the shortest forward there is carries it
                    inputs = {"input_ids": inputs["input_ids"][:1, :1], "use_cache": False}
                logits = self.model(**inputs).logits[0].float()
                here = np.flatnonzero((places >= start) & (places < start + chunk))
                rows = torch.from_numpy(places[here] - start).to(device)
                targets = torch.from_numpy(arrays.targets[here]).to(device)
                logprobs.append(logits.log_softmax(-1)[rows, targets])
                greedy.append(logits.argmax(-1)[rows] == targets)
                order.append(here)
        finally:
            handle.remove()
        back = np.argsort(np.concatenate(order))
        first, second = torch.stack([torch.cat(logprobs), torch.cat(greedy).float()]).cpu().numpy()[:, back].tolist()
        return first, second

    def _tree(self, who: str, prefix: tuple[int, ...], arrays: Layout) -> dict[str, Any]:
        """Positions, mask and prefix of rows that branch."""
        import torch

        dtype, device = self.model.dtype, self.model.device
        visible = torch.from_numpy(arrays.visible)[:, None].to(device)
        mask = torch.zeros(visible.shape, dtype=dtype, device=device).masked_fill_(~visible, torch.finfo(dtype).min)
        inputs: dict[str, Any] = {"attention_mask": mask, "position_ids": torch.from_numpy(arrays.positions).to(device)}
        if prefix:
            inputs |= {"past_key_values": _cache(self._prefix(who, prefix), len(visible)), "use_cache": True}
        return inputs

    def _prefix(self, who: str, prefix: tuple[int, ...]) -> list[tuple[Any, Any]]:
        """Keys and values of a prefix for a candidate, computed once and kept while there is room."""
        import torch
        from transformers import DynamicCache

        key = (who, prefix)
        if key not in self._prefixes:
            cache = DynamicCache()
            ids = torch.tensor([prefix], device=self.model.device)
            handle = self._head.register_forward_pre_hook(lambda _, given: (given[0][:, -1:], *given[1:]))
            try:
                self.model(input_ids=ids, past_key_values=cache, use_cache=True)
            finally:
                handle.remove()
            self._prefixes[key] = [(layer.keys, layer.values) for layer in cache.layers]
            while len(self._prefixes) > 1 and sum(map(_size, self._prefixes.values())) > PREFIX_BYTES:
                self._prefixes.popitem(last=False)
        self._prefixes.move_to_end(key)
        return self._prefixes[key]


def _cache(kept: Sequence[tuple[Any, Any]], rows: int) -> Any:
    """A prefix as the past of ``rows`` rows. What is kept is not copied here, and not changed by a forward."""
    from transformers.cache_utils import Cache, DynamicLayer

    layers = []
    for keys, values in kept:
        layer = DynamicLayer()
        layer.lazy_initialization(keys, values)
        layer.keys, layer.values = keys.expand(rows, -1, -1, -1), values.expand(rows, -1, -1, -1)
        layers.append(layer)
    return Cache(layers=layers)


def _size(kept: Sequence[tuple[Any, Any]]) -> int:
    return sum(int(part.numel() * part.element_size()) for pair in kept for part in pair)


def window(config: Any) -> int | None:
    """Tokens beyond which length changes how a model reads; None where it never does. From its (text) config.

    Beyond, some layers see only so many tokens, or all positions of a batch turn otherwise (LongRoPE, dynamic RoPE).
    """
    kinds = getattr(config, "layer_types", None)
    found = []
    if kinds is None or "sliding_attention" in kinds:
        used = getattr(config, "use_sliding_window", True)
        found.append(getattr(config, "sliding_window", None) if used is not False else None)
    if kinds is None or "chunked_attention" in kinds:
        found.append(getattr(config, "attention_chunk_size", None))
    found += _turning(config)
    return min((size for size in found if size), default=None)


def _turning(config: Any) -> list[int | None]:
    """Lengths from which rotary positions depend on the longest text of the batch."""
    given = getattr(config, "rope_parameters", None) or {}
    kinds = [given, *(part for part in given.values() if isinstance(part, Mapping))]  # one for all layers, or one per kind of layer
    most = getattr(config, "max_position_embeddings", None)
    return [kind.get("original_max_position_embeddings") or most for kind in kinds if kind.get("rope_type") in _BY_LENGTH]


def score_pairs(model: Any, pairs: Sequence[Pair]) -> list[Score]:
    """What the other ways are measured against.

    Right-padded: in a causal model no real token sees the padding. Virtual tokens that an adapter puts in front are passed over.
    """
    import torch

    whole = [pair.context + pair.continuation for pair in pairs]
    width = max(map(len, whole)) - 1
    ids = torch.zeros((len(pairs), width), dtype=torch.long)
    for index, tokens in enumerate(whole):
        ids[index, : len(tokens) - 1] = torch.tensor(tokens[:-1])
    with torch.inference_mode():
        logits = model(input_ids=ids.to(model.device), use_cache=False).logits[:, -width:]
    results = []
    for pair, rows in zip(pairs, logits, strict=True):
        first = len(pair.context) - 1
        scores = rows[first : first + len(pair.continuation)].float().log_softmax(-1)
        wanted = torch.tensor(pair.continuation, device=scores.device)
        picked = scores.gather(1, wanted[:, None])[:, 0]
        results.append(Score(float(picked.sum()), bool((scores.argmax(-1) == wanted).all())))
    return results
