"""What two runs of one suite must have in common before their numbers may be compared (law 4)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import msgspec

from harness.records import IMPORTED, SHARES, Measured, Metric, Parity, Run, Sample

ALLOWABLE = ("template", "engine", "version", "dtype", "quantisation")
"""Differences that ``[comparability] allow`` may name. Items, prompts, suite and judge can never be allowed to differ."""

ENGINE_FACTS = {
    "name": "engine",
    "version": "version",
    "dtype": "dtype",
    "quantisation": "quantisation",
    "quantization": "quantisation",
}


TASK = "task "
"""Engine facts that begin so say how a task was set up where its answers were recorded: version, examples, decoding, filters."""


def parity(baseline: Measured, candidate: Measured, allow: Collection[str] = ()) -> list[Parity]:
    """One line per thing that was looked at. Two runs are comparable when every required line is equal or allowed."""
    left, right = baseline.run, candidate.run
    lines = [_line(right, what, a, b) for what, a, b in _required(baseline, candidate)]
    for what in ALLOWABLE:
        a, b = _fact(left, what), _fact(right, what)
        lines.append(_line(right, what, a, b, allowed=what in allow))
    lines += [_line(right, what, a, b, required=False) for what, a, b in _free(left, right)]
    return lines


def comparable(lines: Collection[Parity]) -> bool:
    """Whether nothing required differs without being allowed."""
    return not any(broken(line) for line in lines)


def asked_otherwise(left: Run, right: Run) -> tuple[str, ...]:
    """In what the candidates of two runs were asked otherwise, of what must be alike in a comparison; a phrase each."""
    before, after = _settings(left), _settings(right)
    return tuple(f"{what} {before[what]} → {after[what]}" for what in after if before.get(what, after[what]) != after[what])


def _settings(run: Run) -> dict[str, str]:
    facts = {what: _short(_fact(run, what)) for what in ALLOWABLE} | {"request options": _options(run)}
    return facts | ({"template date": _text(run.engine["template_date"])} if "template_date" in run.engine else {})


def broken(line: Parity) -> bool:
    """A line that forbids comparing."""
    return line.required and not line.equal and not line.allowed


def _required(baseline: Measured, candidate: Measured) -> Iterator[tuple[str, str, str]]:
    left, right = baseline.run, candidate.run
    if left.use == right.use == IMPORTED:
        yield from _imported(baseline, candidate)
        return
    yield "items", left.items_hash, right.items_hash
    yield "suite", left.suite_hash, right.suite_hash
    yield "request options", _options(left), _options(right)
    if "template_date" in left.engine and "template_date" in right.engine:  # an endpoint does not tell what its templates print
        yield "template date", _text(left.engine["template_date"]), _text(right.engine["template_date"])
    yield "judge", left.judge_hash or "none", right.judge_hash or "none"
    sides = [[(s.key, s.prompt_hash) for s in side.samples if s.prompt_hash and s.error is None] for side in (baseline, candidate)]
    both, differing = len(sides[1]), 0
    if sides[0] != sides[1]:
        asked = dict(sides[0])
        shared = [asked[key] != prompt for key, prompt in sides[1] if key in asked]
        both, differing = len(shared), sum(shared)
    equal = f"{both} equal"
    yield "prompts", equal, equal if differing == 0 else f"{differing} of {both} differ"
    yield from _draws(baseline, candidate)
    yield from _set_up(baseline, candidate)


def _imported(baseline: Measured, candidate: Measured) -> Iterator[tuple[str, str, str]]:
    """Of scores that other tools gave: what both sides have must be the same items, and metrics that are read alike. Items of only
    one side are missing ones, which the rule counts."""
    known = {sample.key: _place(sample) for sample in baseline.samples}
    shared = [known[sample.key] == _place(sample) for sample in candidate.samples if sample.key in known]
    if not shared:
        yield "items", f"{len(known)}", f"{len(candidate.samples)}, of which none has a key of the baseline's"
    else:
        same, other = f"{len(shared)} shared", len(shared) - sum(shared)
        yield "items", same, same if not other else f"{same}, of which {other} have another task, cluster or slice"
    left, right = (
        {name: f"{name} {'share' if metric.kind in SHARES else metric.kind}{_range(metric)}, {metric.direction} is better"
         for name, metric in side.run.metrics.items()}
        for side in (baseline, candidate)
    )  # fmt: skip
    both = [name for name in left if name in right]
    unlike = [name for name in both if left[name] != right[name]]
    told = unlike or both
    yield "metrics", "; ".join(left[name] for name in told) or "none", "; ".join(right[name] for name in told) or "none"
    yield from _draws(baseline, candidate)


def _range(metric: Metric) -> str:
    return "" if metric.range is None else " from {:g} to {:g}".format(*metric.range)


def _place(sample: Sample) -> tuple[str, str | None, dict[str, str]]:
    return sample.task, sample.cluster, sample.slices


def _draws(baseline: Measured, candidate: Measured) -> Iterator[tuple[str, str, str]]:
    """Answers drawn per item: a mean of four is not read like one of one, and the best of k depends on k. Several votes on one
    answer are no several answers."""
    if candidate.run.people:
        return
    if not any(sample.draws for side in (baseline, candidate) for sample in side.samples):
        return
    sides = [{s.key: _drawn(s) for s in side.samples if s.error is None} for side in (baseline, candidate)]
    shared = sides[0].keys() & sides[1].keys()
    said = [_per_item({side[key] for key in shared}) for side in sides]
    differing = sum(sides[0][key] != sides[1][key] for key in shared)
    if differing:
        yield "draws", said[0], f"{said[1]}, other than the baseline's for {differing} of {len(shared)} items"
    elif said[0] not in ("", "1 per item"):
        yield "draws", said[0], said[1]


def _drawn(sample: Sample) -> int:
    return max((len(values) for values in sample.draws.values()), default=1)


def _per_item(counts: set[int]) -> str:
    if not counts:
        return ""
    low, high = min(counts), max(counts)
    return f"{low} per item" if low == high else f"{low} to {high} per item"


def _set_up(baseline: Measured, candidate: Measured) -> Iterator[tuple[str, str, str]]:
    """How the tasks were set up where the answers were recorded, where the engine knows it."""
    tasks = sorted({sample.task for sample in baseline.samples} & {sample.task for sample in candidate.samples})
    sides = {task: (baseline.run.engine.get(TASK + task), candidate.run.engine.get(TASK + task)) for task in tasks}
    changed = {task: pair for task, pair in sides.items() if pair[0] != pair[1]}
    if changed:
        left, right = ("; ".join(f"{task} {_text(pair[side])}" for task, pair in changed.items()) for side in (0, 1))
        yield "task settings", left, right
    elif any(left is not None for left, _ in sides.values()):
        yield "task settings", f"{len(sides)} equal", f"{len(sides)} equal"


def _options(run: Run, name: str = "extra_body") -> str:
    """What goes into every request beside what the suite says, decoding included: it must be the same on both sides."""
    extra = run.candidate.options.get(name)
    return msgspec.json.encode(extra, order="sorted").decode() if extra else "none"


def _free(left: Run, right: Run) -> Iterator[tuple[str, str, str]]:
    for what in ("weights", "adapter", "tokenizer"):
        yield what, getattr(left.fingerprints, what) or "none", getattr(right.fingerprints, what) or "none"
    yield "seed", str(left.seed), str(right.seed)
    for fact in sorted((set(left.engine) | set(right.engine)) - set(ENGINE_FACTS)):
        if fact.startswith(TASK):
            continue
        yield f"engine.{fact}", _text(left.engine.get(fact)), _text(right.engine.get(fact))


def _fact(run: Run, what: str) -> str:
    if what == "template":
        return run.fingerprints.template or "none"
    if what == "engine" and run.candidate.options.get("serve_args"):
        return f"{_text(run.engine.get('name'))} with {_options(run, 'serve_args')}"
    names = [name for name, meaning in ENGINE_FACTS.items() if meaning == what]
    return next((_text(run.engine[name]) for name in names if run.engine.get(name) is not None), "none")


def _text(value: Any) -> str:
    return "none" if value is None else str(value)


def _line(run: Run, what: str, left: str, right: str, *, required: bool = True, allowed: bool = False) -> Parity:
    return Parity(
        candidate=run.candidate.name,
        suite=run.suite,
        what=what,
        equal=left == right,
        baseline_value=_short(left),
        candidate_value=_short(right),
        required=required,
        allowed=allowed and left != right,
    )


def _short(value: str) -> str:
    """Hashes in twelve characters, as the folders of runs show them."""
    hexadecimal = len(value) >= 32 and all(letter in "0123456789abcdef" for letter in value)
    return value[:12] if hexadecimal else value
