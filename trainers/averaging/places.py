"""Which candidates are made of a run, and where they lie."""

from __future__ import annotations

from pathlib import Path

from trainers.config import TrainConfig

DERIVED = "derived"


def average_place(config: TrainConfig) -> Path:
    """The folder of the mean over steps."""
    return config.folder / DERIVED / f"{config.name}-average"


def alpha_places(config: TrainConfig) -> dict[float, Path]:
    """The folder of each point between the base and what was trained."""
    return {alpha: config.folder / DERIVED / f"{config.name}-alpha-{alpha:g}" for alpha in config.averaging.alphas}


def derived(config: TrainConfig) -> dict[str, Path]:
    """Name -> folder of the candidates that a finished run has beside its own. (A run that ended early may have no mean.)"""
    places = [average_place(config)] if config.averaging.every_steps else []
    return {place.name: place for place in (*places, *alpha_places(config).values()) if (place / "candidate.json").is_file()}
