"""Runs as lines of a table."""

from __future__ import annotations

from collections.abc import Iterable

from harness.history import same_questions
from harness.records import IMPORTED, Metric, Record, Run
from reports.serve.listing import Listed
from reports.wording import count_text, moment, score_text


class RunRow(Record, frozen=True, kw_only=True):
    name: str
    candidate: str
    hash: str
    metric: str
    score: str
    items: str
    failed: str
    when: str
    notes: tuple[str, ...]


def run_rows(runs: Iterable[Listed], like: Listed) -> list[RunRow]:
    """The newest first; those that were asked other questions than ``like`` say so."""
    return [_row(each, like) for each in reversed(list(runs))]


def declared(run: Run, name: str) -> Metric:
    """How the scores of a metric are to be read."""
    exact = run.metrics.get(name)
    named = (each for key, each in run.metrics.items() if key.rpartition("/")[2] == name)
    return exact or next(named, Metric(kind="real"))


def _row(each: Listed, like: Listed) -> RunRow:
    run = each.run
    metric = declared(run, run.primary)
    kinds = {
        "selected": each.selected,
        "smoke run": run.limit is not None and run.limit <= run.planned,
        "second run (A/A)": run.replicate > 0,
        "imported": run.use == IMPORTED,
        "other questions": not same_questions(run, like.run),
    }
    return RunRow(
        name=each.name,
        candidate=run.candidate.name,
        hash=each.hash,
        metric=run.primary,
        score=score_text(run.scores[run.primary], metric.kind, metric.unit) if run.primary in run.scores else "–",
        items=count_text(run.asked or run.planned),
        failed=count_text(run.failed),
        when=moment(run.created),
        notes=tuple(name for name, holds in kinds.items() if holds),
    )
