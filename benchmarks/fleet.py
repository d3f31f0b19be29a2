"""A base and its random adapters, four lm-eval tasks, and the gate's whole way through them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import own_run
from benchmarks.models import random_adapter
from benchmarks.row import Setting
from benchmarks.tasks import CHOICES, GENERATION, LETTERS, ROLLING, write_tasks
from harness import fingerprint
from harness.config import load
from harness.fingerprint import journal_key
from harness.journal import Journal
from harness.pipeline import Measurement, Prepared, measure, prepare
from harness.records import Completion, Sample
from trainers.lab import build

DOCUMENTS = {CHOICES: 60, LETTERS: 60, GENERATION: 6, ROLLING: 3}
"""Shares of what people run: HellaSwag, ARC and PIQA have 13,000 multi-token documents together, MMLU 14,000 single-token ones,
GSM8K 1,300 to generate, WikiText 62 to roll (which is more here, so that it counts at all)."""

DOCUMENTS_QUICK = {CHOICES: 4, LETTERS: 4, GENERATION: 2, ROLLING: 1}
SUITE = "bench"


@dataclass(frozen=True)
class Fleet:
    """``adapters``: candidate -> folder; the base itself is the candidate ``base``."""

    base: Path
    adapters: Mapping[str, Path]
    tasks: Path
    documents: Mapping[str, int]
    threads: int

    @property
    def candidates(self) -> dict[str, Path | None]:
        """All of them, the base first."""
        return {"base": None, **self.adapters}

    def describe(self) -> dict[str, Any]:
        """For details.json."""
        return {
            "candidates": len(self.candidates),
            "documents per candidate": dict(self.documents),
            "adapters": "LoRA, rank 8, random",
        }


def make_fleet(setting: Setting) -> Fleet:
    """The lab's base with eight adapters (two when quick), and the task files."""
    from transformers import AutoTokenizer

    lab = build("test" if setting.quick else "full")
    documents = DOCUMENTS_QUICK if setting.quick else DOCUMENTS
    count = 2 if setting.quick else 8
    adapters = {
        f"adapter{seed}": random_adapter(lab.base, setting.place / f"adapter{seed}", seed=seed) for seed in range(1, count + 1)
    }
    tasks = write_tasks(setting.place / "tasks", lab.data, AutoTokenizer.from_pretrained(lab.base), documents)
    return Fleet(lab.base, adapters, tasks, documents, setting.threads)


def write_config(fleet: Fleet, store: Path, *, dtype: str = "float32") -> Path:
    """The gate of the fleet on engine ``transformers``, with its results in ``store``; the path of its config."""
    common = {
        "engine": "transformers",
        "options": {"dtype": dtype},
        "resources": {"threads": fleet.threads},
        "model": str(fleet.base),
    }
    config = {
        "store": str(store),
        "baseline": "base",
        "candidates": [
            {"name": name, **common, **({} if adapter is None else {"adapter": str(adapter)})}
            for name, adapter in fleet.candidates.items()
        ],
        "suites": [{"name": SUITE, "use": "lm_eval", "options": {"tasks": list(fleet.documents), "include": str(fleet.tasks)}}],
    }
    store.mkdir(parents=True, exist_ok=True)
    path = store / "gate.yaml"
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


def measure_fleet(fleet: Fleet, store: Path, *, dtype: str = "float32") -> tuple[Prepared, Measurement]:
    """The whole pipeline: config, checks, fingerprints, engine start, asking, grading, runs on disk."""
    fingerprint._file_digest.cache_clear()  # a run in a process of its own knows no file yet
    prepared = prepare(load(write_config(fleet, store, dtype=dtype)))
    return prepared, measure(prepared)


def samples_of(prepared: Prepared, paths: Mapping[tuple[str, str], Path], candidate: str) -> list[Sample]:
    """What the candidate's run on disk says."""
    return list(prepared.store.read(paths[SUITE, candidate]).samples)


def completions_of(prepared: Prepared, candidate: str) -> dict[str, list[Completion]]:
    """Item key -> what was journalled for it."""
    suite, asked = prepared.suites[SUITE], prepared.prints[candidate].asked
    keys = {item.key: [journal_key(request, asked) for request in own_run.requests(suite, item)] for item in suite.items()}
    with Journal(prepared.store.journal_path) as journal:
        known = journal.get_many([key for own in keys.values() for key in own])
    return {item: [known[key] for key in own] for item, own in keys.items()}
