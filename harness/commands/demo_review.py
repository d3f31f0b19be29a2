"""The demo's review: packages as anybody exports them, votes of simulated raters, the import, and what came of it beside the truth.

The lab knows the right answer to everything, so that what the panel would say of all pairs on average is known exactly. Of people
nobody ever knows it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.table import Table

from harness.commands import review
from harness.commands.console import out
from harness.commands.demo_panel import PANEL, Oracle, Persona, expected, oracle, right, vote
from harness.config import Loaded
from harness.records import Calibrated, Conclusion, Measured, Record
from harness.store import atomic_write
from reports.blind.cleaning import tidy

SUITE = "everyday"
REVIEWED = ("careless", "full_replay")
SOURCES = {"old question": "preference", "new command": "target"}
"""Slice -> file of the lab's suites."""


def write_everyday(folder: Path, lab: Path) -> None:
    """What users ask now: old questions and new commands in one file, as one task; the target of a command as text."""
    rows = []
    for kind, name in SOURCES.items():
        for line in (lab / "data" / "suites" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            target = row["target"] if isinstance(row["target"], str) else json.dumps(row["target"])
            rows.append({**row, "task": "requests", "target": target, "slices": {"kind": kind}})
    atomic_write(folder / f"{SUITE}.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def hold_review(loaded: Loaded, seed: int) -> None:
    """``sftgate review export``, the simulated raters, ``sftgate review import``, for each of ``REVIEWED``."""
    known, raters = oracle(loaded.folder / f"{SUITE}.jsonl"), [persona.name for persona in PANEL]
    out.print("\n[bold]A blind review by simulated raters.[/] They are programs of this demo: no person votes here.")
    for name in REVIEWED:
        folder = loaded.store / "review" / name
        flags = ["--of", name, "--raters", *raters, "--each", "2", "--seed", str(seed), "--folder", str(folder)]
        _review("export", loaded, *flags)
        key = max(folder.glob("key-*.json"), key=lambda path: path.stat().st_mtime_ns)
        votes = vote(key.with_name(key.stem.replace("key-", "package-")), PANEL, known, seed=seed)
        _review("import", loaded, "--key", str(key), "--votes", *map(str, votes))


def _review(action: str, loaded: Loaded, *flags: str) -> None:
    """As anybody calls it."""
    words = [action, str(loaded.file), *flags]
    out.print(f"\n$ sftgate review {' '.join(word if len(word) < 60 else '…/' + Path(word).name for word in words)}", markup=False)
    parser = argparse.ArgumentParser(prog="sftgate review")
    review.declare(parser)
    review.execute(parser.parse_args(words))


class Known(Record, frozen=True, kw_only=True):
    """``panel``: what the raters would say of all pairs on average; ``answers``: what the right answers say."""

    panel: float
    answers: float
    pairs: int


def known_rates(baseline: Measured, candidate: Measured, known: Oracle, panel: Sequence[Persona] = PANEL) -> Known:
    """Exact, over the pairs of answers that differ."""
    others = {sample.key: sample for sample in baseline.samples}
    said, meant = [], []
    for own in candidate.samples:
        other, question = others[own.key], tidy(own.prompt)
        texts = [tidy(sample.outputs[0]) if sample.outputs else "" for sample in (own, other)]
        if texts[0] == texts[1]:
            continue
        mine, theirs = ((text, right(text, known, question)) for text in texts)
        said.append(expected(panel, mine, theirs))
        meant.append(0.5 + 0.5 * (mine[1] - theirs[1]))
    return Known(panel=sum(said) / len(said), answers=sum(meant) / len(meant), pairs=len(said))


def beside_truth(conclusion: Conclusion, measured: Mapping[tuple[str, str], Measured], known: Oracle) -> tuple[Table, list[str]]:
    """The estimates beside what is true of this panel, and a sentence on each candidate."""
    table = Table(
        title="Simulated raters, and what they would say of all pairs, which only a simulation knows", header_style="bold"
    )
    for title in ("candidate", "all pairs", "seen", "truth", "raters alone", "with the judge", "judge alone", "labels saved"):
        table.add_column(title, justify="left" if title == "candidate" else "right")
    lines = []
    for found in conclusion.calibrated:
        if found.metric.split("/", 1)[0] != SUITE or found.powered is None or found.judged is None:
            continue
        true = known_rates(measured[SUITE, found.baseline], measured[SUITE, found.candidate], known)
        alone, both = (found.human_low, found.human_high), (found.powered_low, found.powered_high)
        saved = "0" if found.saved is None else f"{found.saved:.0f}"
        table.add_row(found.candidate, f"{true.pairs}", f"{found.labelled}", _percent(true.panel), _rate(found.human, alone),
                      _rate(found.powered, both), _percent(found.judged), saved)  # fmt: skip
        lines.append(_sentence(found, true, alone, both))
    return table, lines


Ends = tuple[float | None, float | None]


def _sentence(found: Calibrated, true: Known, alone: Ends, both: Ends) -> str:
    listened = f"the judge is not listened to: {found.because}" if found.because else f"λ is {found.lam:.2f}"
    off = 0.0 if found.judged is None else 100 * abs(found.judged - true.panel)
    return (
        f"{found.candidate}: the {100 * found.level:.0f} % interval of raters alone {_covers(alone, true.panel)} the truth; that "
        f"with the judge {_covers(both, true.panel)} it ({listened}); the judge alone is {off:.0f} points off. By right answers "
        f"themselves the rate is {_percent(true.answers)}: what raters mistake, no statistics of their votes can know."
    )


def _covers(ends: Ends, truth: float) -> str:
    low, high = ends
    return "covers" if low is not None and high is not None and low <= truth <= high else "misses"


def _rate(value: float | None, ends: Ends) -> str:
    low, high = ends
    shown = "–" if value is None else _percent(value)
    return shown if low is None or high is None else f"{shown} ({100 * low:.1f} to {100 * high:.1f})"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
