"""Verdicts for trackers of experiments: TensorBoard, MLflow, Weights & Biases, whichever is installed.

Nothing is logged unless somebody asks for it. Where a tracker sends it is the tracker's own setting (``MLFLOW_TRACKING_URI``,
``WANDB_MODE``); TensorBoard writes files only.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from harness.errors import UsageError
from harness.records import Conclusion, Verdict
from reports.standing import standings
from reports.wording import told_apart

Tracker = Literal["tensorboard", "mlflow", "wandb"]

_NUMBERS = ("gain", "low", "high", "p")


def numbers(conclusion: Conclusion) -> dict[str, dict[str, float]]:
    """Candidate -> name -> number: what every rule measured, how many rules did not pass, and 1 for a pass."""
    found: dict[str, dict[str, float]] = {}
    targets = {each.candidate: each for each in standings(conclusion, {})}
    for verdict in conclusion.verdicts:
        told = {"gate/pass": float(verdict.outcome == "pass")}
        told["gate/rules_not_passed"] = float(sum(each.outcome != "pass" for each in verdict.findings))
        standing = targets[verdict.candidate]
        if standing.target is not None:
            told["gate/target_gain"] = standing.target.gain
        if standing.worst is not None:
            told["gate/worst_retained_gain"] = standing.worst.gain
        for name, finding in zip(_names(verdict), verdict.findings, strict=True):
            for field in _NUMBERS:
                value = None if finding.comparison is None else getattr(finding.comparison, field)
                if value is not None:
                    told[f"{name}/{field}"] = float(value)
        found[verdict.candidate] = told
    return found


def _names(verdict: Verdict) -> list[str]:
    """Rules by names that trackers take: letters, digits, and few signs; each once."""
    seen: dict[str, int] = {}
    names = []
    for text in (
        told_apart(verdict.findings)
        if len(told_apart(verdict.findings)) == len(verdict.findings)
        else [finding.metric or finding.rule.metric for finding in verdict.findings]
    ):
        name = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "_-./ ") else "_" for sign in text).strip()
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name} {seen[name]}")
    return names


def tags(verdict: Verdict, conclusion: Conclusion) -> dict[str, str]:
    """What is no number."""
    return {
        "sftgate.outcome": verdict.outcome,
        "sftgate.baseline": conclusion.baseline,
        "sftgate.sentence": verdict.sentence,
        "sftgate.policy": conclusion.policy_digest,
        "sftgate.created": conclusion.created,
    }


def track(tracker: Tracker, conclusion: Conclusion, folder: Path, report: Path | None) -> list[str]:
    """Log every verdict as a run of its own; a line about each. UsageError where the tracker is not installed."""
    module = {"tensorboard": "tensorboard.summary.writer.event_file_writer"}.get(tracker, tracker)
    try:
        library = importlib.import_module(module)
    except ImportError as error:
        raise UsageError(f"{tracker} is not installed: pip install {tracker}") from error
    found = numbers(conclusion)
    lines = []
    for verdict in conclusion.verdicts:
        values, words = found[verdict.candidate], tags(verdict, conclusion)
        if tracker == "tensorboard":
            _tensorboard(library, folder / verdict.candidate, values, words)
        elif tracker == "mlflow":
            _mlflow(library, verdict.candidate, values, words, report)
        else:
            _wandb(library, verdict.candidate, values, words)
        lines.append(f"{tracker}: {verdict.candidate}, {len(values)} numbers")
    return lines


def _tensorboard(library: Any, folder: Path, values: Mapping[str, float], words: Mapping[str, str]) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.text.summary_v2 import text_pb

    writer = library.EventFileWriter(str(folder))
    summary = Summary(value=[Summary.Value(tag=name, simple_value=value) for name, value in values.items()])
    writer.add_event(Event(step=0, summary=summary))
    for name, text in words.items():
        writer.add_event(Event(step=0, summary=text_pb(name, text)))
    writer.close()


def _mlflow(library: Any, name: str, values: Mapping[str, float], words: Mapping[str, str], report: Path | None) -> None:
    with library.start_run(run_name=name):
        library.log_metrics(dict(values))
        library.set_tags({key: text[:5000] for key, text in words.items()})
        if report is not None:
            library.log_artifact(str(report))


def _wandb(library: Any, name: str, values: Mapping[str, float], words: Mapping[str, str]) -> None:
    run = library.init(project="sftgate", name=name, reinit=True)
    run.summary.update(dict(values))
    run.config.update(dict(words))
    run.finish()
