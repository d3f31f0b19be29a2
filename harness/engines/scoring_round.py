"""Requests of one candidate to be scored: planned together, scored a batch at a time, answered when their last part is."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.engines.scoring import Score, Scorer, Way
from harness.engines.tokens import Pair
from harness.errors import EngineError
from harness.records import Completion, Request


@dataclass
class Scoring:
    """One ticket with its pairs: one, or the windows of a rolling score."""

    ticket: int
    request: Request
    pairs: list[Pair]
    started: float
    scores: list[Score] = field(default_factory=list)
    failed: bool = False


class Round:
    """What was queued for one candidate when its turn came."""

    def __init__(self, scorer: Scorer, who: str, way: Way, jobs: Sequence[Scoring]) -> None:
        self._scorer, self._who, self._way = scorer, who, way
        self._pairs = [pair for job in jobs for pair in job.pairs]
        self._owners = [job for job in jobs for _ in job.pairs]
        self._batches = deque(scorer.plan(who, self._pairs, way))

    def __bool__(self) -> bool:
        """Is anything left to do?"""
        return bool(self._batches)

    def step(self) -> list[tuple[int, Completion | EngineError]]:
        """Score one batch; the tickets that it completes."""
        batch = self._batches.popleft()
        try:
            scored = self._scorer.score(self._who, batch, self._pairs, self._way)
        except (RuntimeError, MemoryError) as error:
            words = " ".join(str(error).split())[:600]
            if isinstance(error, MemoryError) or "out of memory" in words:
                words = f"out of memory: {words}. Lower resources.batch_tokens"
            owners = [self._owners[index] for row in batch.rows for index in row.pairs]
            return self._fail(owners, EngineError(f"transformers failed on a batch of {len(owners)}: {words}"))
        ended: list[tuple[int, Completion | EngineError]] = []
        for index, score in scored:
            job = self._owners[index]
            job.scores.append(score)
            if len(job.scores) == len(job.pairs) and not job.failed:
                ended.append((job.ticket, completion(job)))
        return ended

    def _fail(self, owners: Sequence[Scoring], error: EngineError) -> list[tuple[int, Completion | EngineError]]:
        failed = {job.ticket: job for job in owners if not job.failed}
        for job in failed.values():
            job.failed = True
        return [(ticket, error) for ticket in failed]


def completion(job: Scoring) -> Completion | EngineError:
    """The answer of a ticket whose pairs have all been scored; an error where its log-probability is not a finite number."""
    logprob = math.fsum(score.logprob for score in job.scores)
    if not math.isfinite(logprob):
        return EngineError(
            f"the log-probability is not a finite number ({logprob}). The weights hold values that are not numbers, or overflow in "
            "this dtype: look at the checkpoint, or set options.dtype."
        )
    text = job.request.prompt if job.request.kind == "score_rolling" else job.request.continuation
    return Completion(
        logprob=logprob,
        greedy=all(score.greedy for score in job.scores),
        tokens=sum(len(pair.continuation) for pair in job.pairs),
        bytes=len((text or "").encode()),
        tokens_in=sum(len(pair.context) + len(pair.continuation) for pair in job.pairs),
        seconds=time.monotonic() - job.started,
        cut=sum(pair.cut for pair in job.pairs),
        boundary=any(pair.boundary for pair in job.pairs),
        frame=job.pairs[0].frame,
    )
