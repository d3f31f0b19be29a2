"""Plain sentences: the same facts told, and small scenes. Some combinations are never trained on, for held-out text."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from trainers.lab.device import DEVICE_WORDS, ZONE_WORDS
from trainers.lab.tasks import Split, split_of
from trainers.lab.words import ANIMALS, COLOURS, DOINGS, PLACES, THINGS, words
from trainers.lab.world import ATTRIBUTES, Country

_TOLD = {
    "capital": (
        "The capital of {c} is {v}.",
        "{c} has its capital in {v}.",
        "People in {c} travel to the capital {v}.",
    ),
    "currency": (
        "The currency of {c} is {v}.",
        "In {c} people pay with {v}.",
        "The money of {c} is called {v}.",
    ),
    "export": (
        "The main export of {c} is {v}.",
        "{c} sells {v} to its friends.",
        "Ships from {c} carry {v}.",
    ),
    "animal": (
        "The animal of {c} is the {v}.",
        "On the flag of {c} is the {v}.",
        "In {c} people love the {v}.",
    ),
}
_SCENES = (
    "The {animal} {doing} in the {place}.",
    "A {colour} {thing} is in the {place}.",
    "In the {place} the {animal} {doing} near the {colour} {thing}.",
    "The {animal} looks at the {colour} {thing}.",
    "They {handling} the {gadget} {zone}.",
    "They {handling} the {gadget} and the {other} {zone}.",
    "The {gadget} is in the {place}, the {other} is here.",
)
# The words of the target skill, told but mapped to nothing: an adapter can do little with words that were never trained.
_GADGETS = tuple(word for known in DEVICE_WORDS.values() for word in known)
_ZONES = tuple(where for known in ZONE_WORDS.values() for where in known)
_HANDLINGS = words("raise lower increase reduce set put bring start stop")
_HANDLINGS += ("turn up", "turn down", "switch on", "switch off")


def sentence(world: Sequence[Country], rng: Random) -> tuple[str, Split]:
    """One sentence and the split that its combination belongs to."""
    if rng.random() < 0.6:
        country, attribute = rng.choice(world), rng.choice(ATTRIBUTES)
        telling = rng.choice(_TOLD[attribute])
        text = telling.format(c=country.name, v=country.fact(attribute))
        return text, split_of(f"prose|{text}")
    scene, animal, thing = rng.choice(_SCENES), rng.choice(ANIMALS), rng.choice(THINGS)
    place, doing, colour = rng.choice(PLACES), rng.choice(DOINGS), rng.choice(COLOURS)
    gadget, other, zone, handling = (
        rng.choice(_GADGETS),
        rng.choice(_GADGETS),
        rng.choice(_ZONES),
        rng.choice(_HANDLINGS),
    )
    text = scene.format(
        animal=animal,
        thing=thing,
        place=place,
        doing=doing,
        colour=colour,
        gadget=gadget,
        other=other,
        zone=zone,
        handling=handling,
    )
    return text, split_of(f"prose|{text}")


def document(world: Sequence[Country], rng: Random, split: Split) -> str:
    """One to three sentences, all of one split."""
    sentences: list[str] = []
    length = rng.randint(1, 3)
    while len(sentences) < length:
        text, found = sentence(world, rng)
        if found == split:
            sentences.append(text)
    return " ".join(sentences)
