"""One stage of a build in its own process: ``python -m trainers.lab.work FOLDER SIZE STAGE [RANK]``.

A process of its own per stage keeps the caller's threads and torch settings untouched, and lets stages run side by side.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from itertools import islice
from pathlib import Path
from random import Random
from threading import Thread
from typing import Any

from trainers.lab import device, prose
from trainers.lab.documents import Document, encode_chats, encode_prose, turns_of
from trainers.lab.mixture import ALL, samplers, stream
from trainers.lab.pretrain import Place, Report, new_model, prepare_torch, train
from trainers.lab.recipe import RECIPES, Recipe
from trainers.lab.saved import load_model, load_tokenizer, write_knows
from trainers.lab.tasks import Task, distinct
from trainers.lab.vocabulary import save_tokenizer, train_tokenizer
from trainers.lab.world import Country, countries

KNOWN_PER_SKILL = {"full": 200, "test": 60}
TOKENIZER_READY = "tokenizer.ready"


def main(folder: Path, recipe: Recipe, stage: str, rank: int) -> None:
    """Run one stage; what it makes lies in ``folder`` afterwards. Nothing is garbage-collected: all is needed to the end."""
    gc.disable()
    Thread(target=_die_with, args=(os.getppid(),), daemon=True).start()
    prepare_torch()
    world = countries(recipe.countries, recipe.seed)
    report = _reporter(folder / "logs" / f"{stage}.progress") if rank == 0 else None
    if stage == "base":
        _base(folder, recipe, world, rank, report)
    elif stage == "knows":
        _knows(folder, recipe, world)
    else:
        from trainers.lab.judges import build_judge

        build_judge(folder, recipe, world, stage, report)


def _die_with(parent: int) -> None:
    """End this process when the build that started it is gone, however it went."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _base(folder: Path, recipe: Recipe, world: list[Country], rank: int, report: Report | None) -> None:
    """Train the base, save it, and where no other stage follows say what it knows."""
    chats, texts = _pretraining(recipe, world)
    tokenizer = _tokenizer(folder, recipe, chats, texts) if rank == 0 else _awaited_tokenizer(folder)
    documents = pretraining_documents(tokenizer, chats, texts)
    model = new_model(recipe.shape, tokenizer, recipe.seed)
    processes = recipe.schedule.processes
    place = Place(rank, processes, folder / "logs" / "meeting" if processes > 1 else None)
    train(model, documents, recipe.schedule, seed=recipe.seed, place=place, report=report)
    if rank == 0:
        model.save_pretrained(str(folder / "base"))
        if not recipe.judges:
            write_knows(folder, "base", known(model, tokenizer, recipe, world))


def _pretraining(recipe: Recipe, world: list[Country]) -> tuple[list[Task], list[str]]:
    """The chats and the plain texts that the base is trained on."""
    rng = Random(f"pretraining {recipe.seed}")
    prose_count = round(recipe.documents * recipe.prose_share)
    chats = list(islice(stream(world, recipe.mix, rng, "train"), recipe.documents - prose_count))
    return chats, [prose.document(world, rng, "train") for _ in range(prose_count)]


def pretraining_documents(tokenizer: Any, chats: list[Task], texts: list[str]) -> list[Document]:
    """Chats and texts as token ids, in this order."""
    return encode_chats(tokenizer, [turns_of(t) for t in chats]) + encode_prose(tokenizer, texts)


def _tokenizer(folder: Path, recipe: Recipe, chats: list[Task], texts: list[str]) -> Any:
    """Train the tokenizer on chats, texts and the target skill's words, and save it where the base will lie."""
    commands = device.commands("train", min(1000, recipe.target_train), recipe.seed)
    told = [f"user\n{task.prompt}\nassistant\n{task.answer}" for task in chats[:20_000] + commands]
    tokenizer = train_tokenizer(told + texts[:5_000], recipe.shape.vocabulary)
    save_tokenizer(tokenizer, folder / "base")
    (folder / "logs" / TOKENIZER_READY).touch()
    return tokenizer


def _awaited_tokenizer(folder: Path) -> Any:
    """The tokenizer that the first process makes. Should it die, the build kills this one."""
    while not (folder / "logs" / TOKENIZER_READY).exists():
        time.sleep(0.05)
    return load_tokenizer(folder / "base")


def _knows(folder: Path, recipe: Recipe, world: list[Country]) -> None:
    """Measure the saved base."""
    write_knows(folder, "base", known(load_model(folder / "base"), load_tokenizer(folder / "base"), recipe, world))


def known(model: Any, tokenizer: Any, recipe: Recipe, world: list[Country]) -> dict[str, dict[str, float]]:
    """Accuracy per skill on held-out questions."""
    from trainers.lab.evaluate import accuracies

    makers = samplers(world)
    count = KNOWN_PER_SKILL[recipe.size]
    asked = ALL if recipe.size == "full" else ("facts", "count", "refusals")
    tasks = [t for skill in asked for t in distinct(makers[skill], Random(f"knows {skill}"), "test", count)]
    tasks += device.commands("test", count, recipe.seed)
    return accuracies(model, tokenizer, tasks)


def _reporter(path: Path) -> Report:
    """Progress into a small file that the build looks at now and then."""

    def report(done: int, total: int) -> None:
        path.write_text(f"{done} {total}")

    return report


if __name__ == "__main__":
    main(Path(sys.argv[1]), RECIPES[sys.argv[2]], sys.argv[3], int(sys.argv[4]) if len(sys.argv) > 4 else 0)
