"""All skills of the base under their names, and the mixture that the base is trained on. Replay is drawn from here too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from random import Random

from trainers.lab import operations, skills
from trainers.lab.tasks import Sampler, Split, Task
from trainers.lab.world import Country

# The skills whose items are pooled into the general suite. Facts, refusals and arithmetic have suites of their own.
GENERAL = ("listops", "count", "compare", "format", "slots")
ALL = ("facts", "describe", "arithmetic", *GENERAL, "refusals")


def samplers(world: Sequence[Country]) -> dict[str, Sampler]:
    """Every skill's generator."""
    return {
        "facts": skills.facts(world),
        "describe": skills.describe(world),
        "arithmetic": operations.arithmetic,
        "listops": operations.listops,
        "count": operations.count,
        "compare": operations.compare,
        "format": operations.formats,
        "slots": operations.slots,
        "refusals": skills.refusals(world),
    }


def stream(world: Sequence[Country], mix: Mapping[str, float], rng: Random, split: Split) -> Iterator[Task]:
    """An endless mixture of tasks of one split, by the weights of ``mix``."""
    known = samplers(world)
    names, weights = list(mix), list(mix.values())
    while True:
        sampler = known[rng.choices(names, weights)[0]]
        while (task := sampler(rng)).split != split:
            continue
        yield task
