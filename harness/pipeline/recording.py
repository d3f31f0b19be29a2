"""From samples to the run that keeps them, with all that must be remembered beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from harness.fingerprint import digest
from harness.history import with_scores
from harness.pipeline.grading import Gathered
from harness.pipeline.kinship import kinship
from harness.pipeline.preparing import Pair, Prepared, declared_hash
from harness.pipeline.steadiness import unsteady
from harness.pipeline.unlike import unlike
from harness.protocols import groups_of, judged_of, judges_of, remarks_of
from harness.records import Admission, JudgeSpent, Looks, Measured, Run, Sample


def run_of(
    prepared: Prepared,
    pair: Pair,
    samples: Sequence[Sample],
    asked: Gathered,
    *,
    admission: Admission | None = None,
    looks: Looks | None = None,
    surroundings: Mapping[str, Any] | None = None,
) -> Run:
    """The run of a pair; with ``looks``, of as much of it as was asked. ``surroundings``: the environment, where kept."""
    suite_name, name = pair
    suite, prints = prepared.suites[suite_name], prepared.prints[name]
    declared = prepared.config.suite(suite_name)
    items = prepared.items(suite_name)
    run = Run(
        candidate=prepared.candidates[name],
        suite=suite_name,
        use=declared.use,
        fingerprints=prints,
        graded=prepared.graded(pair),
        items_hash=digest([[item.key, item.data, item.target] for item in items]),
        suite_hash=suite.fingerprint(),
        judge_hash=prepared.judge_hash(suite_name),
        judged=judged_of(suite),
        judges=tuple(spent_by(prepared, judge, asked.judge_tokens.get(judge, (0, 0))) for judge in judges_of(suite)),
        engine=dict(prepared.facts[name]),
        metrics=dict(suite.metrics),
        primary=suite.primary,
        groups={group: {name: dict(tasks) for name, tasks in metrics.items()} for group, metrics in groups_of(suite).items()},
        watched=suite.watched,
        retained=declared.retained,
        expect=bands(declared.expect, suite.primary),
        planned=len(items),
        asked=len(asked.answers),
        failed=sum(sample.error is not None for sample in samples),
        reused_requests=asked.reused,
        sent_requests=asked.sent,
        tokens_in=asked.tokens_in,
        tokens_out=asked.tokens_out,
        flags=dict(Counter(flag for sample in samples for flag in sample.flags)),
        looks=looks,
        admission=admission,
        seed=prepared.config.seed,
        limit=prepared.limit,
        replicate=prepared.replicates.get(name, 0),
        declared=declared_hash(prepared.config, pair),
        sources=dict(prepared.sources[suite_name]),
        reference=prepared.references.get(name),
        unlike=unlike(prepared, pair),
        remarks=(*remarks_of(suite), *kinship(prepared, pair), *unsteady(prepared, pair)),
        seconds=asked.seconds,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        environment=dict(surroundings or {}),
        frames=asked.frames.shared,
    )
    return with_scores(Measured(run=run, samples=tuple(samples)))


def spent_by(prepared: Prepared, judge: str, tokens: tuple[int, int]) -> JudgeSpent:
    """What a judge read and wrote, with what it is called and paid."""
    (read, written), candidate = tokens, prepared.candidates[judge]
    return JudgeSpent(judge=judge, model=candidate.model, tokens_in=read, tokens_out=written, price=candidate.price)


def bands(expect: tuple[float, float] | dict[str, tuple[float, float]] | None, primary: str) -> dict[str, tuple[float, float]]:
    """``expect`` of a suite as metric -> band; a bare pair is meant for the primary metric."""
    if expect is None:
        return {}
    return expect if isinstance(expect, dict) else {primary: expect}
