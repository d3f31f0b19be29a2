"""Building lm-eval's task objects offline, quietly, and asking them for the requests of each document."""

from __future__ import annotations

import contextlib
import copy
import functools
import logging
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import ConfigError
from harness.plugins import did_you_mean
from suites.lm_eval_files import Function, TaskFile, functions, with_local_data


class Rendering(str):
    """A context that lm-eval believes to be rendered: readable text that still knows its turns, for the engine to render.

    The engine has the candidate's chat template; lm-eval would need a tokenizer here, and every candidate may have another.
    """

    turns: tuple[tuple[str, str], ...]
    continue_final: bool

    @classmethod
    def of(cls, history: Sequence[Mapping[str, Any]], *, add_generation_prompt: bool = True) -> Rendering:
        """Stands in for a tokenizer's ``apply_chat_template``."""
        turns = tuple((str(turn["role"]), str(turn["content"])) for turn in history)
        rendering = cls("\n\n".join(f"{role}: {content}" for role, content in turns))
        rendering.turns, rendering.continue_final = turns, not add_generation_prompt
        return rendering


class Prompting(NamedTuple):
    """How documents become prompts: the part of the suite's options that lm-eval knows."""

    num_fewshot: int | None
    fewshot_seed: int
    fewshot_as_multiturn: bool
    chat: bool
    system: str | None
    limit: int | float | None
    generation_kwargs: Mapping[str, Any] = {}
    repeats: int | None = None


class Document(NamedTuple):
    """One document of a task and lm-eval's instances for it, sorted by ``idx``; never changed after it was made."""

    task: str
    number: int
    fields: Any
    instances: tuple[Any, ...]


def build_task(task: TaskFile, *, allow_code: bool, where: str) -> Any:
    """lm-eval's task object. ConfigError for code without leave, data that is not here, and whatever lm-eval refuses."""
    config, local = with_local_data(task, where=where)
    _check_code(task, allow_code=allow_code, where=where)
    _check_metrics(task, where=where)
    from lm_eval.tasks import TaskManager

    _own_templates()
    with _offline_and_quiet():
        try:
            resolved = _resolved(config)
            built = TaskManager(include_defaults=False).load([resolved])["tasks"][task.name]
            empty = len(built.eval_docs) == 0
        except Exception as error:  # whatever their constructor raises on the user's YAML is the YAML's fault: said, not guessed
            raise ConfigError(_refusal(task, local, error), where=where) from error
    if empty:
        raise ConfigError(f"task {task.name!r} has no documents", where=where)
    if getattr(built, "MULTIMODAL", False):
        raise ConfigError(f"task {task.name!r} asks about images or sound; only text can be asked", where=where)
    if getattr(built, "UNSAFE_CODE", False) and not allow_code:
        raise ConfigError(f"task {task.name!r} runs the model's code; that needs allow_code = true", where=where)
    return built


def _refusal(task: TaskFile, local: bool, error: Exception) -> str:
    detail = f"{type(error).__name__}: {error}".strip()[:600]
    if local:
        return f"lm-eval cannot build task {task.name!r} from its file: {detail}"
    name = ", ".join(repr(part) for part in (task.config.get("dataset_path"), task.config.get("dataset_name")) if part)
    return (
        f"task {task.name!r} needs the data set {name}, which is not in the local Hugging Face cache, and nothing is downloaded. "
        f'Fetch it once, on a machine with network (`python -c "import datasets; datasets.load_dataset({name})"`), or give the '
        f"task local data_files. ({detail})"
    )


def _check_code(task: TaskFile, *, allow_code: bool, where: str) -> None:
    import lm_eval

    package = Path(lm_eval.__file__).resolve().parent
    for function in functions(task.config):
        if not allow_code and not function.folder.is_relative_to(package):
            raise ConfigError(
                f"task {task.name!r} runs Python code of its own (!function {function.spec}); read it, and then allow it with "
                "allow_code = true",
                where=where,
            )


def _check_metrics(task: TaskFile, *, where: str) -> None:
    """lm-eval would look on the hub for a metric that it does not know."""
    from lm_eval.api import metrics  # noqa: F401  fills the registry
    from lm_eval.api.registry import METRIC_REGISTRY

    if task.config.get("process_results") is not None:
        return
    for entry in task.config.get("metric_list") or []:
        metric = entry.get("metric") if isinstance(entry, Mapping) else entry
        if isinstance(entry, Mapping) and entry.get("hf_evaluate"):
            raise ConfigError(
                f"task {task.name!r}: metric {metric!r} is code of the Hugging Face hub (hf_evaluate), and none is fetched or run "
                "from there. Give a function of your own, metric: !function module.name, and allow it with allow_code = true",
                where=where,
            )
        if isinstance(metric, str) and metric not in METRIC_REGISTRY:
            raise ConfigError(
                f"task {task.name!r}: unknown metric {metric!r}. {did_you_mean(metric, METRIC_REGISTRY)}", where=where
            )


def _own_templates() -> None:
    """Jinja for lm-eval's templates: in a sandbox, for none of them needs to reach Python, and compiled once, not at every use by
    every document (with a small model that is a third of what scoring choices costs)."""
    from jinja2 import BaseLoader, StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment
    from lm_eval import utils

    if not isinstance(utils.env, SandboxedEnvironment):
        sandbox = SandboxedEnvironment(loader=BaseLoader(), undefined=StrictUndefined, keep_trailing_newline=True)
        sandbox.filters |= utils.env.filters
        sandbox.from_string = functools.lru_cache(maxsize=256)(sandbox.from_string)  # type: ignore[assignment,method-assign]
        utils.env = sandbox


def _resolved(value: Any) -> Any:
    if isinstance(value, Function):
        from lm_eval.tasks._yaml_loader import _import_func_in_yml

        return _import_func_in_yml(value.spec, value.folder)
    if isinstance(value, Mapping):
        return {key: _resolved(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_resolved(entry) for entry in value]
    return copy.deepcopy(value)


@contextlib.contextmanager
def _offline_and_quiet() -> Iterator[None]:
    """While tasks are built: no network, no progress bars, no warnings about defaults. Everything is put back."""
    import datasets
    import huggingface_hub.constants as hub

    logger = logging.getLogger("lm_eval")
    before = (datasets.config.HF_HUB_OFFLINE, hub.HF_HUB_OFFLINE, logger.level, datasets.are_progress_bars_disabled())
    evaluate = os.environ.get("HF_EVALUATE_OFFLINE")  # read when some task's code imports it
    datasets.config.HF_HUB_OFFLINE = hub.HF_HUB_OFFLINE = True
    os.environ["HF_EVALUATE_OFFLINE"] = "1"
    logger.setLevel(logging.ERROR)
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE, hub.HF_HUB_OFFLINE = before[:2]
        logger.setLevel(before[2])
        if evaluate is None:
            os.environ.pop("HF_EVALUATE_OFFLINE", None)
        else:
            os.environ["HF_EVALUATE_OFFLINE"] = evaluate
        if not before[3]:
            datasets.enable_progress_bars()


def documents(name: str, task: Any, prompting: Prompting, *, where: str) -> list[Document]:
    """Every document with its instances: the loop of lm-eval's ``build_all_requests``, without its progress bar and cache."""
    shots = task.get_config("num_fewshot")
    if prompting.num_fewshot is not None and shots != 0:
        shots = prompting.num_fewshot
    task.set_config(key="num_fewshot", value=shots or 0)
    task.set_fewshot_seed(seed=prompting.fewshot_seed)
    if getattr(task, "OUTPUT_TYPE", None) == "generate_until":
        if prompting.generation_kwargs:
            task.set_config(key="generation_kwargs", value=dict(prompting.generation_kwargs), update=True)
        if prompting.repeats is not None:
            task.set_config(key="repeats", value=prompting.repeats)
    limit = prompting.limit
    if limit is not None:
        limit = math.ceil(len(task.eval_docs) * limit) if limit < 1 else int(limit)
    with _offline_and_quiet():
        try:
            return [
                Document(name, number, fields, _instances(name, task, number, fields, prompting))
                for number, fields in task.doc_iterator(limit=limit)
            ]
        except Exception as error:  # their templates and functions over the user's documents: the task file's fault, and said so
            detail = f"{type(error).__name__}: {error}".strip()[:600]
            raise ConfigError(f"task {name!r}: a document cannot be made into a prompt: {detail}", where=where) from error


def _instances(name: str, task: Any, number: int, fields: Any, prompting: Prompting) -> tuple[Any, ...]:
    template = Rendering.of if prompting.chat else None
    context = task.fewshot_context(
        fields,
        num_fewshot=task.get_config("num_fewshot") or 0,
        system_instruction=prompting.system,
        apply_chat_template=prompting.chat,
        fewshot_as_multiturn=prompting.fewshot_as_multiturn,
        chat_template=template,
        gen_prefix=task.doc_to_prefix(fields),
    )
    made = task.construct_requests(
        doc=fields,
        ctx=context,
        metadata=(name, number, task.get_config("repeats") or 1),
        apply_chat_template=prompting.chat,
        chat_template=template,
    )
    found = tuple(sorted(made if isinstance(made, list) else [made], key=lambda instance: instance.idx))
    if prompting.chat:
        for instance in found:
            _check_turns(instance)
    return found


def _check_turns(instance: Any) -> None:
    """ValueError for a context that has lost its turns: the task's code made another text of it, which meets no chat template."""
    if instance.request_type != "loglikelihood_rolling" and instance.args[0] and not isinstance(instance.args[0], Rendering):
        raise ValueError("its own code changes the rendered conversation; it can be asked only with apply_chat_template = false")
