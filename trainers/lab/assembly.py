"""Builds a lab into the cache: stages in processes of their own, into a temporary folder that is renamed when it is complete."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from harness.environment import cache_root
from harness.errors import EvaluationError, UsageError
from harness.plugins import did_you_mean
from harness.records import Record
from trainers.lab.recipe import RECIPES, Recipe, Size, recipe_hash
from trainers.lab.suitefiles import write_suite_files
from trainers.lab.trainfiles import write_training_files
from trainers.lab.world import countries

Progress = Callable[[str, int, int], None]

_THREADS = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "0",
    "CUDA_VISIBLE_DEVICES": "",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
}


class LabPaths(Record, frozen=True, kw_only=True):
    """Where everything of one lab lies. The test size has no judges."""

    size: str
    hash: str
    root: Path
    base: Path
    data: Path
    knows: Path
    judge_pointwise: Path | None = None
    judge_pairwise: Path | None = None


def build(size: Size = "full", *, folder: Path | None = None, progress: Progress | None = None) -> LabPaths:
    """The lab of ``size``, from the cache or built now; ``folder`` replaces the cache folder.

    ``progress(stage, done, total)`` is called while it builds. Two processes that build at once: the second waits for the first.
    Raises UsageError for an unknown size or a cache that cannot be written, EvaluationError when a stage fails.
    """
    if size not in RECIPES:
        raise UsageError(f"unknown lab size {size!r}. {did_you_mean(size, RECIPES)}")
    recipe = RECIPES[size]
    cache = folder or cache_folder()
    root = cache / recipe_hash(recipe)
    if (root / "lab.json").exists():
        return paths(recipe, root)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _locked(cache / f"{root.name}.lock"):
            if not (root / "lab.json").exists():
                _build_into(root, recipe, progress or (lambda *_: None))
    except OSError as error:
        raise UsageError(f"cannot build the lab in {cache}: {error}. Set SFTGATE_CACHE to a folder that can be written.") from error
    return paths(recipe, root)


def cache_folder() -> Path:
    """``$SFTGATE_CACHE/lab``, else ``~/.cache/sftgate/lab``."""
    return cache_root() / "lab"


def paths(recipe: Recipe, root: Path) -> LabPaths:
    """Where the parts of a lab lie under ``root``."""
    judges = {f"judge_{name}": root / f"judge_{name}" for name in recipe.judges}
    return LabPaths(
        size=recipe.size,
        hash=root.name,
        root=root,
        base=root / "base",
        data=root / "data",
        knows=root / "knows.json",
        judge_pointwise=judges.get("judge_pointwise"),
        judge_pairwise=judges.get("judge_pairwise"),
    )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock file for as long as the block runs; it dies with the process."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _build_into(root: Path, recipe: Recipe, progress: Progress) -> None:
    """Build in a temporary folder beside ``root``, then rename it: nothing half-built is ever found under ``root``.

    The caller holds the lock, so that a temporary folder found here was left by a build that was killed.
    """
    for stale in root.parent.glob(f"{root.name}.*.building"):
        shutil.rmtree(stale, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(prefix=f"{root.name}.", suffix=".building", dir=root.parent))
    started = time.monotonic()
    try:
        (temporary / "logs").mkdir()
        seconds = _stages(temporary, recipe, progress)
        _finish(temporary, recipe, {**seconds, "total": round(time.monotonic() - started, 1)})
        if root.exists():
            shutil.rmtree(root)
        temporary.rename(root)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _stages(folder: Path, recipe: Recipe, progress: Progress) -> dict[str, float]:
    """Run all stages; the wall seconds of each round. The data files are written while the base trains."""
    world = countries(recipe.countries, recipe.seed)
    started = time.monotonic()
    base = [("base", rank) for rank in range(recipe.schedule.processes)]
    with _running(folder, recipe, base) as children:
        write_training_files(folder / "data", recipe, world)
        write_suite_files(folder / "data", recipe, world)
        _wait(folder, children, progress)
    seconds = {"base": round(time.monotonic() - started, 1)}
    if recipe.judges:
        started = time.monotonic()
        with _running(folder, recipe, [*((f"judge_{name}", 0) for name in recipe.judges), ("knows", 0)]) as children:
            _wait(folder, children, progress)
        seconds["judges"] = round(time.monotonic() - started, 1)
    return seconds


Child = tuple[str, "subprocess.Popen[bytes]", Path]


@contextmanager
def _running(folder: Path, recipe: Recipe, stages: Sequence[tuple[str, int]]) -> Iterator[list[Child]]:
    """Start one process per (stage, rank); none outlives the block."""
    children: list[Child] = []
    try:
        for stage, rank in stages:
            log = folder / "logs" / f"{stage}.{rank}.log"
            command = [sys.executable, "-m", "trainers.lab.work", str(folder), recipe.size, stage, str(rank)]
            with log.open("wb") as out:
                child = subprocess.Popen(
                    command,
                    cwd=Path(__file__).parents[2],
                    env={**os.environ, **_THREADS},
                    stdout=out,
                    stderr=out,
                    stdin=subprocess.DEVNULL,
                )
            children.append((stage, child, log))
        yield children
    finally:
        for _, child, _ in children:
            if child.poll() is None:
                child.kill()
            child.wait()


def _wait(folder: Path, children: Sequence[Child], progress: Progress) -> None:
    """Until all are done. Raises EvaluationError with the end of the log of the first that fails."""
    told: dict[str, str] = {}
    while True:
        codes = [child.poll() for _, child, _ in children]
        for stage in dict.fromkeys(stage for stage, _, _ in children):
            _tell(folder / "logs" / f"{stage}.progress", stage, told, progress)
        for (stage, _, log), code in zip(children, codes, strict=True):
            if code:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-12:])
                raise EvaluationError(f"building the lab failed in stage {stage!r} (exit code {code}):\n{tail}")
        if all(code == 0 for code in codes):
            return
        time.sleep(0.1)


def _tell(path: Path, stage: str, told: dict[str, str], progress: Progress) -> None:
    """Pass on what a stage wrote since the last look."""
    text = path.read_text() if path.exists() else ""
    if text and told.get(stage) != text:
        told[stage] = text
        done, total = text.split()
        progress(stage, int(done), int(total))


def _finish(folder: Path, recipe: Recipe, seconds: dict[str, Any]) -> None:
    """Gather what the models know, drop the logs, and write ``lab.json`` last: it says that the folder is complete."""
    found = {p.name.removesuffix(".knows.json"): json.loads(p.read_text()) for p in sorted((folder / "logs").glob("*.knows.json"))}
    (folder / "knows.json").write_text(json.dumps({"format": 1, "size": recipe.size, "models": found}, indent=1))
    shutil.rmtree(folder / "logs")
    made = {"format": 1, "recipe": msgspec.to_builtins(recipe), "hash": recipe_hash(recipe), "seconds": seconds}
    (folder / "lab.json").write_text(json.dumps(made, indent=1))
