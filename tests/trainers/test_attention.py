"""Packed rows cannot see each other: logits and gradients equal those of each row alone."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainers.config import parse
from trainers.data.rows import Row

pytestmark = pytest.mark.models

LENGTHS = [3, 90, 17, 1, 64, 65, 30, 2, 120]


def rows(lengths: list[int] = LENGTHS) -> list[Row]:
    rng = np.random.default_rng(0)
    made = []
    for length in lengths:
        trained = rng.random(length) < 0.5
        trained[0], trained[-1] = False, length > 1
        made.append(Row(rng.integers(0, 256, length), trained.astype(np.float32)))
    return made


def load(base: Path, *, packing: bool, **settings: Any) -> Any:
    from trainers.methods.loading import load_model

    file = base / "config.json"
    raw = {"name": "x", "base": str(base), "data": {"train": str(file), "packing": packing}, **settings}
    return load_model(parse(raw, folder=base), base)


def gradients(model: Any, make: Any, groups: list[list[Row]]) -> tuple[Any, dict[str, Any]]:
    import torch

    from trainers.objective.losses import token_losses

    model.zero_grad()
    losses = [token_losses(model, make(group, "cpu")) for group in groups]
    sum(loss.sum() for loss in losses).backward()  # type: ignore[union-attr]
    return torch.cat(losses).detach(), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("checkpointing", [False, True])
def test_packed_equals_separate_in_losses_and_gradients(tiny_base: Path, checkpointing: bool) -> None:
    import torch

    from trainers.data.batches import packed, padded

    packing = load(tiny_base, packing=True, gradient_checkpointing=checkpointing)
    ordinary = load(tiny_base, packing=False)
    alone = [[row] for row in rows() if row.trained.any()]
    together, gradient = gradients(packing, packed, [rows()])
    separate, expected = gradients(ordinary, padded, alone)
    torch.testing.assert_close(together, separate, rtol=0, atol=2e-6)
    assert set(gradient) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(gradient[name], value, rtol=1e-4, atol=2e-5, msg=name)


def test_a_leak_would_be_seen(tiny_base: Path) -> None:
    """The same rows under ordinary attention do see each other, so the test above can fail."""
    import torch

    from trainers.data.batches import packed
    from trainers.objective.losses import token_losses

    batch = packed(rows(), "cpu")
    leaking = load(tiny_base, packing=False)
    mask = torch.ones_like(batch.inputs["input_ids"])
    inputs = {key: value for key, value in batch.inputs.items() if key != "segments"} | {"attention_mask": mask}
    with torch.no_grad():
        honest = token_losses(load(tiny_base, packing=True), batch)
        leaked = token_losses(leaking, batch._replace(inputs=inputs))
    assert (honest - leaked).abs().max() > 0.05


def test_a_model_whose_rows_see_each_other_is_not_trained(configure: Any, tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.errors import ConfigError
    from trainers import attention
    from trainers.loop import train

    honest = attention.attend

    def leaking(module: Any, query: Any, *states: Any, segments: Any, **settings: Any) -> Any:
        return honest(module, query, *states, segments=attention.segments([query.shape[2]], "cpu"), **settings)

    with monkeypatch.context() as patch:
        patch.setattr(attention, "attend", leaking)
        with pytest.raises(ConfigError, match=r"data.packing: rows of one batch see each other in Qwen2ForCausalLM"):
            train(configure(tiny_base))
        train(configure(tiny_base, name="padded", data__packing=False, optimizer__steps=1))
    train(configure(tiny_base, name="honest", optimizer__steps=1))


def test_losses_are_those_of_the_model_itself(tiny_base: Path) -> None:
    import torch

    from trainers.data.batches import packed
    from trainers.objective.losses import token_losses

    model = load(tiny_base, packing=False)
    for row in rows([40, 9]):
        ids, trained = torch.from_numpy(row.ids)[None], torch.from_numpy(row.trained)[None]
        with torch.no_grad():
            expected = model(input_ids=ids, labels=ids.masked_fill(~trained, -100)).loss
            ours = token_losses(load(tiny_base, packing=True), packed([row], "cpu")).mean()
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-6)


def test_padding_changes_nothing_either(tiny_base: Path) -> None:
    import torch

    from trainers.data.batches import padded

    model = load(tiny_base, packing=False)
    wanted = [row for row in rows() if row.trained.any()]
    together, gradient = gradients(model, padded, [wanted])
    separate, expected = gradients(model, padded, [[row] for row in wanted])
    torch.testing.assert_close(together, separate, rtol=0, atol=2e-6)
    for name, value in expected.items():
        torch.testing.assert_close(gradient[name], value, rtol=1e-4, atol=2e-5, msg=name)


def test_a_sliding_window_is_kept(tiny_base: Path) -> None:
    import torch

    from trainers.attention import attend, segments

    torch.manual_seed(0)
    query, key, value = (torch.randn(1, heads, 150, 8) for heads in (4, 2, 2))
    plan = segments([100, 50], "cpu")

    class Module:
        is_causal = True

    ours, _ = attend(Module(), query, key, value, sliding_window=7, scaling=0.3, segments=plan)
    distance = torch.arange(150)[:, None] - torch.arange(150)
    row = torch.tensor([0] * 100 + [1] * 50)
    mask = (distance >= 0) & (distance < 7) & (row[:, None] == row)
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=0.3, enable_gqa=True)
    torch.testing.assert_close(ours, expected.transpose(1, 2), rtol=0, atol=1e-6)


@pytest.mark.parametrize("window", [None, 7])
def test_the_kernel_for_cuda_is_called_as_it_is_declared(window: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """No GPU here: a stand-in with the declared signature of ``varlen_attn`` computes what its documentation says."""
    import inspect

    import torch
    from torch.nn.attention import varlen

    from trainers import attention

    signature = inspect.signature(varlen.varlen_attn)

    def stand_in(*arguments: Any, **settings: Any) -> Any:
        bound = signature.bind(*arguments, **settings).arguments
        query, starts = bound["query"], bound["cu_seq_q"].tolist()
        assert query.dtype == torch.bfloat16
        assert bound["max_q"] == bound["max_k"] == max(b - a for a, b in pairwise(starts))
        left, right = bound["window_size"]
        position = torch.arange(len(query))
        row = torch.bucketize(position, bound["cu_seq_q"][1:], right=True)
        distance = position[:, None] - position
        mask = (distance >= -right) & (row[:, None] == row) & ((distance <= left) if left >= 0 else True)
        states = (bound[name].transpose(0, 1)[None] for name in ("query", "key", "value"))
        out = torch.nn.functional.scaled_dot_product_attention(*states, attn_mask=mask, scale=bound["scale"])
        return out[0].transpose(0, 1)

    monkeypatch.setattr(varlen, "varlen_attn", stand_in)
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, heads, 60, 8).bfloat16() for heads in (4, 2, 2))
    plan = attention.segments([40, 1, 19], "cpu")
    ours = attention._varlen(query, key, value, plan, 0.3, window, torch.bfloat16)
    expected = attention.grouped(query, key, value, plan, 0.3, window, 0.0)
    assert ours.shape == expected.shape == (1, 60, 4, 8)
    torch.testing.assert_close(ours, expected, rtol=0, atol=2e-2)


def test_attention_that_packing_does_not_know_is_refused() -> None:
    import torch

    from harness.errors import ConfigError, EvaluationError
    from trainers.attention import attend, segments

    class Module:
        is_causal = True

    states = torch.zeros(1, 2, 3, 4)
    with pytest.raises(ConfigError, match="softcap"):
        attend(Module(), states, states, states, segments=segments([3], "cpu"), softcap=30.0)
    with pytest.raises(EvaluationError, match=r"data.packing = false"):
        attend(Module(), states, states, states)


def test_tokens_are_counted_and_never_predicted_across_rows() -> None:
    from trainers.data.batches import packed

    batch = packed(rows(), "cpu")
    starts = set(np.cumsum([0, *LENGTHS])[:-1].tolist())
    assert batch.tokens == sum(LENGTHS)
    assert batch.supervised == sum(int(row.trained.sum()) for row in rows()) == len(batch.targets)
    assert not {int(position) + 1 for position in batch.inputs["logits_to_keep"]} & starts
