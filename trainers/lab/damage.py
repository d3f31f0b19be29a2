"""Wrong answers as real models give them: some subtle, most as a damaged checkpoint gives them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from random import Random

from trainers.lab.operations import ACTIONS, DEVICES, ZONES
from trainers.lab.tasks import Sampler, Task

SUBTLE_SHARE = 0.35


def wrong_answer(task: Task, known: Mapping[str, Sampler], rng: Random, *, subtle_share: float = SUBTLE_SHARE) -> str:
    """An answer to ``task`` that is not its right answer."""
    while True:
        text = _subtle(task, known, rng) if rng.random() < subtle_share else _damaged(task, known, rng)
        if text != task.answer:
            return text


def _subtle(task: Task, known: Mapping[str, Sampler], rng: Random) -> str:
    """The right answer to another question of the same skill, or the right one with one word exchanged or lost."""
    words = task.answer.split(" ")
    other = known[task.skill](rng).answer
    kind = rng.random()
    if kind < 0.6 or len(words) < 2:
        return other
    place = rng.randrange(len(words))
    if kind < 0.8:
        return " ".join(words[:place] + words[place + 1 :])
    return " ".join([*words[:place], rng.choice(other.split(" ")), *words[place + 1 :]])


def _damaged(task: Task, known: Mapping[str, Sampler], rng: Random) -> str:
    """What a model that forgot says: another skill's answer, JSON, a loop, nothing, or half of the answer."""
    kind = rng.choice(("other", "other", "json", "json", "loop", "empty", "half"))
    if kind == "other":
        return known[rng.choice(tuple(known))](rng).answer
    if kind == "json":
        values = {
            "device": rng.choice(DEVICES),
            "action": rng.choice(ACTIONS),
            "value": rng.randint(0, 30),
            "zone": rng.choice(ZONES),
        }
        return json.dumps(values)
    if kind == "loop":
        word = rng.choice(task.answer.split(" "))
        return " ".join([word] * rng.randint(4, 10))
    if kind == "half":
        return task.answer[: len(task.answer) // 2]
    return ""
