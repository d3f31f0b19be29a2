"""Attention that stays inside each row of a packed batch, registered with transformers as ``packed``.

A packed batch is one sequence of rows laid end to end. Instead of a mask (quadratic in the batch) the kernel is told where rows
begin: in half precision on CUDA by ``torch.nn.attention.varlen``; elsewhere rows of similar length run together through ordinary
causal attention, padded at the right (which causal attention never looks at) by a gather that is planned once per batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from harness.errors import ConfigError, EvaluationError

NAME = "packed"
_SHORT = 32  # rows up to this length always run together: a kernel call costs more than their padding
_REFUSED = ("softcap", "s_aux", "position_bias")


class Group(NamedTuple):
    """Rows that attend in one call: ``index`` (rows, longest) int64 positions in the packed batch; padding repeats position 0."""

    index: Any
    longest: int


@dataclass(eq=False)
class Segments:
    """Where the rows of one packed batch begin, as the kernels want it. (No tuple: torch.compile would look at all of it.)"""

    starts: Any  # (rows + 1,) int32, on the device
    longest: int
    groups: tuple[Group, ...]
    back: Any  # (tokens,) int64: where each token stands in the groups' outputs laid end to end


def segments(lengths: Sequence[int], device: Any) -> Segments:
    """The plan for rows of ``lengths`` tokens laid end to end."""
    import torch

    starts = np.concatenate(([0], np.cumsum(lengths)))
    on_device = torch.as_tensor(starts, dtype=torch.int32).to(device, non_blocking=True)
    groups, back, base = [], np.empty(int(starts[-1]), dtype=np.int64), 0
    for members in _similar(lengths):
        longest = max(lengths[row] for row in members)
        offsets = np.arange(longest)
        index = starts[members][:, None] + offsets
        real = offsets < np.asarray([lengths[row] for row in members])[:, None]
        back[index[real]] = base + np.flatnonzero(real)
        base += real.size
        groups.append(Group(torch.from_numpy(np.where(real, index, 0)).to(device), longest))
    return Segments(on_device, max(lengths), tuple(groups), torch.from_numpy(back).to(device))


def _similar(lengths: Sequence[int]) -> list[list[int]]:
    """Row numbers in groups of similar length, longest first: at most a third of padding beyond short rows."""
    groups: list[list[int]] = []
    longest = 0
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        if groups and (longest <= _SHORT or lengths[row] * 4 >= longest * 3):
            groups[-1].append(row)
        else:
            groups.append([row])
            longest = lengths[row]
    return groups


def register() -> str:
    """Make the attention known to transformers (once or often) and give its name."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, no_mask)
    return NAME


def no_mask(*_: Any, **__: Any) -> None:
    """Rows are kept apart by ``segments``, not by a mask."""
    return


def attend(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any = None,
    *,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    segments: Segments | None = None,
    **kwargs: Any,
) -> tuple[Any, None]:
    """Causal attention inside each row: (1, heads, tokens, size) -> (1, tokens, heads, size).

    EvaluationError where the model does not pass ``segments`` on; ConfigError for attention variants that it does not know.
    """
    if segments is None or query.shape[0] != 1:
        raise EvaluationError("this architecture does not pass packed rows to its attention. Set data.packing = false.")
    odd = [name for name in _REFUSED if kwargs.get(name) is not None]
    if odd or not getattr(module, "is_causal", True) or attention_mask is not None:
        raise ConfigError(
            f"this architecture's attention ({', '.join(odd) or 'not causal'}) cannot be packed. Set it to false.",
            where="data.packing",
        )
    half = _half(query)
    if query.is_cuda and half is not None and not dropout:
        return _varlen(query, key, value, segments, scaling, sliding_window, half), None
    return grouped(query, key, value, segments, scaling, sliding_window, dropout), None


def _half(states: Any) -> Any:
    """The half precision that attention is to run in; None for full precision."""
    import torch

    device = states.device.type
    if torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device)
    return states.dtype if states.dtype in (torch.bfloat16, torch.float16) else None


def _varlen(query: Any, key: Any, value: Any, rows: Segments, scaling: float | None, window: int | None, half: Any) -> Any:
    from torch.nn.attention.varlen import varlen_attn

    repeat = query.shape[1] // key.shape[1]
    heads = [query, key.repeat_interleave(repeat, 1), value.repeat_interleave(repeat, 1)] if repeat > 1 else [query, key, value]
    q, k, v = (states[0].transpose(0, 1).to(half) for states in heads)  # tokens, heads, size
    reach = (window - 1, 0) if window else (-1, 0)
    out = varlen_attn(q, k, v, rows.starts, rows.starts, rows.longest, rows.longest, scale=scaling, window_size=reach)
    return out.unsqueeze(0)


def grouped(query: Any, key: Any, value: Any, rows: Segments, scaling: float | None, window: int | None, dropout: float) -> Any:
    import torch

    flat = [states[0].transpose(0, 1) for states in (query, key, value)]  # tokens, heads, size
    outs = []
    for group in rows.groups:
        q, k, v = (states[group.index].transpose(1, 2) for states in flat)  # rows, heads, longest, size
        out = torch.nn.functional.scaled_dot_product_attention(
            q, k, v, attn_mask=_window(group.longest, window, q.device), is_causal=not (window and window < group.longest),
            dropout_p=dropout, scale=scaling, enable_gqa=q.shape[1] != k.shape[1],
        )  # fmt: skip
        outs.append(out.transpose(1, 2).flatten(0, 1))
    return torch.cat(outs)[rows.back].unsqueeze(0)


def _window(length: int, window: int | None, device: Any) -> Any:
    """Who sees whom in a causal sliding window; None where it does not bind."""
    import torch

    if not window or window >= length:
        return None
    distance = torch.arange(length, device=device)[:, None] - torch.arange(length, device=device)
    return (distance >= 0) & (distance < window)
