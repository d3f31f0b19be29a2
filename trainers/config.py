"""TOML or YAML (by suffix) -> TrainConfig, strict: path, what was found, "did you mean".

Paths inside a config are relative to the config's own folder; paths given by overrides are relative to where the command runs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import msgspec

from harness.errors import ConfigError
from harness.plugins import did_you_mean
from harness.records import Record
from harness.strict import convert, expand, override, read

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_EXPONENT = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")
_PATH_KEYS = {"base", "out", "train", "replay"}
LARGEST_RANK = 512  # the largest max_lora_rank that vLLM knows


class DataConfig(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is trained on.

    ``train`` and ``replay`` are JSONL files of ``messages`` (or ``prompt`` + ``completion``). ``replay_ratio`` is replay tokens per
    token of training data: 0.5 adds half as many, drawn anew each epoch. ``validation`` names its sets (``target``, ``general``);
    a single path stands for ``target``. ``tokens_per_batch`` bounds the real tokens of one micro-batch and ``max_length`` those of
    one row (0: as many as a batch holds); rows beyond are refused, or dropped and counted. ``packing`` lays rows end to end with
    attention inside each row only; without it, rows of similar length are padded (for architectures that packing does not know).
    ``template_options`` go to the chat template, exactly as they must be given when the candidate is asked (``enable_thinking``).
    """

    train: str | tuple[str, ...]
    validation: str | dict[str, str] = {}
    replay: str | tuple[str, ...] = ()
    replay_ratio: float = 0.0
    tokens_per_batch: int = 4096
    max_length: int = 0
    too_long: Literal["refuse", "drop"] = "refuse"
    packing: bool = True
    template_options: dict[str, Any] = {}


class OptimizerConfig(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """AdamW. ``learning_rate`` 0 stands for 1e-5 (full) or 1e-4 (LoRA). ``steps`` > 0 overrides ``epochs``.

    ``warmup_ratio`` is a share of all steps; the rate ends at ``final_ratio`` of its peak. ``clip`` 0 is off. One optimiser step
    sees ``accumulation`` micro-batches (per process), normalised by their supervised tokens together.
    """

    learning_rate: float = 0.0
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup_ratio: float = 0.03
    final_ratio: float = 0.0
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    clip: float = 1.0
    epochs: float = 3.0
    steps: int = 0
    accumulation: int = 1


class LoraConfig(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Low-rank adapters. ``targets``: ``all-linear``, or names of linear layers such as ``["q_proj", "v_proj"]``."""

    r: int = 16
    alpha: float = 32.0
    dropout: float = 0.0
    targets: str | tuple[str, ...] = "all-linear"


class StoppingConfig(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Validation every ``every_steps`` (0: once per epoch); best checkpoint by ``metric``, the name of a validation set.

    ``patience`` validations without a new best (by at least ``min_gain`` nats per token) end training; 0 is off. ``keep_best``
    False hands over the last weights instead of the best.
    """

    every_steps: int = 0
    patience: int = 0
    min_gain: float = 0.0
    metric: str = ""
    keep_best: bool = True


class TrainConfig(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one candidate is trained; its folder is ``out/name``.

    ``precision`` ``bf16`` is autocast over float32 master weights. ``save_dtype`` is that of full weights on disk: float32, or the
    base's own. ``checkpoint_steps`` is how often a state to resume from is written (0: at every validation). ``threads`` 0 stands
    for one per process on a CPU.
    """

    name: str
    base: str
    data: DataConfig
    revision: str | None = None
    out: str = "out"
    method: Literal["full", "lora"] = "full"
    seed: int = 0
    precision: Literal["float32", "bf16"] = "float32"
    save_dtype: Literal["base", "float32"] = "base"
    device: Literal["auto", "cpu"] = "auto"
    threads: int = 0
    gradient_checkpointing: bool = False
    checkpoint_steps: int = 0
    overwrite: bool = False
    optimizer: OptimizerConfig = OptimizerConfig()
    lora: LoraConfig = LoraConfig()
    stopping: StoppingConfig = StoppingConfig()

    @property
    def folder(self) -> Path:
        """Where the candidate goes."""
        return Path(self.out) / self.name

    @property
    def train(self) -> tuple[str, ...]:
        """Training files."""
        return _several(self.data.train)

    @property
    def replay(self) -> tuple[str, ...]:
        """Replay files."""
        return _several(self.data.replay)

    @property
    def validation(self) -> dict[str, str]:
        """Validation sets by name."""
        return {"target": self.data.validation} if isinstance(self.data.validation, str) else dict(self.data.validation)

    @property
    def metric(self) -> str:
        """The validation set that selects the checkpoint; empty where there is none."""
        names = list(self.validation)
        return self.stopping.metric or ("target" if "target" in names else names[0] if names else "")

    @property
    def learning_rate(self) -> float:
        """The peak rate."""
        return self.optimizer.learning_rate or (1e-4 if self.method == "lora" else 1e-5)

    @property
    def max_length(self) -> int:
        """Most tokens of one row."""
        return self.data.max_length or self.data.tokens_per_batch


def _several(paths: str | tuple[str, ...]) -> tuple[str, ...]:
    return (paths,) if isinstance(paths, str) else paths


def load(path: str | Path, overrides: Iterable[str] = ()) -> TrainConfig:
    """Read, override (``key.path=value``), expand ``${ENV}`` and check. UsageError or ConfigError for all that can be wrong."""
    path = Path(path)
    raw = read(path)
    if not isinstance(raw, dict):
        raise ConfigError("a config is a table of keys", file=str(path))
    for table in ("optimizer", "lora", "stopping"):
        if isinstance(raw.get(table), dict):
            raw[table] = {key: _number(value) for key, value in raw[table].items()}
    for assignment in overrides:
        override(raw, _from_here(assignment))
    return parse(expand(raw, file=str(path)), folder=path.resolve().parent, file=str(path))


def parse(raw: dict[str, Any], *, folder: Path, file: str = "") -> TrainConfig:
    """A checked config from plain Python; relative paths are looked up in ``folder``. ConfigError where it is wrong."""
    config = _absolute(convert(raw, TrainConfig, file=file), folder)
    for where, wrong in _complaints(config):
        raise ConfigError(wrong, where=where, file=file)
    return config


def _number(value: Any) -> Any:
    """YAML 1.1 reads 1e-3 (without a dot) as text; nobody means that."""
    return float(value) if isinstance(value, str) and _EXPONENT.fullmatch(value) else value


def _from_here(assignment: str) -> str:
    key, _, value = assignment.partition("=")
    leaf = key.rsplit(".", 1)[-1]
    if (leaf in _PATH_KEYS or ".validation." in f".{key}") and value and (leaf == "out" or Path(value).exists()):
        return f"{key}={Path(value).resolve()}"
    return assignment


def _absolute(config: TrainConfig, folder: Path) -> TrainConfig:
    def place(text: str) -> str:
        return str((folder / text).resolve())

    replace = msgspec.structs.replace
    data = replace(
        config.data,
        train=tuple(place(text) for text in config.train),
        replay=tuple(place(text) for text in config.replay),
        validation={name: place(text) for name, text in config.validation.items()},
    )
    base = place(config.base) if (folder / config.base).exists() else config.base
    return replace(config, base=base, out=place(config.out), data=data)


def _complaints(config: TrainConfig) -> Iterable[tuple[str, str]]:
    """(where, what) of everything that types alone do not catch."""
    if not _NAME.fullmatch(config.name):
        yield "name", f"{config.name!r} cannot be a name. Use letters, digits, '.', '_' and '-'."
    if not config.base:
        yield "base", "expected a model folder or a hub name, found nothing"
    if not config.train:
        yield "data.train", "expected at least one file, found none"
    yield from _missing_files(config)
    yield from _out_of_range(config)
    data, stopping = config.data, config.stopping
    if data.replay_ratio > 0 and not config.replay:
        yield "data.replay_ratio", f"is {data.replay_ratio}, but data.replay names no file. Name one, or set the ratio to 0."
    if config.replay and not data.replay_ratio:
        yield (
            "data.replay",
            "is given, but data.replay_ratio is 0. Set the ratio (0.5: half as many replay tokens as training tokens).",
        )
    if data.max_length > data.tokens_per_batch:
        yield (
            "data.max_length",
            f"{data.max_length} is more than tokens_per_batch ({data.tokens_per_batch}): such a row fits no batch",
        )
    if stopping.patience and not config.validation:
        yield "stopping.patience", 'needs a validation set. Set data.validation = { target = "FILE.jsonl" }.'
    if stopping.metric and stopping.metric not in config.validation:
        yield (
            "stopping.metric",
            f"no validation set is named {stopping.metric!r}. {did_you_mean(stopping.metric, config.validation)}",
        )
    if isinstance(config.lora.targets, str) and config.lora.targets != "all-linear":
        yield "lora.targets", f'expected "all-linear" or a list of layer names, found {config.lora.targets!r}'


def _missing_files(config: TrainConfig) -> Iterable[tuple[str, str]]:
    named = [("data.train", path) for path in config.train] + [("data.replay", path) for path in config.replay]
    named += [(f"data.validation.{name}", path) for name, path in config.validation.items()]
    for where, text in named:
        path = Path(text)
        if not path.is_file():
            near = [entry.name for entry in path.parent.glob("*.jsonl")] if path.parent.is_dir() else []
            yield where, f"no such file: {text}. {did_you_mean(path.name, near) if near else ''}".rstrip()


def _out_of_range(config: TrainConfig) -> Iterable[tuple[str, str]]:
    data, optimizer, lora, stopping = config.data, config.optimizer, config.lora, config.stopping
    betas = optimizer.betas
    checks: list[tuple[str, float, bool, str]] = [
        ("threads", config.threads, config.threads >= 0, "0 or more"),
        ("checkpoint_steps", config.checkpoint_steps, config.checkpoint_steps >= 0, "0 or more"),
        ("data.replay_ratio", data.replay_ratio, 0 <= data.replay_ratio < math.inf, "0 or more"),
        ("data.tokens_per_batch", data.tokens_per_batch, data.tokens_per_batch >= 2, "2 or more"),
        ("data.max_length", data.max_length, data.max_length >= 0, "0 or more"),
        ("optimizer.learning_rate", optimizer.learning_rate, 0 <= optimizer.learning_rate < math.inf, "a positive number"),
        ("optimizer.warmup_ratio", optimizer.warmup_ratio, 0 <= optimizer.warmup_ratio <= 1, "a share between 0 and 1"),
        ("optimizer.final_ratio", optimizer.final_ratio, 0 <= optimizer.final_ratio <= 1, "a share between 0 and 1"),
        ("optimizer.weight_decay", optimizer.weight_decay, 0 <= optimizer.weight_decay < math.inf, "0 or more"),
        ("optimizer.betas[0]", betas[0], 0 <= betas[0] < 1, "a number from 0 to below 1"),
        ("optimizer.betas[1]", betas[1], 0 <= betas[1] < 1, "a number from 0 to below 1"),
        ("optimizer.epsilon", optimizer.epsilon, 0 < optimizer.epsilon < math.inf, "a positive number"),
        ("optimizer.clip", optimizer.clip, 0 <= optimizer.clip < math.inf, "0 (off) or more"),
        ("optimizer.epochs", optimizer.epochs, 0 < optimizer.epochs < math.inf, "a positive number"),
        ("optimizer.steps", optimizer.steps, optimizer.steps >= 0, "0 (by epochs) or more"),
        ("optimizer.accumulation", optimizer.accumulation, optimizer.accumulation >= 1, "1 or more"),
        ("lora.r", lora.r, 1 <= lora.r <= LARGEST_RANK, f"a rank from 1 to {LARGEST_RANK} (the largest that vLLM serves)"),
        ("lora.alpha", lora.alpha, 0 < lora.alpha < math.inf, "a positive number"),
        ("lora.dropout", lora.dropout, 0 <= lora.dropout < 1, "a share from 0 to below 1"),
        ("stopping.every_steps", stopping.every_steps, stopping.every_steps >= 0, "0 (once per epoch) or more"),
        ("stopping.patience", stopping.patience, stopping.patience >= 0, "0 (off) or more"),
        ("stopping.min_gain", stopping.min_gain, 0 <= stopping.min_gain < math.inf, "0 or more"),
    ]
    return [(where, f"expected {expected}, found {found}") for where, found, fine, expected in checks if not fine]
