"""A store of nine weeks, made for the pages that show one; what it holds is invented.

``facts`` falls in the week in which prompt and engine changed too, ``writing-长文`` is lost slowly, ``speed`` is better where it is
lower, ``sums`` got other items halfway, ``tools`` has a run full of errors.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from harness.baselines import Pin, PinnedRun, Pins, Promotion
from harness.records import Candidate, Fingerprints, Metric
from harness.seals import sealed
from harness.store import Store
from reports.serve.answering import Site
from reports.serve.listing import Shelf
from tests.harness.runs import measured, samples
from tests.reports import fixtures

START = datetime(2026, 8, 3, 10, tzinfo=UTC)
FACTS = (83, 83, 82, 83, 82, 81, 72, 73, 72)
SLOW = (74, 73, 73, 72, 71, 71, 70, 69, 68)
SUMS = (91, 92, 91, 92, 64, 65, 63, 64, 65)
SPEED = (2.10, 2.05, 2.12, 2.08, 2.11, 2.09, 2.31, 2.05, 2.07)


def shown(target: str) -> str:
    """The page at ``target`` of the store; in it, OLD and NEW stand for two of its runs."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "production" / "runs")
        pins = made(store)
        runs = [each.name for each in Shelf(store).listing().runs if each.run.suite == "facts"]
        site = Site(store, pins)
        return site.answer(target.replace("OLD", quote(runs[5])).replace("NEW", quote(runs[6]))).content.decode()


def made(store: Store) -> Path:
    """Write all of it; the pin file."""
    pinned = {}
    for week in range(len(FACTS)):
        newer = {"version": "0.31.0" if week < 6 else "0.32.0"}
        asked = "Answer briefly: what is the capital of Velmora?" if week < 6 else "In one word: what is the capital of Velmora?"
        found = _put(store, "facts", week, FACTS[week], asked=asked, **newer)
        if week == 2:
            pinned["facts"] = found
        found = _put(store, "writing-长文", week, SLOW[week])
        if week == 2:
            pinned["writing-长文"] = found
        _put(store, "sums", week, SUMS[week], items_hash="items" if week < 4 else "other items")
        _put(store, "tools", week, 88, failed=40 if week == 8 else 0)
        _speed(store, week)
    (store.root / "facts" / "week41@0123456789ab").mkdir()
    conclusion, _, _ = fixtures.small()
    conclusion = replace(conclusion, created=(START + timedelta(weeks=7, hours=3)).isoformat())
    store.write_text("verdict.json", sealed(msgspec.json.encode(conclusion)).decode())
    store.write_text("report.html", "<!doctype html><title>report</title>")
    file = store.root.parent / "baselines.toml"
    promotion = Promotion(created="2026-08-18T09:00:00+00:00", by="Ana", to="w34")
    pin = Pin(candidate="nightly", created="2026-08-17T10:30:00+00:00", by="Ana", runs=pinned)
    _write(file, Pins(promoted="w34", promotions=(promotion,), pins={"w34": pin}))
    return file


def _write(file: Path, pins: Pins) -> None:
    file.write_bytes(msgspec.toml.encode(msgspec.to_builtins(pins)))


def _put(
    store: Store, suite: str, week: int, right: int, *, asked: str = "How many?", version: str = "0.32.0", **fields: Any
) -> PinnedRun:
    rows = samples(
        [1.0] * right + [0.0] * (100 - right), prompt=[asked] * 100, prompt_hash=[f"{asked[:2]}{n}" for n in range(100)]
    )  # fmt: skip
    made = measured(
        "nightly", rows, suite=suite, graded=f"{week}{suite}".encode().hex()[::-1].ljust(64, "0"), asked=100,
        created=(START + timedelta(weeks=week)).isoformat(), **fields,
        fingerprints=Fingerprints(asked=f"asked {week}", weights=f"{week}f" * 32, template="template"),
        engine={"name": "vllm", "version": version, "dtype": "bfloat16"},
    )  # fmt: skip
    folder = store.write_run(replace(made.run, scores={"acc": right / 100}), made.samples)
    return PinnedRun(graded=made.run.graded, samples=store.run(folder).samples_hash)


def _speed(store: Store, week: int) -> None:
    seconds = SPEED[week]
    made = measured(
        f"week{32 + week}", samples([seconds] * 20, metric="seconds"), suite="speed", primary="seconds", asked=20,
        metrics={"seconds": Metric(kind="real", direction="lower", unit="s")}, graded=f"5{week}".ljust(64, "0"),
        created=(START + timedelta(weeks=week)).isoformat(),
    )  # fmt: skip
    recipe = Candidate(name=f"week{32 + week}", recipe="distilled" if week < 3 else None)
    store.write_run(replace(made.run, candidate=recipe, scores={"seconds": seconds}), made.samples)
