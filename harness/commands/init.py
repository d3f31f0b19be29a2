"""``sftgate init``: a first config for a checkpoint."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from harness.checkpoints import read_adapter_config
from harness.commands.console import out
from harness.config import read_handover
from harness.errors import UsageError
from harness.store import atomic_write

TEMPLATE = """# Written by `sftgate init`. Run it with: sftgate run {file}
store = "runs"
seed = 0
baseline = "base"

candidates = [
  {{ name = "base", model = {model}, engine = "vllm" }},
  {{ name = "candidate", model = {candidate_model}, engine = "vllm"{adapter}{reference} }},
]

# What must get better: replace these items by your own (JSONL: prompt, target).
[[suites]]
name = "target"
use = "prompted"
options = {{ items = "target.jsonl", score = "exact_match", max_tokens = 256 }}

# What must not be lost.
[[suites]]
name = "general"
use = "prompted"
options = {{ items = "suites:general.jsonl", score = "contains", max_tokens = 64 }}
retained = true

[[suites]]
name = "instructions"
use = "instructions"
options = {{ items = "suites:instructions.jsonl", max_tokens = 256 }}
retained = true

[[rules]]
metric = "target/*/exact_match"
require = "superior"

[[rules]]
metric = "general/*/contains"
require = "non_inferior"
margin = 0.05
pool = true

[[rules]]
metric = "instructions/*/prompt_strict"
require = "not_regressed"
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Flags."""
    parser.add_argument("checkpoint", type=Path, help="a Hugging Face model or PEFT adapter folder, or what sftgate train wrote")
    parser.add_argument("--base", help="the base model (a folder or a hub name) where the checkpoint does not name it")
    parser.add_argument("--file", type=Path, default=Path("gate.toml"), help="where to write (default gate.toml)")


def execute(arguments: argparse.Namespace) -> int:
    """Write the config and two example items; never over a file that is there."""
    model, adapter, base = _places(arguments.checkpoint, arguments.base)
    if arguments.file.exists():
        raise UsageError(f"{arguments.file} exists already. Choose another name with --file.")
    text = TEMPLATE.format(
        file=arguments.file,
        model=_quoted(base),
        candidate_model=_quoted(model),
        adapter=f", adapter = {_quoted(adapter)}" if adapter else "",
        reference="" if adapter else ', reference = "base"',
    )
    atomic_write(arguments.file, text)
    items = arguments.file.parent / "target.jsonl"
    if not items.exists():
        atomic_write(items, '{"prompt": "What is the capital of France? Answer with one word.", "target": "Paris"}\n')
    out.print(f"{arguments.file} written. Put your items into {items}, then: sftgate run {arguments.file} --dry-run", markup=False)
    return 0


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _places(checkpoint: Path, base: str | None) -> tuple[str, str, str]:
    """(model, adapter or "", base) of a checkpoint folder."""
    if (checkpoint / "candidate.json").is_file():
        handover = read_handover(checkpoint)
        return handover.model, handover.adapter or "", base or handover.base or handover.model
    if (checkpoint / "adapter_config.json").is_file():
        named = base or read_adapter_config(checkpoint).get("base_model_name_or_path") or ""
        if not named:
            raise UsageError(f"{checkpoint}: the adapter does not name its base model. Name it with --base.")
        return named, str(checkpoint.resolve()), named
    if (checkpoint / "config.json").is_file():
        if not base:
            raise UsageError(f"{checkpoint}: a full model does not say what it was trained from. Name its base with --base.")
        return str(checkpoint.resolve()), "", base
    raise UsageError(f"{str(checkpoint)!r} holds neither config.json nor adapter_config.json nor candidate.json")
