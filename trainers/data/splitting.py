"""What is validated on is not trained on: a share held out by what is asked, and the overlap of sets that were given.

Two examples are the same to us where they ask the same, whatever is answered: the messages of everybody but the assistant (a
document: its text), without regard to case and white space. A model that was trained on one has seen the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal

from harness.errors import ConfigError
from trainers.data.conversations import Document, Example


def key_of(example: Example) -> bytes:
    """Hash of what an example asks: 16 bytes."""
    if isinstance(example, Document):
        asked = [example.text]
    else:
        asked = [f"{each['role']}\0{each['content']}" for each in example.messages if each["role"] != "assistant"]
        asked = asked or [f"{each['role']}\0{each['content']}" for each in example.messages]
    told = "\1".join(" ".join(text.casefold().split()) for text in asked)
    return hashlib.blake2b(told.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def hold_out(examples: Sequence[Example], share: float) -> tuple[list[Example], list[Example]]:
    """(trained, held out): about ``share`` of them, by their keys alone, so that the same question is never on both sides and new
    rows move none of the others. ConfigError where a side would be empty."""
    limit = int(share * 2**64)
    trained: list[Example] = []
    held: list[Example] = []
    for example in examples:
        (held if int.from_bytes(key_of(example)[:8], "big") < limit else trained).append(example)
    if not held or not trained:
        side = "no row is held out" if not held else "every row is held out"
        raise ConfigError(
            f"of {len(examples)} rows with {len({key_of(example) for example in examples})} different questions {side}. Choose "
            "another share, or name a file as data.validation.",
            where="data.validation_share",
        )
    return trained, held


def parted(
    trained: Mapping[str, Sequence[Example]],
    validation: Mapping[str, Sequence[Example]],
    policy: Literal["refuse", "drop", "allow"],
) -> tuple[dict[str, list[Example]], int]:
    """The trained sets without what validation asks too, where ``policy`` is ``drop``; and how many of their rows that concerns.

    ConfigError where they are refused (with places), and where nothing would be left of a set.
    """
    asked = {key_of(example): example.place for examples in validation.values() for example in examples}
    kept: dict[str, list[Example]] = {}
    shared: list[tuple[str, str]] = []
    for name, examples in trained.items():
        kept[name] = []
        for example in examples:
            if (place := asked.get(key_of(example))) is not None:
                shared.append((example.place, place))
                if policy == "drop":
                    continue
            kept[name].append(example)
        if examples and not kept[name]:
            raise ConfigError(f"every row of data.{name} is also validated on: nothing would be left.", where="data.overlap")
    if shared and policy == "refuse":
        named = "; ".join(f"{place} = {other}" for place, other in shared[:3]) + (" ..." if len(shared) > 3 else "")
        raise ConfigError(
            f"{len(shared)} rows that are trained on ask what validation asks too ({named}): its loss would be of what was learned "
            'by heart. Take them out of one side, or set "drop" (they are not trained on) or "allow".',
            where="data.overlap",
        )
    return kept, len(shared)
