"""Which weights of the base ``[parameters]`` means: those to train, or those to adapt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from harness.errors import ConfigError
from trainers.config import ParametersConfig
from trainers.methods.names import depth


def chosen(table: ParametersConfig, weights: Sequence[str], total: int) -> list[str]:
    """Those of ``weights`` (names as in the checkpoint, of a model of ``total`` layers) that are not left out.

    ConfigError for a pattern that matches nothing, for more frozen layers than there are, and where nothing is left.
    """
    if table.freeze_layers > total:
        raise ConfigError(f"expected at most {total} (the model has no more layers)", where="parameters.freeze_layers")
    for key, patterns in (("only", table.only), ("freeze", table.freeze)):
        for index, pattern in enumerate(patterns):
            if not any(fnmatchcase(weight, pattern) for weight in weights):
                raise ConfigError(
                    f"{pattern!r} matches none of the {len(weights)} weights, which are named like {_examples(weights)}",
                    where=f"parameters.{key}[{index}]",
                )
    left = [weight for weight in weights if _wanted(table, weight) and not _below(table, weight, total)]
    if not left:
        raise ConfigError("leaves nothing to train. Freeze less.", where="parameters")
    return left


def _wanted(table: ParametersConfig, weight: str) -> bool:
    return _any(table.only or ("*",), weight) and not _any(table.freeze, weight)


def _any(patterns: Iterable[str], weight: str) -> bool:
    return any(fnmatchcase(weight, pattern) for pattern in patterns)


def _below(table: ParametersConfig, weight: str, total: int) -> bool:
    """Is it the embedding, or in one of the frozen layers at the bottom?"""
    return 0 < table.freeze_layers >= depth(weight, total)


def _examples(weights: Sequence[str]) -> str:
    middle = len(weights) // 2
    return " and ".join(repr(weight) for weight in dict.fromkeys((weights[0], weights[middle])))
