"""The other side: lm-eval's ``hf`` model, in this process, with everything switched off that is not needed for its scores.

``evaluate`` is lm-eval's inner call: no scan of its own tasks, no environment report, no bootstrap. Batch sizes are tried first and
the fastest is used: on a CPU a larger batch can be slower, and ``auto`` would search by running out of memory.
"""

from __future__ import annotations

import contextlib
import io
import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

BATCH_SIZES = (1, 4, 16, 32)


def open_model(model: Path, *, adapter: Path | None = None, batch_size: int, dtype: str = "float32") -> Any:
    """lm-eval's HFLM on the CPU."""
    from lm_eval.models.huggingface import HFLM

    extra = {} if adapter is None else {"peft": str(adapter)}
    with quiet():
        return HFLM(pretrained=str(model), device="cpu", dtype=dtype, batch_size=batch_size, **extra)


def evaluate(lm: Any, folder: Path, names: Sequence[str], *, samples: bool, limit: int | None = None) -> dict[str, Any]:
    """Read the task files of ``folder`` and evaluate; lm-eval's results, with its samples if they are wanted."""
    return _evaluate(lm, folder, names, log_samples=samples, limit=limit)


def evaluate_some(lm: Any, folder: Path, name: str, documents: Sequence[int]) -> dict[str, Any]:
    """Results with samples of some documents of one task, under their numbers in the whole task."""
    return _evaluate(lm, folder, [name], log_samples=True, samples={name: sorted(documents)})


def _evaluate(lm: Any, folder: Path, names: Sequence[str], **settings: Any) -> dict[str, Any]:
    from lm_eval.evaluator import evaluate as lm_evaluate
    from lm_eval.tasks import TaskManager

    with quiet():
        loaded = TaskManager(include_path=str(folder), include_defaults=False).load(list(names))
        found: dict[str, Any] = lm_evaluate(lm, loaded, bootstrap_iters=0, **settings)
    return found


def best_batch_size(model: Path, folder: Path, names: Sequence[str], *, limit: int, quick: bool) -> tuple[int, dict[int, float]]:
    """The batch size that is fastest on the first ``limit`` documents of each task, and the seconds of every one tried; ``quick``:
    only two are."""
    seconds: dict[int, float] = {}
    for size in BATCH_SIZES[:2] if quick else BATCH_SIZES:
        lm = open_model(model, batch_size=size)
        if not seconds:
            evaluate(lm, folder, names, samples=False, limit=1)  # imports and first calls are nobody's time
        started = time.perf_counter()
        evaluate(lm, folder, names, samples=False, limit=limit)
        seconds[size] = round(time.perf_counter() - started, 3)
    return min(seconds, key=lambda size: seconds[size]), seconds


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No bars and no log lines."""
    import datasets

    loggers = {name: logging.getLogger(name) for name in ("lm_eval", "transformers", "datasets")}
    before = {name: logger.level for name, logger in loggers.items()}
    for logger in loggers.values():
        logger.setLevel(logging.ERROR)
    datasets.disable_progress_bars()
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        for name, logger in loggers.items():
            logger.setLevel(before[name])


def logprobs(results: dict[str, Any], task: str) -> dict[tuple[int, int], float]:
    """(document, choice) -> log-probability in nats, as lm-eval scored it; a rolled text is its own choice 0."""
    found = {}
    for sample in results["samples"][task]:
        for index, response in enumerate(sample["resps"]):
            first = response[0]
            found[sample["doc_id"], index] = float(first[0] if isinstance(first, tuple | list) else first)
    return found


def item_scores(results: dict[str, Any], task: str, metric: str) -> dict[int, float]:
    """Document -> score."""
    return {sample["doc_id"]: float(sample[metric]) for sample in results["samples"][task]}


def questions(results: dict[str, Any], task: str) -> dict[int, list[str]]:
    """Document -> every text that was scored or answered, in order: what must be the same on both sides."""
    return {
        sample["doc_id"]: [part for arguments in sample["arguments"] for part in arguments if isinstance(part, str)]
        for sample in results["samples"][task]
    }
