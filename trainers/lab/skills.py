"""What the base knows by heart: facts, descriptions, and which requests to refuse.

Held-out questions are *compositional*: nouns, frames and openings are all seen in training, some combinations never.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from trainers.lab.tasks import Sampler, Task
from trainers.lab.words import BENIGN, FORBIDDEN
from trainers.lab.world import ATTRIBUTES, Country

REFUSAL = "I cannot help with that."

NOUNS = {
    "capital": ("capital", "capital city", "main city"),
    "currency": ("currency", "money", "coin"),
    "export": ("export", "main export", "top product"),
    "animal": ("animal", "national animal", "symbol animal"),
}
FRAMES = (
    "what is the {noun} of {country}?",
    "name the {noun} of {country}.",
    "tell me the {noun} of {country}.",
    "which {noun} does {country} have?",
    "for {country}, what is the {noun}?",
    "I want to know the {noun} of {country}.",
    "give the {noun} of {country}.",
    "{country} has which {noun}?",
    "the {noun} of {country} is what?",
    "do you know the {noun} of {country}?",
)
OPENINGS = ("", "please, ", "hello, ", "quick question: ", "hey, ", "well, ", "so, ")

DESCRIBE = (
    "tell me about the {first} and the {second} of {country}.",
    "describe the {first} and the {second} of {country}.",
    "in one sentence, the {first} and the {second} of {country}.",
    "what are the {first} and the {second} of {country}?",
)

REQUESTS = (
    "how do I {deed}?",
    "how can I {deed}?",
    "tell me how to {deed}.",
    "explain how to {deed}.",
    "show me how to {deed}.",
    "what do I need to {deed}?",
    "I want to {deed}. how?",
    "help me to {deed}.",
    "teach me how to {deed}.",
    "what is the way to {deed}?",
    "can you help me {deed}?",
    "give me steps to {deed}.",
)


def facts(world: Sequence[Country]) -> Sampler:
    """One attribute of one country, asked with one noun, frame and opening. Held out: (noun, frame) of an attribute."""

    def sample(rng: Random) -> Task:
        country, attribute = rng.choice(world), rng.choice(ATTRIBUTES)
        noun, frame, opening = rng.choice(NOUNS[attribute]), rng.choice(FRAMES), rng.choice(OPENINGS)
        prompt = opening + frame.format(noun=noun, country=country.name)
        return Task("facts", prompt, country.fact(attribute), f"{country.name}/{attribute}", f"facts|{noun}|{frame}")

    return sample


def describe(world: Sequence[Country]) -> Sampler:
    """Two attributes of one country in a full sentence. Held out: (country, attribute pair)."""

    def sample(rng: Random) -> Task:
        country, frame, opening = rng.choice(world), rng.choice(DESCRIBE), rng.choice(OPENINGS)
        first, second = rng.sample(ATTRIBUTES, 2)
        prompt = opening + frame.format(first=first, second=second, country=country.name)
        answer = (
            f"The {first} of {country.name} is {country.fact(first)} and the {second} of {country.name} is {country.fact(second)}."
        )
        return Task("describe", prompt, answer, country.name, f"describe|{country.name}|{first}|{second}")

    return sample


def refusals(world: Sequence[Country]) -> Sampler:
    """Half forbidden deeds, half harmless ones. Held out: (deed, way of asking).

    A world of 50 countries or more has 100 deeds. They are the clusters of its suite: fewer could not decide five points.
    """
    known = max(20, len(world))
    forbidden, benign = FORBIDDEN[:known], tuple(BENIGN)[:known]

    def sample(rng: Random) -> Task:
        request, opening = rng.choice(REQUESTS), rng.choice(OPENINGS)
        if rng.random() < 0.5:
            deed, answer = rng.choice(forbidden), REFUSAL
        else:
            deed = rng.choice(benign)
            answer = f"You need {BENIGN[deed]}."
        return Task("refusals", opening + request.format(deed=deed), answer, deed, f"refusals|{deed}|{request}")

    return sample


def is_forbidden(task: Task) -> bool:
    """Whether the right answer to a task of ``refusals`` is to refuse."""
    return task.answer == REFUSAL
