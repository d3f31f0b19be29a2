"""Answers that lm-eval recorded: the candidate's ``model`` is the folder that an ``lm_eval --log_samples --output_path`` run wrote.

It answers only the suite of the same name, which asks for documents by task and item key. A document that this run has no row for
is an error of that item, and rows that nobody asked for are listed in ``unused``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import msgspec

from harness.engines import serving
from harness.engines.instant import Instant
from harness.engines.lm_eval_output import Output, Row, read_output
from harness.errors import ConfigError, EngineError
from harness.records import Candidate, Completion, Request


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``date``: which run, where several lie in the folder, as in its file names (``2026-11-20T13-49-53.956535``)."""

    date: str | None = None


def output_of(candidate: Candidate, *, where: str = "") -> Output:
    """The run that a candidate stands for; ConfigError where there is none."""
    place = where or f"candidates.{candidate.name}"
    options = serving.read_options(candidate, Options, where=where)
    return read_output(candidate.model, options.date, where=f"{place}.model")


def passed_over(name: str, output: Output) -> str:
    """What to say where older runs lie beside the one that is read."""
    dates = sorted({task.date for task in output.tasks.values()})
    shown = ", ".join(output.older[:3]) + (" …" if len(output.older) > 3 else "")
    return f"{name}: read is the newest run of each task ({', '.join(dates)}); older ones lie there too: {shown}"


def address(task: str, key: str) -> str:
    """What the suite asks and the engine looks up: the task and the item's key."""
    return f"{task} {key}"


def _ran(run: Mapping[str, Any]) -> dict[str, Any]:
    """What one ``results_*.json`` says about how its answers were made."""
    config = run.get("config") or {}
    return {
        "name": f"lm-eval {run.get('model_source') or config.get('model') or 'unknown'}",
        "version": run.get("lm_eval_version"),
        "dtype": str(config["model_dtype"]).removeprefix("torch.") if config.get("model_dtype") else None,
        "max_length": run.get("max_length"),
        "limit": config.get("limit"),
    }


def _joined(values: Sequence[Any]) -> Any:
    """What all runs say; else all that they say, as one text."""
    found = [value for index, value in enumerate(values) if value not in values[:index]]
    return found[0] if len(found) == 1 else ", ".join(sorted(map(str, found)))


class LmEvalResults(Instant):
    """The engine ``lm_eval_results``."""

    capacity = 4096

    @classmethod
    def check(cls, candidate: Candidate, *, where: str) -> None:
        """ConfigError where there is no complete run; whether it has the suite's tasks is the suite's to say."""
        output_of(candidate, where=where)

    @classmethod
    def describe(cls, candidate: Candidate) -> Mapping[str, Any]:
        """How lm-eval ran (backend, version, dtype, lengths), a ``task …`` line per task, and the hash of all files. Where
        the tasks come from several runs, what these do not have in common is listed."""
        output = output_of(candidate)
        runs = [_ran(run) for run in {task.results: task.run for task in output.tasks.values()}.values()]
        facts = {
            **{name: _joined([run[name] for run in runs]) for name in runs[0]},
            "dates": sorted({task.date for task in output.tasks.values()}),
            "content": output.digest,
        }
        return facts | {f"task {task.name.replace('/', '-')}": task.settings for task in output.tasks.values()}

    def __init__(self, candidates: Sequence[Candidate], *, seed: int = 0) -> None:  # noqa: ARG002
        super().__init__()
        self.outputs = {candidate.name: output_of(candidate) for candidate in candidates}
        self.unused: list[str] = []
        self.notes = [passed_over(name, output) for name, output in self.outputs.items() if output.older]
        self._rows: dict[tuple[str, str], dict[str, Row]] = {}
        self._used: set[tuple[str, str, str]] = set()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.unused = [
            f"{name}: {task}, document {row.document}"
            for (name, task), rows in self._rows.items()
            for key, row in rows.items()
            if (name, task, key) not in self._used
        ]

    def _answer(self, name: str, request: Request) -> Completion:
        task, _, key = (request.prompt or "").rpartition(" ")
        if name not in self.outputs or task not in self.outputs[name].tasks or address(task, request.item or "") != request.prompt:
            raise EngineError(
                f"{name!r} is a recorded run of lm-eval and answers nothing but its own documents, asked by a suite with "
                "use = 'lm_eval_results'; any other suite needs an engine with a model"
            )
        output = self.outputs[name]
        if (name, task) not in self._rows:
            try:
                self._rows[name, task] = output.tasks[task].rows(where=f"candidates.{name}.model")
            except ConfigError as error:
                raise EngineError(str(error)) from error
        rows = self._rows[name, task]
        if key not in rows:
            raise EngineError(
                f"the run in {str(output.place)!r} ({output.tasks[task].date}) has no row for this document of {task!r}; it holds "
                f"{len(rows)} documents of it"
            )
        self._used.add((name, task, key))
        row = rows[key]
        shown = {field: getattr(row, field) for field in ("metrics", "prompt_hash", "sent", "prompt", "outputs", "generated")}
        return Completion(text=json.dumps(shown, ensure_ascii=False))
