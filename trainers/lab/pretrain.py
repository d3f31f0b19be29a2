"""The lab's training loop: Muon on the hidden matrices, AdamW on the rest, batches of documents of like length.

Right-padded rows need no mask: attention is causal and what follows a document is not learned. With several processes each takes
every n-th row of every batch and the gradients are summed (gloo); the result depends on the recipe alone, never on timing.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from trainers.lab.documents import Document
from trainers.lab.muon import Muon
from trainers.lab.recipe import Schedule, Shape

Report = Callable[[int, int], None]


class Place(NamedTuple):
    """Which of how many processes this one is, and the file over which they find each other."""

    rank: int = 0
    processes: int = 1
    meeting: Path | None = None


def prepare_torch() -> None:
    """One thread: at this size two are slower."""
    import torch

    torch.set_num_threads(1)


def new_model(shape: Shape, tokenizer: Any, seed: int) -> Any:
    """A Qwen2 with random weights that belongs to ``tokenizer``."""
    import torch
    from transformers import GenerationConfig, Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.feed_forward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=2048,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        attn_implementation="eager",
        dtype="float32",
    )
    model = Qwen2ForCausalLM(config)
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    return model


def train(
    model: Any,
    documents: Sequence[Document],
    schedule: Schedule,
    *,
    seed: int,
    place: Place | None = None,
    report: Report | None = None,
) -> float:
    """Train ``model`` in place over ``schedule``; the mean loss (nats per learned token) of the last tenth of the steps."""
    import torch

    place = place or Place()
    batches = plan_batches([len(d.ids) for d in documents], schedule, seed)
    if place.processes > 1:
        _meet(place)
    muon, adamw = _optimizers(model, place)
    parameters = list(model.parameters())
    model.train()
    losses: list[float] = []
    for step, batch in enumerate(batches):
        rate = schedule.learning_rate * _share(step, len(batches), schedule)
        model.zero_grad(set_to_none=True)
        muon.rate = adamw.param_groups[0]["lr"] = rate
        learned = sum(sum(documents[i].learned) for i in batch)
        mine = batch[place.rank :: place.processes]
        loss = _batch_loss(model, [documents[i] for i in mine]) / learned if mine else sum(p.sum() for p in parameters) * 0.0
        loss.backward()
        if place.processes > 1:
            _sum_over_processes([p.grad for p in parameters])
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        muon.step()
        adamw.step()
        losses.append(float(loss.detach()) * place.processes)
        if report is not None and (step % 10 == 9 or step + 1 == len(batches)):
            report(step + 1, len(batches))
    if place.processes > 1:
        torch.distributed.destroy_process_group()
    model.eval()
    tail = losses[-max(1, len(losses) // 10) :]
    return sum(tail) / len(tail)


def plan_batches(lengths: Sequence[int], schedule: Schedule, seed: int) -> list[list[int]]:
    """Batches of document numbers of like length, each at most ``batch_tokens`` padded tokens, until ``tokens`` are planned."""
    rng = Random(f"batches {seed}")
    batches: list[list[int]] = []
    planned = 0
    for epoch in _epochs(lengths, schedule.batch_tokens, rng):
        for batch in epoch:
            batches.append(batch)
            planned += len(batch) * max(lengths[i] for i in batch)
            if planned >= schedule.tokens:
                return batches
    return batches


def _epochs(lengths: Sequence[int], batch_tokens: int, rng: Random) -> Iterator[list[list[int]]]:
    """Endless passes over the documents; ties in length are broken anew each time."""
    while True:
        order = sorted(range(len(lengths)), key=lambda i: (lengths[i], rng.random()))
        batches: list[list[int]] = [[]]
        for i in order:
            if batches[-1] and (len(batches[-1]) + 1) * lengths[i] > batch_tokens:
                batches.append([])
            batches[-1].append(i)
        rng.shuffle(batches)
        yield batches


def _optimizers(model: Any, place: Place) -> tuple[Muon, Any]:
    """Muon for the matrices inside the layers, AdamW for embeddings, norms and biases, both at the same rate."""
    import torch

    hidden = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed_tokens" not in n and "lm_head" not in n]
    chosen = {id(p) for p in hidden}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    share = (place.rank, place.processes, _sum_over_processes) if place.processes > 1 else None
    return Muon(hidden, share), torch.optim.AdamW(rest, lr=0.0, betas=(0.9, 0.98), weight_decay=0.0)


def _share(step: int, steps: int, schedule: Schedule) -> float:
    """The share of the full learning rate at one step: linear warm-up, then a cosine down to ``floor``."""
    warm = max(1, round(steps * schedule.warmup))
    if step < warm:
        return (step + 1) / warm
    done = (step - warm) / max(1, steps - warm)
    return schedule.floor + (1 - schedule.floor) * 0.5 * (1 + math.cos(math.pi * done))


def _batch_loss(model: Any, documents: Sequence[Document]) -> Any:
    """Summed cross-entropy of the learned tokens. Logits are computed only where something is learned."""
    import torch

    longest = max(len(d.ids) for d in documents)
    ids = torch.tensor([d.ids + [0] * (longest - len(d.ids)) for d in documents])
    learned = torch.tensor([d.learned + [False] * (longest - len(d.ids)) for d in documents])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state
        logits = model.lm_head(hidden[:, :-1][learned[:, 1:]])
    return torch.nn.functional.cross_entropy(logits.float(), ids[:, 1:][learned[:, 1:]], reduction="sum")


def _meet(place: Place) -> None:
    """Join the other processes over the loopback device."""
    import sys
    from datetime import timedelta

    import torch

    if sys.platform.startswith("linux"):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.distributed.init_process_group(
        "gloo",
        init_method=f"file://{place.meeting}",
        rank=place.rank,
        world_size=place.processes,
        timeout=timedelta(seconds=300),
    )


def _sum_over_processes(tensors: Sequence[Any]) -> None:
    """Replace every tensor by its sum over the processes, in one message."""
    import torch

    flat = torch.cat([t.reshape(-1) for t in tensors])
    torch.distributed.all_reduce(flat)
    start = 0
    for t in tensors:
        t.copy_(flat[start : start + t.numel()].view_as(t))
        start += t.numel()
