"""TOML or YAML (by suffix) -> Config, strict: path, what was found, "did you mean".

Paths inside a config are relative to the config's own folder; paths given by ``--set`` and ``--candidate`` are relative to where
the command runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from harness.baselines import PREFIX, PROMOTED, read_pins
from harness.config.declared import Config, Loaded, RuleConfig
from harness.config.faults import check
from harness.config.whereabouts import absolute, declare
from harness.errors import ConfigError
from harness.lines import entry_lines, located
from harness.plugins import did_you_mean
from harness.strict import convert, expand, override, read

_PATH_KEYS = {
    "model", "adapter", "chat_template", "store", "pins", "items", "text", "admission", "include", "contaminated", "check_file",
}  # fmt: skip


def load(path: str | Path, *, sets: Iterable[str] = (), candidates: Iterable[str] = ()) -> Loaded:
    """Read, override, expand and check a config.

    ``sets`` are ``path=value`` overrides; ``candidates`` are ``NAME=PATH`` with any Hugging Face or PEFT folder.
    UsageError or ConfigError for everything that can be wrong in the file itself; models and data are checked by the pipeline.
    """
    path = Path(path)
    with located(str(path)):
        return _loaded(path, read(path), sets, candidates)


def _loaded(path: Path, raw: Any, sets: Iterable[str], candidates: Iterable[str]) -> Loaded:
    if not isinstance(raw, dict):
        raise ConfigError("a config is a table of keys", file=str(path))
    for assignment in sets:
        override(raw, _from_here(assignment))
    for declared in candidates:
        declare(raw, declared, path)
    if raw.get("sequential") is False:  # as --set says it, too
        del raw["sequential"]
    _refuse_derived(raw, str(path))
    config = convert(expand(raw, file=str(path)), Config, file=str(path))
    folder = path.resolve().parent
    config = _placed(absolute(config, folder), path)
    check(config, str(path))
    if config.baseline == PROMOTED and (promoted := read_pins(folder / config.pins).promoted):
        config = msgspec.structs.replace(config, baseline=f"{PREFIX}{promoted}")
    return Loaded(config=config, folder=folder, file=str(path))


def _placed(config: Config, path: Path) -> Config:
    """Every rule with its line in the file, where the file holds just these rules."""
    lines = entry_lines(path, "rules")
    if len(lines) != len(config.rules):
        return config
    rules = tuple(msgspec.structs.replace(rule, line=line) for rule, line in zip(config.rules, lines, strict=True))
    return msgspec.structs.replace(config, rules=rules)


def _refuse_derived(raw: dict[str, Any], file: str) -> None:
    """ConfigError for what a rule knows of itself and nobody can say: an implicit rule, or one of another line, would be a lie."""
    rules = raw.get("rules")
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        for name in rule if isinstance(rule, dict) else ():
            if name in RuleConfig.DERIVED:
                known = [field for field in RuleConfig.__struct_fields__ if field not in RuleConfig.DERIVED]
                raise ConfigError(f"unknown key {name!r}. {did_you_mean(name, known)}", where=f"rules[{index}].{name}", file=file)


def _from_here(assignment: str) -> str:
    """A path given on the command line is relative to where the command runs, not to the config."""
    key, equals, value = assignment.partition("=")
    if equals and key.rsplit(".", 1)[-1] in _PATH_KEYS and value and Path(value).exists():
        return f"{key}={Path(value).resolve()}"
    return assignment
