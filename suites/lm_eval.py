"""Any local lm-eval task through our own engine: its documents are our items, its filters and grading give the scores.

``lm_eval`` itself never talks to a model here: tasks make the prompts, our scheduler has them answered, tasks grade. So answers are
journalled, resumed and compared item by item, and equal lm-eval's own per-document scores on the same model.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any, Literal

import msgspec

from harness.errors import ConfigError
from harness.fingerprint import digest, item_keys
from harness.protocols import Conversation
from harness.records import Answer, Flag, Item, Judgment, Metric, Request, Sample
from suites.asking import thinking_of
from suites.lm_eval_catalogue import slashless, task_files
from suites.lm_eval_contributions import Reading
from suites.lm_eval_files import TaskFile, contents, made_of, plain
from suites.lm_eval_grading import Graded, graded, left_of, may_omit, metric_name, passing
from suites.lm_eval_groups import group_weights
from suites.lm_eval_requests import Asking, check_scored, draws_of, outputs, readable, requests_of, responses_of
from suites.lm_eval_scores import readings
from suites.lm_eval_tasks import Document, Prompting, build_task, documents


class LmEvalOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``tasks``: names (of tasks, groups or tags), paths to YAML files, or inline tables. ``include``: folders with task files.

    ``limit``: documents per task, or below 1 a share of them. ``metrics``: keep only these. ``cluster``: the document field whose
    value groups dependent items (a passage). ``generation_kwargs``, ``repeats``: in place of those of tasks that generate.
    ``pass_at``: the k of the metrics ``pass@k``, where documents are repeated at a temperature; they count the draws that pass the
    task's first metric. ``overlong``: what does not fit the model's context is an error, or loses its left end, as in lm-eval.
    ``allow_code``: let task files run their own Python.
    """

    tasks: tuple[str | dict[str, Any], ...]
    include: str | tuple[str, ...] = ()
    num_fewshot: int | None = None
    fewshot_seed: int = 1234
    fewshot_as_multiturn: bool = True
    apply_chat_template: bool = False
    enable_thinking: bool | None = None
    system: str | None = None
    limit: int | float | None = None
    metrics: tuple[str, ...] | None = None
    cluster: str | None = None
    generation_kwargs: dict[str, Any] = {}
    repeats: int | None = None
    pass_at: tuple[int, ...] = ()
    overlong: Literal["error", "truncate_left"] = "error"
    allow_code: bool = False


class LmEval:
    """lm-eval's tasks (0.4.13) as a suite; metrics carry lm-eval's names, ``@filter`` added where the filter is not ``none``.

    A group with an ``aggregate_metric_list`` has metrics of its own, ``suite/group/metric``, which are lm-eval's group scores.
    """

    Options = LmEvalOptions
    version = "1"
    needs_baseline = False
    journalled = True
    concurrency: int | None = None
    judge: str | None = None

    def __init__(self, name: str, options: LmEvalOptions, *, seed: int, folder: Path, where: str) -> None:
        self.name, self.options, self.seed = name, options, seed
        place = f"{where}.options"
        _check(options, place)
        include = (options.include,) if isinstance(options.include, str) else options.include
        self._files, groups = task_files(options.tasks, include, folder=folder, where=place)
        prompting = Prompting(
            num_fewshot=options.num_fewshot,
            fewshot_seed=options.fewshot_seed,
            fewshot_as_multiturn=options.fewshot_as_multiturn,
            chat=options.apply_chat_template,
            system=options.system,
            limit=options.limit,
            generation_kwargs=options.generation_kwargs,
            repeats=options.repeats,
        )
        self._tasks: dict[str, Any] = {}
        self._readings: dict[str, dict[str, Reading]] = {}
        found: list[Document] = []
        for file in self._files:
            task = build_task(file, allow_code=options.allow_code, where=f"{place}.tasks")
            own = documents(file.name, task, prompting, where=f"{place}.tasks")
            self._tasks[file.name] = task
            self._readings[file.name] = readings(file.name, task, own, options.metrics, where=f"{place}.metrics")
            found += own
        self.files: Sequence[Path] = _own_files(self._files, place)
        self.metrics: Mapping[str, Metric] = self._metrics(place)
        self.primary: str = next(iter(self.metrics))
        sizes = Counter(document.task for document in found)
        self.groups = group_weights(groups, {name: self._full(name) for name in self._tasks}, sizes, where=f"{place}.tasks")
        self.hinging: Collection[str] = [
            f"{slashless(name)}/{metric}"
            for name, task in self._tasks.items()
            if may_omit(task) and len(self._readings[name]) > 1
            for metric in self._full(name)
        ]
        generates = any(instance.request_type == "generate_until" for document in found for instance in document.instances)
        self.watched: tuple[Flag, ...] = ("truncated", "empty") if generates else ()
        self._arrange(found, place)

    def _metrics(self, place: str) -> dict[str, Metric]:
        found: dict[str, Metric] = {}
        for name, task in self._tasks.items():
            for metric, reading in self._readings[name].items():
                for ensemble in task._filters:
                    full = metric_name(metric, ensemble.name)
                    found[full] = _agree(found.get(full), reading.metric, full, name, place)
            for ensemble in task._filters if passing(self._readings[name]) else ():
                found |= {metric_name(f"pass@{k}", ensemble.name): Metric(kind="bounded") for k in self.options.pass_at}
        if not found:
            raise ConfigError("none of the tasks has a metric", where=f"{place}.tasks")
        return found

    def _full(self, name: str) -> list[str]:
        """A task's metrics with their filters."""
        return [metric_name(metric, ensemble.name) for metric in self._readings[name] for ensemble in self._tasks[name]._filters]

    def metrics_of(self, item: Item) -> Collection[str]:
        """Those of the document's task. A task with grading of its own may leave some of them out."""
        name = self._documents[item.key].task
        passes = self.options.pass_at if passing(self._readings[name]) else ()
        filters = [ensemble.name for ensemble in self._tasks[name]._filters]
        return [*self._full(name), *(metric_name(f"pass@{k}", chosen) for k in passes for chosen in filters)]

    def _arrange(self, found: Sequence[Document], place: str) -> None:
        """Key every document by its contents (the task's name included), and make its requests once."""
        rows = [{"task": document.task, "document": plain(document.fields)} for document in found]
        keys = item_keys(rows, where=f"{place}.tasks")
        self._documents = dict(zip(keys, found, strict=True))
        self._requests: dict[str, tuple[Request, ...]] = {
            key: requests_of(document, self._asking(document.task), key=key, seed=self.seed, where=f"{place}.tasks")
            for key, document in self._documents.items()
        }
        most = max(self.options.pass_at, default=0)
        for document in found:
            if (draws := draws_of(document)) < most:
                raise ConfigError(
                    f"pass@{most} needs {most} draws of every document, and task {document.task!r} asks for {draws}: set repeats = "
                    f"{most} or more, and generation_kwargs with do_sample = true and a temperature above 0",
                    where=f"{place}.pass_at",
                )
        self._items = [self._item(key, document, place) for key, document in self._documents.items()]

    def _item(self, key: str, document: Document, place: str) -> Item:
        cluster = None
        if self.options.cluster is not None:
            if self.options.cluster not in document.fields:
                raise ConfigError(
                    f"task {document.task!r}: document {document.number} has no field {self.options.cluster!r}; it has "
                    f"{', '.join(map(str, document.fields))}",
                    where=f"{place}.cluster",
                )
            cluster = digest(plain(document.fields[self.options.cluster]))[:16]
        asked = digest([msgspec.structs.replace(request, item=None) for request in self._requests[key]])
        data = {"document": document.number, "asked": asked}
        return Item(key=key, task=slashless(document.task), data=data, target=self._target(document), cluster=cluster)

    def _target(self, document: Document) -> Any:
        """What is right, for people: the text of the right choice where the task gives its number."""
        task = self._tasks[document.task]
        target = task.doc_to_target(document.fields)
        if (
            getattr(task, "OUTPUT_TYPE", None) == "multiple_choice"
            and isinstance(target, int)
            and not getattr(task, "multiple_input", 0)
        ):
            choices = task.doc_to_choice(document.fields)
            target = choices[target] if 0 <= target < len(choices) else target
        return None if getattr(task, "OUTPUT_TYPE", None) == "loglikelihood_rolling" else plain(target)

    def fingerprint(self) -> str:
        """Every request and target, the task files with the code that they name, lm-eval's version; no paths."""
        options = {key: value for key, value in msgspec.to_builtins(self.options).items() if key not in ("tasks", "include")}
        return digest(
            {
                "use": "lm_eval",
                "version": self.version,
                "lm_eval": installed_version("lm_eval"),
                "options": options,
                "tasks": {file.name: contents(file) for file in self._files},
                "groups": self.groups,
                "items": self._items,
            }
        )

    def items(self) -> Iterable[Item]:
        return self._items

    def ask(self, item: Item) -> Conversation[Answer]:
        requests = self._requests[item.key]
        completions = yield requests
        check_scored(requests, completions)
        return Answer(key=item.key, completions=tuple(completions))

    def _asking(self, name: str) -> Asking:
        """How a task's requests are asked. Who only compares choices need not know which of them the model would have written."""
        task = self._tasks[name]
        custom = callable(task.get_config("process_results")) or not hasattr(task, "_metric_fn_list")
        greedy = custom or task.OUTPUT_TYPE == "loglikelihood" or "exact_match" in task.aggregation()
        return Asking(self.options.enable_thinking, self.options.overlong, greedy)

    def grade(
        self, answers: Sequence[Answer], judgments: Mapping[str, Sequence[Judgment]], baseline: Mapping[str, Answer]
    ) -> Iterator[Sample]:
        del judgments, baseline
        by_key = {item.key: item for item in self._items}
        for name in self._tasks:
            own = [answer for answer in answers if self._documents[answer.key].task == name]
            answered = [
                (self._documents[answer.key], responses_of(self._documents[answer.key], answer.completions)) for answer in own
            ]
            results = graded(self._tasks[name], answered, self._readings[name], self.options.pass_at)
            for answer, result in zip(own, results, strict=True):
                yield self._sample(by_key[answer.key], answer, result)

    def _sample(self, item: Item, answer: Answer, result: Graded | str) -> Sample:
        document = self._documents[item.key]
        shown: dict[str, Any] = {
            "key": item.key,
            "task": item.task,
            "prompt": readable(document),
            "target": item.target,
            "outputs": outputs(document, answer),
            "cluster": item.cluster,
        }
        generated = document.instances[0].request_type == "generate_until"
        if generated:
            shown["thinking"] = thinking_of(answer.completions)
        if isinstance(result, str):
            return Sample(**shown, error=result)
        return Sample(
            **shown,
            extracted=left_of(result.filtered, shown["outputs"]) if generated and len(document.instances) == 1 else (),
            scores={metric: each.score for metric, each in result.found.items() if math.isfinite(each.score)},
            statistics={metric: each.statistics for metric, each in result.found.items() if each.statistics},
            draws=result.draws,
        )


def _check(options: LmEvalOptions, place: str) -> None:
    if not options.tasks:
        raise ConfigError("no task is named; a suite must ask at least one question", where=f"{place}.tasks")
    if options.limit is not None and (options.limit <= 0 or (options.limit > 1 and options.limit != int(options.limit))):
        raise ConfigError(
            f"found {options.limit!r}, expected a whole number of documents, or a share below 1", where=f"{place}.limit"
        )
    if options.repeats is not None and options.repeats < 1:
        raise ConfigError(f"found {options.repeats}, expected 1 or more", where=f"{place}.repeats")
    if any(k < 1 for k in options.pass_at):
        raise ConfigError(f"found {list(options.pass_at)}, expected whole numbers from 1", where=f"{place}.pass_at")
    if options.num_fewshot is not None and options.num_fewshot < 0:
        raise ConfigError(f"found {options.num_fewshot}, expected 0 or more examples", where=f"{place}.num_fewshot")


def _agree(earlier: Metric | None, metric: Metric, full: str, task: str, place: str) -> Metric:
    """One metric name has one meaning in a suite; only the chance level may differ between tasks, and is then unknown."""
    if earlier is None or earlier == metric:
        return metric
    without = msgspec.structs.replace(metric, chance=None)
    if without == msgspec.structs.replace(earlier, chance=None):
        return without
    raise ConfigError(
        f"metric {full!r} means something else in task {task!r} than in the tasks before it ({metric} against {earlier}); put "
        "them into two suites",
        where=f"{place}.tasks",
    )


def _own_files(tasks: Sequence[TaskFile], place: str) -> list[Path]:
    """What the tasks are made of beside what the installed lm-eval brings."""
    import lm_eval

    package = Path(lm_eval.__file__).resolve().parent
    found = dict.fromkeys(path for task in tasks for path in made_of(task, where=f"{place}.tasks"))
    return [path for path in found if not path.resolve().is_relative_to(package)]
