"""Verdicts for trackers of experiments: TensorBoard, MLflow, Weights & Biases, whichever is installed.

Nothing is logged unless somebody asks for it. Where a tracker sends it is the tracker's own setting (``MLFLOW_TRACKING_URI``,
``WANDB_MODE``); TensorBoard writes files only.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from harness.errors import EvaluationError, UsageError
from harness.records import Conclusion, Measured, Verdict
from reports.standing import standings
from reports.wording import told_apart

Tracker = Literal["tensorboard", "mlflow", "wandb"]

_NUMBERS = ("gain", "low", "high", "p")
_LONGEST, _LONGEST_COMPLAINT = 200, 600


def numbers(conclusion: Conclusion, measured: Mapping[tuple[str, str], Measured]) -> dict[str, dict[str, float]]:
    """Candidate -> name -> number: what every rule measured, how many rules did not pass, and 1 for a pass."""
    found: dict[str, dict[str, float]] = {}
    targets = {each.candidate: each for each in standings(conclusion, measured)}
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
    """Rules by names that trackers take, each once: MLflow takes letters, digits and few signs, at most 250 of them, and nothing
    that would be another path where it is one."""
    told = told_apart(verdict.findings)
    names: list[str] = []
    for text in told if len(told) == len(verdict.findings) else [each.metric or each.rule.metric for each in verdict.findings]:
        signs = "".join(sign if sign.isalnum() or sign in "_-./ " else "_" for sign in text)
        parts = (part.strip() for part in signs.split("/"))
        name = "/".join(part for part in parts if part.strip("."))[:_LONGEST].strip("/ ") or "rule"
        numbered = (name if number == 1 else f"{name} {number}" for number in count(1))
        names.append(next(each for each in numbered if each not in names))
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


def track(
    tracker: Tracker,
    conclusion: Conclusion,
    measured: Mapping[tuple[str, str], Measured],
    folder: Path,
    report: Path | None,
) -> list[str]:
    """Log every verdict as a run of its own; a line about each. UsageError where the tracker is not installed, EvaluationError
    where it refuses: it may lack a server, a key, or room on the disk."""
    module = {"tensorboard": "tensorboard.summary.writer.event_file_writer"}.get(tracker, tracker)
    try:
        library = importlib.import_module(module)
    except ImportError as error:
        raise UsageError(f"{tracker} is not installed: pip install {tracker}") from error
    found = numbers(conclusion, measured)
    lines: list[str] = []
    for verdict in conclusion.verdicts:
        values, words = found[verdict.candidate], tags(verdict, conclusion)
        try:
            if tracker == "tensorboard":
                _tensorboard(library, folder / quote(verdict.candidate, safe="") / _moment(conclusion), values, words)
            elif tracker == "mlflow":
                _mlflow(library, verdict.candidate, values, words, report)
            else:
                _wandb(library, verdict.candidate, values, words)
        except Exception as error:  # whatever a library of others raises
            told = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST_COMPLAINT]
            before = ", ".join(each.candidate for each in conclusion.verdicts[: len(lines)])
            rest = f" Logged before it: {before}." if before else ""
            raise EvaluationError(f"{tracker} did not take the verdict on {verdict.candidate!r}. {told}{rest}") from error
        lines.append(f"{tracker}: {verdict.candidate}, {len(values)} numbers")
    return lines


def _moment(conclusion: Conclusion) -> str:
    """When it was concluded, as a folder's name: each verdict is a run of its own, and two of them no line of one."""
    return "".join(sign for sign in conclusion.created[:19] if sign.isalnum() or sign == "-") or "verdict"


def _tensorboard(library: Any, folder: Path, values: Mapping[str, float], words: Mapping[str, str]) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.text.summary_v2 import text_pb

    writer, now = library.EventFileWriter(str(folder)), time.time()
    summary = Summary(value=[Summary.Value(tag=name, simple_value=value) for name, value in values.items()])
    writer.add_event(Event(step=0, wall_time=now, summary=summary))
    for name, text in words.items():
        writer.add_event(Event(step=0, wall_time=now, summary=text_pb(name, text)))
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
