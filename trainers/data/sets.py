"""All rows of a run: what is trained, what is replayed, what is validated on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from trainers.config import TrainConfig
from trainers.data.masks import Template
from trainers.data.rows import Progress, Row, Rows, load_rows


class DataSets(NamedTuple):
    """The rows of one run; ``validation`` by the name of the set, ``general`` those whose loss EWC guards."""

    train: Rows
    replay: Rows | None
    validation: dict[str, Rows]
    general: Rows | None = None

    @property
    def trained(self) -> list[Row]:
        """Training rows, then replay rows: what ``Step.batches`` counts."""
        return self.train.rows + (self.replay.rows if self.replay else [])

    @property
    def named(self) -> dict[str, Rows]:
        """Every set by the name that it has in the record."""
        sets = {"train": self.train} | ({"replay": self.replay} if self.replay else {})
        sets |= {"ewc": self.general} if self.general else {}
        return sets | {f"validation.{name}": rows for name, rows in self.validation.items()}


def read_sets(config: TrainConfig, template: Template, progress: Progress) -> DataSets:
    """Every file that the config names, tokenised. ConfigError for bad rows."""

    def rows(paths: Sequence[str], shown: int = 0) -> Rows:
        return load_rows(
            paths, template, max_length=config.max_length, too_long=config.data.too_long, shown=shown, progress=progress
        )

    replay = rows(config.replay) if config.replay else None
    if replay:
        replay = replay._replace(rows=[row._replace(replayed=True) for row in replay.rows])
    general = rows(config.objective.general) if config.objective.general else None
    validation = {name: rows([path]) for name, path in config.validation.items()}
    return DataSets(rows(config.train, shown=3), replay, validation, general)
