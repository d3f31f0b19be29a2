"""Trains one small model alone and once in two processes, and exits 0 when the weights agree. Run by test_lab_build."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random
from types import SimpleNamespace

import torch
from torch.multiprocessing import get_context

from trainers.lab.documents import Document
from trainers.lab.pretrain import Place, new_model, prepare_torch, train
from trainers.lab.recipe import Schedule, Shape

SHAPE = Shape(vocabulary=64, hidden=16, layers=2, heads=2, feed_forward=32)
SCHEDULE = Schedule(tokens=3000, batch_tokens=200, learning_rate=3e-3)


def trained(rank: int, processes: int, folder: Path) -> None:
    """Train and save the weights of this process."""
    prepare_torch()
    rng = Random(0)
    documents = [Document([rng.randrange(64) for _ in range(n)], [True] * n) for n in (rng.randint(4, 12) for _ in range(300))]
    model = new_model(SHAPE, SimpleNamespace(bos_token_id=0, eos_token_id=1, pad_token_id=0), seed=0)
    train(model, documents, SCHEDULE, seed=0, place=Place(rank, processes, folder / "meeting" if processes > 1 else None))
    torch.save(torch.cat([p.detach().reshape(-1) for p in model.parameters()]), folder / f"{processes}.{rank}.pt")


if __name__ == "__main__":
    place = Path(sys.argv[1])
    trained(0, 1, place)
    children = [get_context("spawn").Process(target=trained, args=(rank, 2, place)) for rank in (0, 1)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    alone, first, second = (torch.load(place / name) for name in ("1.0.pt", "2.0.pt", "2.1.pt"))
    apart = float((alone - first).abs().max())
    sys.exit(0 if torch.equal(first, second) and apart < 0.02 else f"processes differ: {torch.equal(first, second)}, {apart}")
