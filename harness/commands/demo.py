"""``sftgate demo``: the main job, whole, on tiny real models: lab, four fine-tunes, vLLM, suites, judges, gate, report."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from harness.commands.console import Bars, err, out
from harness.commands.demo_panel import oracle
from harness.commands.demo_review import SUITE, beside_truth, hold_review, write_everyday
from harness.commands.gating import announce, decide, measure_now, write_outputs
from harness.config import load
from harness.errors import EXIT_EVALUATION, EXIT_FAIL, EvaluationError
from harness.fingerprint import digest
from harness.records import Conclusion
from harness.store import atomic_write

RECIPES = ("careless", "full_replay", "lora_replay", "lora_bare")
CAREFUL = ("full_replay", "lora_replay")


def declare(parser: argparse.ArgumentParser) -> None:
    """Flags."""
    parser.add_argument("--folder", type=Path, default=Path("demo"), help="where to work (default ./demo)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the fine-tunes (default 0)")
    parser.add_argument(
        "--size", choices=("full", "test"), default="full", help="test: seconds of training, fewer suites, no judges"
    )


def execute(arguments: argparse.Namespace) -> int:
    """0 when the verdicts are those that the story needs; 10 when they are not."""
    started = time.perf_counter()
    folder: Path = arguments.folder.resolve()
    lab = _lab(arguments.size)
    _train(folder, _write_configs(folder, lab, arguments.size, arguments.seed), arguments.seed)
    _write_wordings(folder, lab)
    reviewed = arguments.size == "full"
    if reviewed:
        write_everyday(folder, lab)
    loaded = load(folder / "gate.toml")
    measure_now(loaded, smoke=None, dry_run=False)
    if reviewed:
        hold_review(loaded, arguments.seed)
    conclusion, measured = decide(loaded)
    report, _ = write_outputs(loaded, conclusion, measured)
    announce(conclusion, measured, None)
    out.print(leaderboards(conclusion))
    for line in judges_told(conclusion):
        out.print(line, markup=False)
    if reviewed:
        table, lines = beside_truth(conclusion, measured, oracle(folder / f"{SUITE}.jsonl"))
        out.print(table)
        for line in lines:
            out.print(line, markup=False)
    out.print(f"{time.perf_counter() - started:.0f} s. Open the report: {report}", markup=False)
    out.print(f"The same again, from the journal: sftgate run {folder / 'gate.toml'}", markup=False)
    surprises = unexpected(conclusion)
    for line in surprises:
        err.print(f"not as expected: {line}", markup=False)
    if not surprises:
        return 0
    return EXIT_EVALUATION if conclusion.exit_code == EXIT_EVALUATION else EXIT_FAIL


def _lab(size: str) -> Path:
    from trainers.lab import build

    with Bars() as bars:
        return build("test" if size == "test" else "full", progress=bars.told).root


def _write_configs(folder: Path, lab: Path, size: str, seed: int) -> str:
    """The demo's own configs with their paths filled in, so that the folder can be used by hand afterwards.

    Returns where the candidates go: a folder for all that decides them, so that nothing is trained over, and nothing that another
    version trained is in the way.
    """
    from trainers.config import load as load_training
    from trainers.folder import fingerprint

    source = files("trainers.lab") / "demo" / ("small" if size == "test" else "")
    texts = {name: file.read_text() for name in (*RECIPES, "gate") if (file := source / f"{name}.toml").is_file()}
    for name in (*RECIPES, "gate"):
        (folder / f"{name}.toml").unlink(missing_ok=True)
    decided = []
    for name in [name for name in texts if name in RECIPES]:
        atomic_write(folder / f"{name}.toml", texts[name].replace("${LAB}", lab.as_posix()))
        config = load_training(folder / f"{name}.toml", [f"seed={seed}"])
        decided.append(fingerprint(config, Path(config.base)))
    place = f"out/{digest(decided)[:8]}"
    atomic_write(folder / "gate.toml", texts["gate"].replace("${LAB}", lab.as_posix()).replace("${OUT}", place))
    return place


def _write_wordings(folder: Path, lab: Path) -> None:
    """The facts that the lab's suite asks in two wordings or more, for the suite that compares wordings."""
    lines = (lab / "data" / "suites" / "facts.jsonl").read_text().splitlines(keepends=True)
    facts = [json.loads(line)["cluster"] for line in lines]
    times = Counter(facts)
    atomic_write(folder / "wordings.jsonl", "".join(line for line, fact in zip(lines, facts, strict=True) if times[fact] > 1))


def _train(folder: Path, place: str, seed: int) -> None:
    """All fine-tunes into ``place``, one process each, as many at a time as there are cores."""
    waiting = [name for name in RECIPES if (folder / f"{name}.toml").is_file()]
    running: dict[str, subprocess.Popen[bytes]] = {}
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=err) as bars:
        lines = {name: bars.add_task(f"training {name}", start=False, total=1) for name in waiting}
        try:
            while waiting or running:
                while waiting and len(running) < (os.cpu_count() or 1):
                    name = waiting.pop(0)
                    bars.start_task(lines[name])
                    command = [
                        sys.executable,
                        "-m",
                        "trainers",
                        str(folder / f"{name}.toml"),
                        "--set",
                        f"seed={seed}",
                        "--set",
                        f"out={place}",
                    ]
                    with (folder / f"{name}.log").open("wb") as log:
                        running[name] = subprocess.Popen(command, cwd=folder, env=environment, stderr=log)
                for name, child in list(running.items()):
                    if child.poll() is None:
                        continue
                    del running[name]
                    complaint = (folder / f"{name}.log").read_bytes()[-4000:]
                    if child.returncode:
                        raise EvaluationError(
                            f"training {name} failed (exit code {child.returncode}):\n{complaint.decode(errors='replace')}"
                        )
                    bars.update(lines[name], completed=1)
                    bars.stop_task(lines[name])
                time.sleep(0.1)
        finally:
            for child in running.values():
                child.terminate()


def gains(conclusion: Conclusion) -> Mapping[str, float]:
    """Candidate -> gain of the target skill."""
    return {each.candidate: each.gain for each in conclusion.comparisons if each.metric == "target/device/json_equal"}


def leaderboards(conclusion: Conclusion) -> Table:
    """What a target-only leaderboard would say beside what the gate says."""
    won = gains(conclusion)
    kept = {
        e.candidate: e
        for e in conclusion.comparisons
        if e.metric == "facts/facts/exact_match" and e.baseline == conclusion.baseline
    }
    table = Table(title="What a target-only leaderboard would ship, and what the gate says", header_style="bold")
    for title in ("candidate", "target gain", "facts gain", "facts p", "verdict"):
        table.add_column(title, justify="left" if title in {"candidate", "verdict"} else "right")
    for verdict in sorted(conclusion.verdicts, key=lambda each: -won.get(each.candidate, 0.0)):
        facts = kept.get(verdict.candidate)
        lost = "" if facts is None else f"{facts.gain * 100:+.1f} pp"
        p = "" if facts is None or facts.p is None else f"{facts.p:.2g}"
        table.add_row(verdict.candidate, f"{won.get(verdict.candidate, 0.0) * 100:+.1f} pp", lost, p, verdict.outcome)
    return table


def judges_told(conclusion: Conclusion) -> list[str]:
    """How the judges did in their examinations, one line for each judge."""
    lines = {}
    for suite, card in conclusion.admissions.items():
        end = "admitted, and gates" if card.admitted else f"rejected, and only informs: {'; '.join(card.reasons)}"
        lines[card.judge] = f"{card.judge} ({suite}), examined on {card.pairs} labelled pairs, kappa {card.kappa:.2f}: {end}"
    return list(lines.values())


def unexpected(conclusion: Conclusion) -> list[str]:
    """Where the verdicts differ from what this demonstration is about."""
    outcomes = {verdict.candidate: verdict.outcome for verdict in conclusion.verdicts}
    won = gains(conclusion)
    wrong = []
    if outcomes.get("careless") != "fail":
        wrong.append(f"the careless fine-tune must fail the gate, its verdict is {outcomes.get('careless')}")
    if won and won.get("careless", 0.0) <= 0:
        wrong.append("the careless fine-tune did not gain the target skill")
    if outcomes.get("lora_bare") == "pass":
        wrong.append("LoRA without replay passed the gate")
    careful = [name for name in CAREFUL if name in outcomes]
    if careful and not any(outcomes[name] == "pass" for name in careful):
        wrong.append(f"no careful fine-tune passed: {', '.join(f'{name} {outcomes[name]}' for name in careful)}")
    return wrong
