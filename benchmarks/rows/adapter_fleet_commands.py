"""Row 3 as a person types it: one ``sftgate measure`` of a base and eight adapters, against nine ``lm_eval run`` commands."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import lm_eval_run, own_run
from benchmarks.agreement import same
from benchmarks.fleet import SUITE, Fleet, make_fleet, samples_of, write_config
from benchmarks.models import describe
from benchmarks.row import Outcome, Setting, alternate, row
from benchmarks.tasks import METRICS
from harness.config import load
from harness.pipeline import Prepared, prepare


@dataclass(frozen=True)
class AdapterFleetCommands:
    """The tasks and models of ``AdapterFleet``; start of the process and imports included on both sides."""

    name: str = "base + 8 adapters through four tasks, lab base, whole commands, against 9 lm_eval commands"
    target: float = 5.0

    def run(self, setting: Setting) -> Outcome:
        """Commands one after the other, on equally many threads, once (they take minutes); then the scores on disk are compared."""
        fleet = make_fleet(setting)
        names = list(fleet.documents)
        size, tried = lm_eval_run.best_batch_size(
            fleet.base, fleet.tasks, names, limit=2 if setting.quick else 15, quick=setting.quick
        )
        places = (setting.place / f"commands{number}" for number in itertools.count())
        (theirs, outputs), (ours, configs) = alternate(
            ("lm_eval commands", lambda: _their_commands(fleet, names, size, next(places))),
            ("sftgate measure", lambda: _our_command(fleet, next(places))),
            replace(setting, repeats=1),
        )
        prepared = prepare(load(configs[-1]))
        equal = {name: _check(prepared, name, outputs[-1] / name, names) for name in fleet.candidates}
        setting.say(f"equal scores of {len(equal)} candidates in {len(names)} tasks")
        return Outcome(
            row=row(self.name, ours=ours.median_seconds, theirs=theirs.median_seconds, target=self.target),
            what="seconds of whole commands: start of Python, imports, task and model loads, results on disk",
            facts={
                "ours": ours,
                "theirs": theirs,
                "equal": equal,
                "fleet": fleet.describe(),
                "model": describe(fleet.base),
                "ours is": "sftgate measure gate.yaml (suite lm_eval, engine transformers), once",
                "theirs is": f"lm_eval {' '.join(_arguments(fleet, 'base', names, size, Path('OUT')))}, and so for every adapter",
                "lm-eval's batch size": {"used": size, "seconds when tried": tried},
            },
        )


def _their_commands(fleet: Fleet, names: Sequence[str], size: int, place: Path) -> Path:
    for candidate in fleet.candidates:
        _command(["-m", "lm_eval", *_arguments(fleet, candidate, names, size, place / candidate)], fleet.threads)
    return place


def _arguments(fleet: Fleet, candidate: str, names: Sequence[str], size: int, place: Path) -> list[str]:
    adapter = fleet.candidates.get(candidate)
    model = f"pretrained={fleet.base},dtype=float32" + ("" if adapter is None else f",peft={adapter}")
    return [
        "run", "--model", "hf", "--model_args", model, "--device", "cpu", "--batch_size", str(size), "--tasks", ",".join(names),
        "--include_path", str(fleet.tasks), "--log_samples", "--output_path", str(place),
    ]  # fmt: skip


def _our_command(fleet: Fleet, place: Path) -> Path:
    config = write_config(fleet, place)
    _command(["-m", "harness.cli", "measure", str(config)], fleet.threads)
    return config


def _command(arguments: Sequence[str], threads: int) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}
    ended = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise RuntimeError(f"python {' '.join(arguments)} ended with {ended.returncode}: {ended.stderr[-2000:]}")


def _check(prepared: Prepared, candidate: str, output: Path, names: Sequence[str]) -> dict[str, Any]:
    """Every score of every document, as both sides wrote it to disk; Unequal where one differs."""
    suite = prepared.suites[SUITE]
    samples = samples_of(prepared, prepared.store.current(), candidate)
    equal: dict[str, Any] = {}
    for task in names:
        (file,) = output.rglob(f"samples_{task}_*.jsonl")
        theirs = {"samples": {task: [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]}}
        for metric in METRICS[task]:
            scores = own_run.item_scores(suite, samples, task, metric)
            same(f"{candidate}, {task}: {metric} of document", scores, lm_eval_run.item_scores(theirs, task, metric))
            equal[f"{task}: mean {metric} on both sides"] = sum(scores.values()) / len(scores)
    return equal
