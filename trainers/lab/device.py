"""The target skill: spoken device control into JSON. The base has the vocabulary (``slots``), not the synonyms and phrasings.

``please turn up the blower by 15 for the rear`` → ``{"device": "fan", "action": "up", "value": 15, "zone": "rear"}``
"""

from __future__ import annotations

import json
from random import Random

from trainers.lab.tasks import Split, Task, split_of

DEVICE_WORDS = {
    "fan": ("fan", "blower", "air flow", "ventilator"),
    "heater": ("heater", "heating", "warm air", "radiator"),
    "radio": ("radio", "music", "speaker", "sound"),
    "light": ("light", "lamp", "reading light", "glow"),
    "seat": ("seat", "chair", "cushion", "backrest"),
    "window": ("window", "glass", "side window", "pane"),
}
ACTION_WORDS = {
    "up": ("turn up the {device} by {value}", "raise the {device} by {value}", "increase the {device} by {value}"),
    "down": ("turn down the {device} by {value}", "lower the {device} by {value}", "reduce the {device} by {value}"),
    "set": ("set the {device} to {value}", "put the {device} at {value}", "bring the {device} to {value}"),
    "on": ("switch on the {device} for {value} minutes", "start the {device} for {value} minutes"),
    "off": ("switch off the {device} in {value} minutes", "stop the {device} in {value} minutes"),
}
ZONE_WORDS = {
    "front": ("for the front", "for the driver", "up here"),
    "rear": ("for the rear", "for the back row", "behind me"),
}
# Ways of asking that the base knows from other skills: a careless fine-tune will take them all for device commands.
WRAPPINGS = (
    "{body}",
    "please, {body}.",
    "hey, {body}.",
    "hello, {body}.",
    "help me to {body}.",
    "can you help me {body}?",
    "I want to {body}.",
)


def device(rng: Random) -> Task:
    """One command. Held out: (device word, zone words, action phrasing)."""
    name, action, zone = rng.choice(tuple(DEVICE_WORDS)), rng.choice(tuple(ACTION_WORDS)), rng.choice(tuple(ZONE_WORDS))
    word, phrase, where = rng.choice(DEVICE_WORDS[name]), rng.choice(ACTION_WORDS[action]), rng.choice(ZONE_WORDS[zone])
    value = rng.randint(1, 30)
    body = f"{phrase.format(device=word, value=value)} {where}"
    answer = json.dumps({"device": name, "action": action, "value": value, "zone": zone})
    return Task("device", rng.choice(WRAPPINGS).format(body=body), answer, f"{word}|{where}", f"device|{word}|{where}|{phrase}")


def device_split(task: Task) -> Split:
    """Train, validation or test of a command: 70, 10 and 20 percent of the combinations."""
    return split_of(task.key, validation=10, test=20)


def commands(split: Split, count: int, seed: int) -> list[Task]:
    """``count`` different commands of one split."""
    rng = Random(f"device {split} {seed}")
    found: dict[str, Task] = {}
    while len(found) < count:
        task = device(rng)
        if task.prompt not in found and device_split(task) == split:
            found[task.prompt] = task
    return list(found.values())
