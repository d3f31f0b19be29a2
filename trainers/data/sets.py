"""All rows of a run: what is trained, what is replayed, what is validated on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harness.errors import ConfigError
from trainers.config import TrainConfig
from trainers.data.conversations import Example, read_examples
from trainers.data.masks import Template
from trainers.data.rows import Progress, Row, Rows, make_rows
from trainers.data.sources import files_of
from trainers.data.splitting import hold_out, parted
from trainers.data.weighing import number_of, prompted, weighed


class DataSets(NamedTuple):
    """The rows of one run; ``validation`` by the name of the set, ``general`` those whose loss EWC guards.

    ``overlap`` counts the conversations to train on that validation asks too: left out, or allowed. ``trained`` are the rows that
    ``Step.batches`` counts, as they are weighed: training rows, then replay rows. Of each training row ``sources`` is the number of
    its file in ``data.train``, and ``keys`` the number under ``mixing.order_field``, 1 without.
    """

    train: Rows
    replay: Rows | None
    validation: dict[str, Rows]
    general: Rows | None
    overlap: int
    trained: list[Row]
    sources: list[int]
    keys: list[float]

    @property
    def named(self) -> dict[str, Rows]:
        """Every set by the name that it has in the record."""
        sets = {"train": self.train} | ({"replay": self.replay} if self.replay else {})
        sets |= {"ewc": self.general} if self.general else {}
        return sets | {f"validation.{name}": rows for name, rows in self.validation.items()}

    @property
    def longest(self) -> int:
        """Most tokens of a row."""
        return max(max(rows.lengths) for rows in self.named.values())


def read_sets(config: TrainConfig, template: Template, progress: Progress) -> DataSets:
    """Every file that the config names, tokenised. ConfigError for bad rows, and for rows that are trained and validated on."""

    def read(paths: Sequence[str]) -> list[Example]:
        files = [file for path in paths for file in files_of(path)]
        found = [example for file in files for example in read_examples(file, config.data)]
        if not found:
            raise ConfigError("there is nothing to train on", file=", ".join(paths))
        return found

    def rows(name: str, examples: Sequence[Example], shown: int = 0) -> Rows:
        return make_rows(
            examples, template, max_length=config.max_length, too_long=config.data.too_long, shown=shown,
            progress=lambda done, total: progress(f"read {name}", done, total),
        )  # fmt: skip

    files = [read([path]) for path in config.train]
    train = [example for found in files for example in found]
    places = {example.place: number for number, found in enumerate(files) for example in found}
    validation = {name: read([path]) for name, path in config.validation.items()}
    if config.data.validation_share:
        train, validation["target"] = hold_out(train, config.data.validation_share)
    trained, overlap = parted(
        {"train": train, "replay": read(config.replay) if config.replay else []}, validation, config.data.overlap
    )
    examples, mixing = trained["train"], config.mixing
    learned = rows("train", examples, shown=3)
    weighted = weighed(learned, examples, mixing)
    replay = rows("replay", trained["replay"]) if config.replay else None
    if replay:
        replay = replay._replace(rows=[row._replace(replayed=True) for row in replay.rows])
        weighted += prompted(replay, trained["replay"], mixing.prompt_weight)
    general = rows("ewc", read(config.objective.general)) if config.objective.general else None
    validated = {name: rows(name, examples) for name, examples in validation.items()}
    return DataSets(
        learned, replay, validated, general, overlap, weighted,
        sources=[places[examples[at].place] for at in learned.origins],
        keys=[number_of(examples[at], mixing.order_field, "mixing.order_field") for at in learned.origins],
    )  # fmt: skip
