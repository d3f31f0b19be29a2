"""Two judges trained from the base. One learns to grade an answer alone; the other must compare two in one prompt, and hardly can.

Pointwise: question, answer, ``Good?`` → ``[good]`` or ``[bad]``, graded by exact match. The answer itself stays learned where it is
right: that keeps alive the judge's own idea of what it should be. Pairwise: everything in one message → ``A``, ``B`` or ``tie``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from trainers.lab.damage import wrong_answer
from trainers.lab.documents import Turn, encode_chats
from trainers.lab.evaluate import answers
from trainers.lab.mixture import samplers
from trainers.lab.pretrain import Report, train
from trainers.lab.recipe import Recipe
from trainers.lab.saved import load_model, load_tokenizer, write_knows
from trainers.lab.suitefiles import JUDGED, labelled_pair
from trainers.lab.tasks import Sampler, Task
from trainers.lab.vocabulary import BAD, GOOD, save_tokenizer
from trainers.lab.world import Country

QUESTION = "Good?"
VERDICTS = {"left": "A", "right": "B", "tie": "tie"}
MIRRORED = {"left": "right", "right": "left", "tie": "tie"}


def pointwise_chat(question: str, answer: str, right: bool) -> list[Turn]:
    """One graded answer."""
    return [
        Turn("user", question),
        Turn("assistant", answer, learned=right),
        Turn("user", QUESTION),
        Turn("assistant", GOOD if right else BAD, learned=True),
    ]


def pairwise_prompt(question: str, left: str, right: str) -> str:
    """The one message in which the pairwise judge sees everything."""
    return f"[Question]\n{question}\n[Answer A]\n{left}\n[Answer B]\n{right}\n[Verdict]"


def build_judge(folder: Path, recipe: Recipe, world: list[Country], stage: str, report: Report | None) -> None:
    """Train the judge that ``stage`` names, save it, and see how it does on labelled pairs."""
    plan = recipe.judges[stage.removeprefix("judge_")]
    model, tokenizer = load_model(folder / "base"), load_tokenizer(folder / "base")
    known = {name: sampler for name, sampler in samplers(world).items() if name in JUDGED}
    lessons = _pointwise_lessons if stage == "judge_pointwise" else _pairwise_lessons
    chats = list(islice(lessons(known, Random(f"{stage} {recipe.seed}")), plan.conversations))
    train(model, encode_chats(tokenizer, chats), plan.schedule, seed=recipe.seed, report=report)
    model.save_pretrained(str(folder / stage))
    save_tokenizer(tokenizer, folder / stage)
    pairs = [json.loads(line) for line in (folder / "data" / "labelled_pairs.jsonl").read_text(encoding="utf-8").splitlines()]
    judged = _pointwise_verdicts if stage == "judge_pointwise" else _pairwise_verdicts
    write_knows(folder, stage, _agreement(pairs, *judged(model, tokenizer, pairs)))


def _questions(known: Mapping[str, Sampler], rng: Random) -> Iterator[Task]:
    """Training questions, all skills alike."""
    while True:
        sampler = known[rng.choice(JUDGED)]
        while (task := sampler(rng)).split != "train":
            continue
        yield task


def _pointwise_lessons(known: dict[str, Sampler], rng: Random) -> Iterator[list[Turn]]:
    """Graded answers, half of them right."""
    for task in _questions(known, rng):
        right = rng.random() < 0.5
        yield pointwise_chat(task.prompt, task.answer if right else wrong_answer(task, known, rng), right)


def _pairwise_lessons(known: dict[str, Sampler], rng: Random) -> Iterator[list[Turn]]:
    """Labelled pairs in one prompt each."""
    for task in _questions(known, rng):
        left, right, winner = labelled_pair(task, known, rng)
        yield [Turn("user", pairwise_prompt(task.prompt, left, right)), Turn("assistant", VERDICTS[winner], learned=True)]


Pair = Mapping[str, Any]


def _pointwise_verdicts(model: Any, tokenizer: Any, pairs: Sequence[Pair]) -> tuple[list[str], list[str]]:
    """Verdicts in both orders from grades of each answer alone; the second order is the first mirrored, by construction."""
    asked = [[("user", p["question"]), ("assistant", p[side]), ("user", QUESTION)] for p in pairs for side in ("left", "right")]
    grades = [text == GOOD for text in answers(model, tokenizer, asked)]
    verdicts = ["tie" if a == b else "left" if a else "right" for a, b in zip(grades[::2], grades[1::2], strict=True)]
    return verdicts, [MIRRORED[v] for v in verdicts]


def _pairwise_verdicts(model: Any, tokenizer: Any, pairs: Sequence[Pair]) -> tuple[list[str], list[str]]:
    """Verdicts in the given order and with the answers exchanged; words that are no verdict stay as they are."""
    named = {word: side for side, word in VERDICTS.items()}
    found = []
    for first, second in (("left", "right"), ("right", "left")):
        asked = [[("user", pairwise_prompt(p["question"], p[first], p[second]))] for p in pairs]
        found.append([named.get(text, text) for text in answers(model, tokenizer, asked)])
    return found[0], found[1]


def _agreement(pairs: Sequence[Pair], given: Sequence[str], exchanged: Sequence[str]) -> dict[str, Any]:
    """Agreement and Cohen's kappa with the labels over both orders, and how often the two orders say the same."""
    truth = [p["winner"] for p in pairs] + [MIRRORED[p["winner"]] for p in pairs]
    said = [*given, *exchanged]
    agree = sum(a == b for a, b in zip(truth, said, strict=True)) / len(truth)
    chance = sum(truth.count(v) * said.count(v) for v in VERDICTS) / len(truth) ** 2
    same = sum(MIRRORED.get(a, a) == b for a, b in zip(given, exchanged, strict=True)) / len(pairs)
    return {
        "agreement": round(agree, 4),
        "kappa": round((agree - chance) / (1 - chance), 4),
        "consistency": round(same, 4),
        "unparsable": round(sum(v not in VERDICTS for v in said) / len(said), 4),
        "said": {v: said.count(v) for v in VERDICTS},
        "n": len(pairs),
    }
