"""Row 3: a base and eight adapters through the whole pipeline, against nine lm-eval runs, model loads on both sides."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from benchmarks import lm_eval_run, own_run
from benchmarks.agreement import Scores, same, same_logprobs, same_questions
from benchmarks.fleet import SUITE, completions_of, make_fleet, measure_fleet, samples_of
from benchmarks.models import describe
from benchmarks.row import Outcome, Setting, alternate, row
from benchmarks.tasks import GENERATION, METRICS
from harness.pipeline import Measurement, Prepared


class _Both(NamedTuple):
    """What both sides found about all candidates."""

    own: tuple[Prepared, Measurement]
    results: dict[str, dict[str, Any]]

    def logprobs(self, name: str, task: str) -> tuple[Scores, Scores]:
        """Ours and theirs."""
        prepared = self.own[0]
        mine = own_run.logprobs(prepared.suites[SUITE], completions_of(prepared, name), task)
        return mine, lm_eval_run.logprobs(self.results[name], task)


@dataclass(frozen=True)
class AdapterFleet:
    """Choices of both kinds, generation and rolled text, in the shares of what people run."""

    name: str = "base + 8 adapters through four tasks, lab base, imports excluded, against 9 lm-eval runs"
    target: float = 5.0

    def run(self, setting: Setting) -> Outcome:
        """Whole runs on both sides: ours from the config to runs on disk, theirs from HFLM(base, peft) to samples in memory."""
        fleet = make_fleet(setting)
        names = list(fleet.documents)
        size, tried = lm_eval_run.best_batch_size(
            fleet.base, fleet.tasks, names, limit=2 if setting.quick else 15, quick=setting.quick
        )
        setting.say(f"lm-eval is fastest with batch size {size}")
        stores = (setting.place / f"store{number}" for number in itertools.count())

        def theirs_once() -> dict[str, dict[str, Any]]:
            found = {}
            for name, adapter in fleet.candidates.items():
                lm = lm_eval_run.open_model(fleet.base, adapter=adapter, batch_size=size)
                found[name] = lm_eval_run.evaluate(lm, fleet.tasks, names, samples=True)
            return found

        def exact(name: str, task: str, chosen: list[int]) -> tuple[Scores, Scores]:
            adapter, journal = fleet.candidates[name], setting.place / f"{name}-{task}.sqlite"
            with own_run.open_engine(fleet.base, adapter=adapter, threads=fleet.threads, dtype="float64") as engine:
                mine = own_run.answer(engine, fleet.tasks, [task], journal, documents=chosen)
            other = lm_eval_run.open_model(fleet.base, adapter=adapter, batch_size=size, dtype="float64")
            results = lm_eval_run.evaluate_some(other, fleet.tasks, task, chosen)
            return own_run.logprobs(mine.suite, mine.completions, task), lm_eval_run.logprobs(results, task)

        (theirs, results), (ours, runs) = alternate(
            ("lm-eval", theirs_once), ("ours", lambda: measure_fleet(fleet, next(stores))), setting
        )
        found = _Both(runs[-1], results[-1])
        equal = {name: {task: _check(name, task, found, exact) for task in names} for name in fleet.candidates}
        setting.say(f"equal scores of {len(equal)} candidates in {len(names)} tasks")
        return Outcome(
            row=row(self.name, ours=ours.median_seconds, theirs=theirs.median_seconds, target=self.target),
            what="seconds of whole runs, model loads included on both sides, Python imports on neither",
            facts={
                "ours": ours,
                "theirs": theirs,
                "equal": equal,
                "fleet": fleet.describe(),
                "model": describe(fleet.base),
                "ours is": "measure(prepare(config)): suite lm_eval, engine transformers, one engine for the base and all adapters",
                "theirs is": "nine times HFLM(base, peft=adapter) and lm_eval.evaluate(bootstrap_iters=0, log_samples=True)",
                "lm-eval's batch size": {"used": size, "seconds when tried": tried},
            },
        )


def _check(name: str, task: str, found: _Both, exact: Callable[[str, str, list[int]], tuple[Scores, Scores]]) -> dict[str, Any]:
    """What is equal between the sides about one candidate's task; Unequal where it is not."""
    prepared, measurement = found.own
    suite, results, what = prepared.suites[SUITE], found.results[name], f"{name}, {task}"
    samples = samples_of(prepared, measurement.paths, name)
    same_questions(what, own_run.questions(suite, task), lm_eval_run.questions(results, task))
    equal: dict[str, Any] = {}
    for metric in METRICS[task]:
        scores = own_run.item_scores(suite, samples, task, metric)
        same(f"{what}: {metric} of document", scores, lm_eval_run.item_scores(results, task, metric))
        equal[f"mean {metric} on both sides"] = sum(scores.values()) / len(scores)
    if task == GENERATION:
        return equal
    mine, theirs = found.logprobs(name, task)
    return equal | same_logprobs(f"{what}: log-probability of (document, choice)", mine, theirs, partial(exact, name, task))
