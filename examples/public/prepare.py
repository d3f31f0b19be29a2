"""Write the data of examples/public.toml from local copies of TruthfulQA and GSM8K; nothing is downloaded.

    python examples/public/prepare.py [FOLDER]

FOLDER holds ``truthfulqa/mc_task.json.gz`` (or ``.json``, from github.com/sylinrl/TruthfulQA) and ``gsm8k_paired/test.jsonl.gz``
(or ``.jsonl``, from github.com/openai/grade-school-math); default: ``shared/data`` beside the repository.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from random import Random
from typing import Any

HERE = Path(__file__).parent
DEFAULT = HERE.parents[2] / "shared" / "data"


def read(folder: Path, name: str) -> str:
    """The text of ``name`` in ``folder``, packed or not."""
    packed, plain = folder / f"{name}.gz", folder / name
    if packed.is_file():
        return gzip.decompress(packed.read_bytes()).decode("utf-8")
    if plain.is_file():
        return plain.read_text(encoding="utf-8")
    raise SystemExit(
        f"{packed} is not there (nor {plain.name}). Name the folder that holds it: python {Path(__file__).name} FOLDER"
    )


def truthfulqa(folder: Path) -> Iterable[dict[str, Any]]:
    """One row per question. The published file puts the true choice first; each row is shuffled by a hash of its question, so that
    position tells nothing and every run makes the same file. Empty false choices, of which there are a few, are left out."""
    for task in json.loads(read(folder, "truthfulqa/mc_task.json")):
        choices = [choice for choice in task["mc1_targets"] if choice.strip()]
        true = next(choice for choice, label in task["mc1_targets"].items() if label == 1)
        Random(hashlib.sha256(task["question"].encode()).hexdigest()).shuffle(choices)
        yield {"question": task["question"], "choices": choices, "answer": choices.index(true)}


def gsm8k(folder: Path) -> Iterable[dict[str, Any]]:
    """One prompted-style item per test question; the target is the number after ``####``."""
    for number, line in enumerate(read(folder, "gsm8k_paired/test.jsonl").splitlines()):
        row = json.loads(line)
        prompt = f"{row['question']}\n\nSolve this step by step and end with the answer as a number after ####."
        yield {"key": f"gsm8k-{number:04d}", "prompt": prompt, "target": row["answer"].rpartition("####")[2].strip()}


def write(name: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """The rows as JSONL beside this file."""
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (HERE / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    sys.stdout.write(f"{HERE / name}: {len(lines)} rows\n")


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
    truths, problems = list(truthfulqa(folder)), list(gsm8k(folder))
    write("truthfulqa_mc1.jsonl", truths)
    write("gsm8k.jsonl", problems)


if __name__ == "__main__":
    main()
