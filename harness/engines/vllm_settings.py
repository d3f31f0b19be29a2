"""What the engine ``vllm`` can be told, and what vLLM is told: its arguments, and the environment it reads. Nothing heavy."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from harness.engines import serving
from harness.engines.adapters import Wish
from harness.errors import ConfigError
from harness.records import Candidate

CPU_BATCH_TOKENS = 4096
"""Tokens of one step on a CPU, or the model's context if that is longer: a prompt has to fit, as it is not cut in chunks."""

Determinism = Literal["default", "batch_invariant"]


class Options(serving.ModelOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``serve_args`` go to vLLM's ``EngineArgs`` as they are, for what has no option of its own.

    ``adapter_as``: serve the adapter as ``lora``, or ``merged`` into its base by an engine of its own; ``auto`` merges only what
    vLLM cannot serve as LoRA. ``determinism = "batch_invariant"`` makes a row's answer independent of what shares its batch, at a
    price in speed, on a GPU only; unset, the environment variable VLLM_BATCH_INVARIANT decides.
    """

    adapter_as: Wish = "auto"
    determinism: Determinism | None = None
    serve_args: dict[str, Any] = {}


class Resources(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes only speed. ``kv_cache_gib`` counts on a CPU, ``gpu_memory_utilization`` (a share of the device) on a GPU.

    ``threads`` is for the CPU; unset, a small model gets one. ``max_num_seqs`` unset is 128, or 64 for adapters on a CPU, whose
    LoRA kernels get slower with larger batches. ``max_loras``: how many adapters may share a step, the others take turns; unset,
    all of them up to 16. ``child_process``: vLLM's core gets a process of its own, so that its crash is not ours; unset, on a GPU.
    ``hot_swap``: full checkpoints of one architecture take turns in one engine, once that was proved to work (``hot_swap``).
    """

    kv_cache_gib: int = 1
    gpu_memory_utilization: float = 0.9
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    max_loras: int | None = None
    tensor_parallel_size: int = 1
    pipeline_parallel_size: int = 1
    child_process: bool | None = None
    hot_swap: bool = False
    enforce_eager: bool | None = None
    threads: int | None = None
    timeout_seconds: float = 1800.0


def read(candidate: Candidate, *, where: str = "") -> tuple[Options, Resources]:
    """Options and resources of a candidate. ConfigError where they do not fit, or ask for what this engine or device has not."""
    where = where or f"candidates.{candidate.name}"
    for name, given in (("resources", candidate.resources), ("options.serve_args", candidate.options.get("serve_args"))):
        if isinstance(given, dict) and given.get("data_parallel_size", 1) != 1:
            raise ConfigError(
                "one vLLM engine in one process knows no data parallelism. Use engine = 'ray', which shares the requests among "
                "several engines.",
                where=f"{where}.{name}.data_parallel_size",
            )
    options = serving.read_options(candidate, Options, where=where)
    resources = serving.read_resources(candidate, Resources, where=where)
    if options.determinism == "batch_invariant" and (serving.device_kind() == "cpu" or not child_process(resources)):
        reason = "has no effect on a CPU; leave it out" if serving.device_kind() == "cpu" else "needs resources.child_process"
        raise ConfigError(f"determinism = 'batch_invariant' {reason}.", where=f"{where}.options.determinism")
    if resources.hot_swap and serving.device_kind() == "cpu":
        raise ConfigError(
            "hot_swap needs a GPU: vLLM's CPU build keeps packed copies of the old weights.", where=f"{where}.resources.hot_swap"
        )
    if resources.max_loras is not None and resources.max_loras < 1:
        raise ConfigError(f"expected at least 1, found {resources.max_loras}.", where=f"{where}.resources.max_loras")
    return options, resources


def child_process(resources: Resources) -> bool:
    """Does vLLM's core get a process of its own?"""
    return serving.device_kind() == "cuda" if resources.child_process is None else resources.child_process


def determinism(options: Options) -> Determinism:
    """The mode that the engine will run in: as asked, else as the environment says; a CPU has only the default."""
    if serving.device_kind() == "cpu":
        return "default"
    asked = os.environ.get("VLLM_BATCH_INVARIANT", "0") not in {"", "0"}
    return options.determinism or ("batch_invariant" if asked else "default")


@contextlib.contextmanager
def environment(options: Options, resources: Resources) -> Iterator[None]:
    """What vLLM reads from the environment, while an engine lives. Log level and thread binding stay the user's, if set.

    A child process is spawned, never forked: a fork of a process that has used torch's threads can hang.
    """
    os.environ.update(VLLM_NO_USAGE_STATS="1", DO_NOT_TRACK="1", VLLM_DISABLE_LOG_LOGO="1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "CRITICAL")  # on errors it writes every request out; we raise them anyway
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    logging.getLogger("vllm").setLevel(os.environ["VLLM_LOGGING_LEVEL"].upper())  # it logs before it reads its own level
    settings = {
        "VLLM_ENABLE_V1_MULTIPROCESSING": str(int(child_process(resources))),
        "VLLM_BATCH_INVARIANT": str(int(determinism(options) == "batch_invariant")),
    }
    if child_process(resources):
        settings["VLLM_WORKER_MULTIPROC_METHOD"] = "spawn"
    if serving.device_kind() == "cpu":
        settings["VLLM_CPU_KVCACHE_SPACE"] = str(resources.kv_cache_gib)
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def arguments(
    weights: Path, tokenizer: Path, dtype: str, sequences: int, seed: int, options: Options, resources: Resources
) -> dict[str, Any]:
    """vLLM's ``EngineArgs`` without those of LoRA. ``generation_config = "vllm"``: the model's own file must decide nothing."""
    found: dict[str, Any] = {
        "model": str(weights),
        "tokenizer": str(tokenizer),
        "dtype": dtype,
        "max_model_len": options.max_model_len,
        "quantization": options.quantization,
        "trust_remote_code": options.trust_remote_code,
        "seed": seed,
        "generation_config": "vllm",
        "enable_prefix_caching": True,
        "max_num_seqs": sequences,
        "max_num_batched_tokens": resources.max_num_batched_tokens,
        "tensor_parallel_size": resources.tensor_parallel_size,
        "pipeline_parallel_size": resources.pipeline_parallel_size,
        # Per-request whitespace settings are ignored by this release, so the engine's own decide; "auto" would not take them.
        "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
        "use_tqdm_on_load": False,
        "disable_log_stats": False,
    }
    eager = resources.enforce_eager
    if serving.device_kind() == "cuda":
        return found | {"enforce_eager": bool(eager), "gpu_memory_utilization": resources.gpu_memory_utilization}
    length = options.max_model_len or serving.resolve_length(None, serving.model_config(weights)) or 0
    return found | {
        "enforce_eager": eager is not False,
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": resources.max_num_batched_tokens or max(CPU_BATCH_TOKENS, length),
    }
