"""Invented countries and what is true of them. Names are made of syllables, so that no pretrained model could know the facts."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from trainers.lab.words import ANIMALS, EXPORTS, words

ATTRIBUTES = ("capital", "currency", "export", "animal")

_OPENINGS = words("ba be bo da do du fa fe ga go ka ke ko la le lo ma me mo na ne no pa pe ra ro sa so ta te to va ve za zo")
_MIDDLES = words("ran len mir dor vel tan bel gor lin zar nel pol tur vin kas rom del mon sel tir")
_ENDS = {"name": words("ia land ora una"), "capital": words("burg ton port ville"), "currency": words("el ar in ot")}


class Country(NamedTuple):
    """One invented country."""

    name: str
    capital: str
    currency: str
    export: str
    animal: str

    def fact(self, attribute: str) -> str:
        """The value of one of ``ATTRIBUTES``."""
        return str(getattr(self, attribute))


def countries(count: int, seed: int) -> list[Country]:
    """``count`` countries with names, capitals and currencies of their own."""
    rng = Random(f"world {seed}")
    taken: set[str] = set()
    return [
        Country(
            _coin(rng, "name", taken).capitalize(),
            _coin(rng, "capital", taken).capitalize(),
            _coin(rng, "currency", taken),
            rng.choice(EXPORTS),
            rng.choice(ANIMALS),
        )
        for _ in range(count)
    ]


def _coin(rng: Random, kind: str, taken: set[str]) -> str:
    """A new invented word; its stem is not the stem of any other."""
    while True:
        stem = rng.choice(_OPENINGS) + rng.choice(_MIDDLES)
        if stem not in taken:
            taken.add(stem)
            return stem + rng.choice(_ENDS[kind])
