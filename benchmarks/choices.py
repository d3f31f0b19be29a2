"""Scoring choices with the model already loaded: from the task files to graded items, ours against lm-eval's ``hf``."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks import lm_eval_run, own_run
from benchmarks.agreement import Scores, same, same_logprobs, same_questions
from benchmarks.models import describe, wide_model
from benchmarks.row import Outcome, Setting, alternate, row
from benchmarks.tasks import METRICS, write_tasks
from trainers.lab import build


@dataclass(frozen=True)
class Choices:
    """One task on one model, ``documents`` per timed run."""

    name: str
    target: float
    task: str
    model: Literal["wide", "lab"]
    documents: int

    def run(self, setting: Setting) -> Outcome:
        """Both models stay loaded; each timed run reads the task files, tokenises, scores and grades. Ours also keeps a journal."""
        from transformers import AutoTokenizer

        lab = build("test" if setting.quick else "full")
        documents = 4 if setting.quick else self.documents
        model = lab.base if self.model == "lab" else wide_model(lab.base, setting.place / "wide", quick=setting.quick)
        tasks = write_tasks(setting.place / "tasks", lab.data, AutoTokenizer.from_pretrained(lab.base), {self.task: documents})
        size, tried = lm_eval_run.best_batch_size(model, tasks, [self.task], limit=max(2, documents // 4), quick=setting.quick)
        setting.say(f"lm-eval is fastest with batch size {size}")
        lm = lm_eval_run.open_model(model, batch_size=size)
        journals = (setting.place / f"journal{number}.sqlite" for number in itertools.count())

        def exact(chosen: list[int]) -> tuple[Scores, Scores]:
            setting.say(f"float32 leaves {len(chosen)} documents open: both sides once more in float64")
            with own_run.open_engine(model, threads=setting.threads, dtype="float64") as engine:
                mine = own_run.answer(engine, tasks, [self.task], next(journals), documents=chosen)
            other = lm_eval_run.open_model(model, batch_size=size, dtype="float64")
            results = lm_eval_run.evaluate_some(other, tasks, self.task, chosen)
            return own_run.logprobs(mine.suite, mine.completions, self.task), lm_eval_run.logprobs(results, self.task)

        with own_run.open_engine(model, threads=setting.threads) as engine:
            mine = own_run.answer(engine, tasks, [self.task], next(journals))
            results = lm_eval_run.evaluate(lm, tasks, [self.task], samples=True)
            same_questions(self.task, own_run.questions(mine.suite, self.task), lm_eval_run.questions(results, self.task))
            equal: dict[str, Any] = same_logprobs(
                f"{self.task}: log-probability of (document, choice)",
                own_run.logprobs(mine.suite, mine.completions, self.task),
                lm_eval_run.logprobs(results, self.task),
                exact,
            )
            for metric in METRICS[self.task]:
                scores = own_run.item_scores(mine.suite, mine.samples, self.task, metric)
                same(f"{self.task}: {metric} of document", scores, lm_eval_run.item_scores(results, self.task, metric))
                equal[f"mean {metric} on both sides"] = sum(scores.values()) / len(scores)
            setting.say(f"equal scores: {equal}")

            def ours_once() -> own_run.Answered:
                own_run.forget(engine)
                return own_run.answer(engine, tasks, [self.task], next(journals))

            (theirs, _), (ours, _) = alternate(
                ("lm-eval", lambda: lm_eval_run.evaluate(lm, tasks, [self.task], samples=False)),
                ("ours", ours_once),
                setting,
            )
        return Outcome(
            row=row(self.name, ours=ours.median_seconds, theirs=theirs.median_seconds, target=self.target),
            what="seconds from task files to per-item scores; the model is already loaded on both sides",
            facts={
                "ours": ours,
                "theirs": theirs,
                "equal": equal,
                "documents": documents,
                "model": describe(model),
                "ours is": "suite lm_eval on engine transformers, with a journal on disk",
                "theirs is": "lm_eval.evaluate(HFLM, bootstrap_iters=0, log_samples=False)",
                "lm-eval's batch size": {"used": size, "seconds when tried": tried},
            },
        )
