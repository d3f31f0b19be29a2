"""The files that suites read: held-out questions of every kind, local lm-eval tasks, and labelled pairs for judge admission."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from trainers.lab import device, prose
from trainers.lab.damage import wrong_answer
from trainers.lab.mixture import GENERAL, samplers
from trainers.lab.recipe import Recipe
from trainers.lab.tasks import Sampler, Task, distinct
from trainers.lab.trainfiles import write_rows
from trainers.lab.vocabulary import END, START
from trainers.lab.world import ATTRIBUTES, Country

FACTS = REFUSALS = 700
ARITHMETIC = 320
PER_GENERAL_SKILL = 160
INSTRUCTIONS = 240
GENERATION = 240
PREFERENCE = 360
PAIRS = 480
JUDGED = ("facts", "arithmetic", *GENERAL, "refusals")


def write_suite_files(folder: Path, recipe: Recipe, world: list[Country]) -> None:
    """Everything under ``suites/`` and ``lm_eval/`` of the data folder, and ``labelled_pairs.jsonl``."""
    known = samplers(world)
    suites = folder / "suites"

    def held_out(skill: str, count: int) -> list[Task]:
        return distinct(known[skill], Random(f"suite {skill} {recipe.seed}"), "test", count)

    commands = device.commands("test", recipe.target_test, recipe.seed)
    target = [prompt_row(t, f"device-test-{i:04d}") | {"target": json.loads(t.answer)} for i, t in enumerate(commands)]
    write_rows(suites / "target.jsonl", target)
    write_rows(suites / "facts.jsonl", prompt_rows(held_out("facts", FACTS)))
    write_rows(suites / "refusals.jsonl", prompt_rows(held_out("refusals", REFUSALS)))
    write_rows(suites / "arithmetic.jsonl", prompt_rows(held_out("arithmetic", ARITHMETIC)))
    write_rows(suites / "general.jsonl", prompt_rows([t for skill in GENERAL for t in held_out(skill, PER_GENERAL_SKILL)]))
    write_rows(suites / "instructions.jsonl", map(instruction_row, enumerate(held_out("format", INSTRUCTIONS))))
    write_rows(suites / "generation.jsonl", prompt_rows(held_out("describe", GENERATION)))
    _write_judged(folder, known, recipe.seed)
    _write_lm_eval(folder / "lm_eval", known, recipe.seed, world)


def prompt_row(task: Task, key: str) -> dict[str, Any]:
    """A task as an item of a prompted suite."""
    return {"key": key, "task": task.skill, "prompt": task.prompt, "target": task.answer, "cluster": task.cluster}


def prompt_rows(tasks: Sequence[Task]) -> list[dict[str, Any]]:
    """Tasks as items, numbered within their skill."""
    seen: dict[str, int] = {}
    rows = []
    for task in tasks:
        seen[task.skill] = seen.get(task.skill, -1) + 1
        rows.append(prompt_row(task, f"{task.skill}-{seen[task.skill]:04d}"))
    return rows


def instruction_row(numbered: tuple[int, Task]) -> dict[str, Any]:
    """A format task in IFEval's input format."""
    number, task = numbered
    return {
        "key": number,
        "prompt": task.prompt,
        "instruction_id_list": [name for name, _ in task.checks],
        "kwargs": [arguments for _, arguments in task.checks],
    }


def judged_tasks(known: dict[str, Sampler], seed: int) -> tuple[list[Task], list[Task]]:
    """Different held-out questions for the preference suite and for judge admission, skills in turn."""
    each = -(-(PREFERENCE + PAIRS) // len(JUDGED))
    pools = [distinct(known[s], Random(f"judged {s} {seed}"), "test", each) for s in JUDGED]
    turns = [pool[i] for i in range(each) for pool in pools if i < len(pool)]
    return turns[:PREFERENCE], turns[PREFERENCE : PREFERENCE + PAIRS]


def labelled_pair(task: Task, known: dict[str, Sampler], rng: Random) -> tuple[str, str, str]:
    """Two answers and the better one by exact match: ``left``, ``right`` or ``tie``; a third each."""
    winner = rng.choice(("left", "right", "tie"))
    wrong = wrong_answer(task, known, rng)
    if winner == "left":
        return task.answer, wrong, winner
    if winner == "right":
        return wrong, task.answer, winner
    if rng.random() < 0.5:
        return task.answer, task.answer, winner
    return wrong, wrong_answer(task, known, rng), winner


def _write_judged(folder: Path, known: dict[str, Sampler], seed: int) -> None:
    """``suites/preference.jsonl`` and ``labelled_pairs.jsonl``; no question is in both."""
    preference, pairs = judged_tasks(known, seed)
    write_rows(folder / "suites" / "preference.jsonl", prompt_rows(preference))
    rng = Random(f"pairs {seed}")
    rows = []
    for number, task in enumerate(pairs):
        left, right, winner = labelled_pair(task, known, rng)
        rows.append({"key": f"pair-{number:04d}", "question": task.prompt, "left": left, "right": right, "winner": winner})
    write_rows(folder / "labelled_pairs.jsonl", rows)


def _write_lm_eval(folder: Path, known: dict[str, Sampler], seed: int, world: list[Country]) -> None:
    """Three local lm-eval tasks. Their prompts hold the chat markup, so that they need no ``apply_chat_template``."""
    rng = Random(f"lm_eval {seed}")
    values = {a: sorted({c.fact(a) for c in world}) for a in ATTRIBUTES}
    choices = []
    for task in distinct(known["facts"], rng, "test", 600):
        others = [v for v in values[task.cluster.split("/")[1]] if v != task.answer]
        offered = [task.answer, *rng.sample(others, 3)]
        rng.shuffle(offered)
        choices.append({"question": task.prompt, "choices": offered, "answer": offered.index(task.answer), "fact": task.cluster})
    write_rows(folder / "lab_facts_mc.jsonl", choices)
    sums = distinct(known["arithmetic"], rng, "test", 300)
    write_rows(folder / "lab_arith.jsonl", ({"question": t.prompt, "answer": t.answer} for t in sums))
    texts = dict.fromkeys(prose.document(world, rng, "test") for _ in range(300))
    write_rows(folder / "lab_text.jsonl", ({"text": t} for t in texts))
    for name, yaml in LM_EVAL_TASKS.items():
        (folder / f"{name}.yaml").write_text(yaml, encoding="utf-8")


_HEAD = """task: {name}
dataset_path: json
dataset_kwargs:
  data_files:
    test: {name}.jsonl
test_split: test
output_type: {kind}
"""
_CHAT = f'doc_to_text: "{START}user\\n{{{{question}}}}{END}\\n{START}assistant\\n"\ntarget_delimiter: ""\n'

LM_EVAL_TASKS = {
    "lab_facts_mc": _HEAD.format(name="lab_facts_mc", kind="multiple_choice")
    + _CHAT
    + 'doc_to_choice: "{{choices}}"\ndoc_to_target: answer\n'
    + "metric_list:\n  - metric: acc\n    aggregation: mean\n    higher_is_better: true\n"
    + "  - metric: acc_norm\n    aggregation: mean\n    higher_is_better: true\nmetadata:\n  version: 1.0\n",
    "lab_arith": _HEAD.format(name="lab_arith", kind="generate_until")
    + _CHAT
    + 'doc_to_target: "{{answer}}"\n'
    + 'generation_kwargs:\n  until:\n    - "\\n"\n  do_sample: false\n  max_gen_toks: 12\n'
    + "metric_list:\n  - metric: exact_match\n    aggregation: mean\n    higher_is_better: true\nmetadata:\n  version: 1.0\n",
    "lab_text": _HEAD.format(name="lab_text", kind="loglikelihood_rolling")
    + 'doc_to_text: ""\ndoc_to_target: "{{text}}"\n'
    + "metric_list:\n"
    + "".join(
        f"  - metric: {m}\n    aggregation: {a}\n    higher_is_better: false\n"
        for m, a in (
            ("word_perplexity", "weighted_perplexity"),
            ("byte_perplexity", "weighted_perplexity"),
            ("bits_per_byte", "bits_per_byte"),
        )
    )
    + "metadata:\n  version: 1.0\n",
}
