"""A store of nine weeks, made for the pages that show one; what it holds is invented."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from msgspec.structs import replace

from harness.store import Store
from reports.serve.answering import Site
from reports.serve.listing import listing
from tests.harness.runs import measured, samples

START = datetime(2026, 8, 3, 10, tzinfo=UTC)
WEEKS = (83, 83, 82, 83, 82, 81, 72, 73, 72)


def shown(target: str) -> str:
    """The page at ``target`` of the store; in it, OLD and NEW stand for two of its runs."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "runs")
        for suite, less in (("facts", 0), ("writing-长文", 9)):
            for week, right in enumerate(WEEKS):
                _put(store, suite, f"week{32 + week}", right - less, week)
        site = Site(store)
        runs = [each.name for each in listing(store).runs if each.run.suite == "facts"]
        return site.answer(target.replace("OLD", quote(runs[5])).replace("NEW", quote(runs[6]))).content.decode()


def _put(store: Store, suite: str, name: str, right: int, week: int) -> None:
    asked = [
        "Answer briefly: what is the capital of Velmora?" if week < 6 else "In one word: what is the capital of Velmora?"
    ] * 100
    rows = samples([1.0] * right + [0.0] * (100 - right), prompt=asked, prompt_hash=[f"{week > 5}{n}" for n in range(100)])
    made = measured(
        name, rows, suite=suite, graded=f"{week}{suite}".encode().hex().ljust(16, "0"),
        created=(START + timedelta(weeks=week)).isoformat(),
        engine={"name": "vllm", "version": "0.31.0" if week < 6 else "0.32.0", "dtype": "bfloat16"},
    )  # fmt: skip
    store.write_run(replace(made.run, scores={"acc": right / 100}), made.samples)
