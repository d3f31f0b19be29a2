"""What the base can do: arithmetic, lists, counting, comparing, formats, and explicit slots into JSON.

What is copied stands on a line of its own: to a byte-level vocabulary `` amber`` and ``amber`` are different words.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

from trainers.lab.tasks import Task
from trainers.lab.words import COLOURS, PLACES, THINGS

LIST_WORDS = tuple(sorted(THINGS)[:20])
DEVICES = ("fan", "heater", "radio", "light", "seat", "window")
ACTIONS = ("up", "down", "set", "on", "off")
ZONES = ("front", "rear")

_ARITHMETIC = {
    "+": (
        "{a} + {b} = ?",
        "what is {a} plus {b}?",
        "add {a} and {b}.",
        "{a} plus {b}?",
        "sum of {a} and {b}?",
        "compute {a} + {b}.",
    ),
    "-": ("{a} - {b} = ?", "what is {a} minus {b}?", "take {b} from {a}.", "{a} minus {b}?", "{a} less {b}?", "compute {a} - {b}."),
    "x": (
        "{a} x {b} = ?",
        "what is {a} times {b}?",
        "multiply {a} by {b}.",
        "{a} times {b}?",
        "product of {a} and {b}?",
        "compute {a} x {b}.",
    ),
}
_LISTS = {
    "reverse": ("reverse the list:", "turn the list around:"),
    "first": ("first word of the list:", "which word comes first:"),
    "last": ("last word of the list:", "which word comes last:"),
    "sort": ("sort the list:", "put the list in order:"),
}
_COUNTS = ("count the words:", "how many words:", "number of words:", "how many:")
_COMPARES = {
    "larger": (
        "which is larger, {a} or {b}?",
        "larger of {a} and {b}?",
        "pick the larger: {a}, {b}",
        "{a} or {b}: which is larger?",
    ),
    "smaller": (
        "which is smaller, {a} or {b}?",
        "smaller of {a} and {b}?",
        "pick the smaller: {a}, {b}",
        "{a} or {b}: which is smaller?",
    ),
}
_FORMATS = {
    "upper": ("write in capital letters:", "all capitals:"),
    "lower": ("write in small letters:", "no capitals:"),
    "json": ("write as json with key thing:", "make json with key thing:"),
    "quote": ("put in double quotes:", "quote this:"),
    "twice": ("say this twice:", "repeat two times:"),
    "sentence": ("use in a sentence:", "make a sentence with:"),
}
_SLOTS = ("json:", "as json:", "make json:", "fill the json:")


def arithmetic(rng: Random) -> Task:
    """One-digit sums, differences (never negative) and products. Held out: (problem, wording); a table, not an algorithm."""
    sign, a, b = rng.choice("+-x"), rng.randint(0, 9), rng.randint(0, 9)
    if sign == "-" and a < b:
        a, b = b, a
    wording = rng.choice(_ARITHMETIC[sign])
    answer = {"+": a + b, "-": a - b, "x": a * b}[sign]
    return Task("arithmetic", wording.format(a=a, b=b), str(answer), f"{a}{sign}{b}", f"arithmetic|{a}{sign}{b}|{wording}")


def listops(rng: Random) -> Task:
    """Reverse, sort, first or last of three or four words. Held out: the list."""
    operation = rng.choice(tuple(_LISTS))
    words = rng.sample(LIST_WORDS, rng.choice((3, 3, 4)))
    done = {"reverse": words[::-1], "first": words[:1], "last": words[-1:], "sort": sorted(words)}[operation]
    listed = ", ".join(words)
    prompt = f"{rng.choice(_LISTS[operation])}\n{listed}"
    return Task("listops", prompt, ", ".join(done), f"listops/{operation}/{listed}", f"listops|{listed}")


def count(rng: Random) -> Task:
    """How often a word is repeated, up to six. Held out: (word, number, wording)."""
    thing, number, wording = rng.choice(THINGS), rng.randint(1, 6), rng.choice(_COUNTS)
    prompt = f"{wording}\n{' '.join([thing] * number)}"
    return Task("count", prompt, str(number), f"count/{thing}", f"count|{thing}|{number}|{wording}")


def compare(rng: Random) -> Task:
    """The larger or smaller of two numbers up to 20. Held out: the pair."""
    kind = rng.choice(("larger", "smaller"))
    a, b = rng.sample(range(21), 2)
    answer = max(a, b) if kind == "larger" else min(a, b)
    pair = f"{min(a, b)}-{max(a, b)}"
    return Task("compare", rng.choice(_COMPARES[kind]).format(a=a, b=b), str(answer), f"compare/{pair}", f"compare|{pair}")


def formats(rng: Random) -> Task:
    """A phrase of two words in a demanded form. Held out: (form, phrase)."""
    form, colour, thing = rng.choice(tuple(_FORMATS)), rng.choice(COLOURS), rng.choice(THINGS)
    phrase = f"{colour} {thing}"
    place = PLACES[THINGS.index(thing) % len(PLACES)]
    shown = phrase.upper() if form == "lower" else phrase
    answer = {
        "upper": phrase.upper(),
        "lower": phrase,
        "json": json.dumps({"thing": phrase}),
        "quote": f'"{phrase}"',
        "twice": f"{phrase} {phrase}",
        "sentence": f"The {phrase} is in the {place}.",
    }[form]
    prompt = f"{rng.choice(_FORMATS[form])}\n{shown}"
    return Task("format", prompt, answer, f"format/{thing}", f"format|{form}|{phrase}", _checks(form, colour, thing))


def _checks(form: str, colour: str, thing: str) -> tuple[tuple[str, dict[str, Any]], ...]:
    """The IFEval constraints that the right answer to one form keeps, as (instruction id, its arguments).

    Not IFEval's own case constraints: they ask a language detector too, which two words lead astray ("NEW BOOK" is Vietnamese).
    """
    words: tuple[str, dict[str, Any]] = ("keywords:existence", {"keywords": [colour, thing]})
    return {
        "upper": (("change_case:capital_word_frequency", {"capital_relation": "at least", "capital_frequency": 2}), words),
        "lower": (("change_case:capital_word_frequency", {"capital_relation": "less than", "capital_frequency": 1}), words),
        "json": (("detectable_format:json_format", {}),),
        "quote": (("startend:quotation", {}),),
        "twice": (
            ("length_constraints:number_words", {"relation": "at least", "num_words": 4}),
            ("keywords:frequency", {"keyword": thing, "frequency": 2, "relation": "at least"}),
        ),
        "sentence": (words, ("length_constraints:number_words", {"relation": "at least", "num_words": 6})),
    }[form]


def slots(rng: Random) -> Task:
    """Explicit slots in any order into JSON in fixed order. Held out: (device, action, value, zone)."""
    values: dict[str, Any] = {
        "device": rng.choice(DEVICES),
        "action": rng.choice(ACTIONS),
        "value": rng.randint(1, 30),
        "zone": rng.choice(ZONES),
    }
    order = rng.sample(tuple(values), 4)
    said = ", ".join(f"{name} {values[name]}" for name in order)
    prompt = f"{rng.choice(_SLOTS)} {said}"
    return Task("slots", prompt, json.dumps(values), f"slots/{said}", "slots|" + "|".join(str(v) for v in values.values()))
