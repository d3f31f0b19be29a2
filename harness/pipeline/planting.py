"""Damage done on purpose to a copy of the baseline. A gate that lets it pass would let anything pass (law 8).

*Shuffled*: the answers that the baseline gave, each handed in for another item of its task, and graded again; no model of a
candidate is needed. *Noised*: weights with so much noise on them that little can be left of what they knew, asked as usual.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

from harness.checkpoints import resolve_model, source
from harness.engines.hot_swap import Swaps
from harness.engines.kept_weights import KEPT_DAYS
from harness.engines.noising import noised
from harness.errors import UsageError
from harness.gate.noise import again
from harness.gate.selftest import Place, about, about_losses, of_damage, place, sights
from harness.journal import Journal
from harness.pipeline.asking import Asking, Measurement
from harness.pipeline.consulting import consult
from harness.pipeline.grading import Gathered
from harness.pipeline.looking import Looking
from harness.pipeline.measuring import ask
from harness.pipeline.noise import second_name
from harness.pipeline.preparing import Pair, Prepared, first_requests
from harness.pipeline.progress import SILENT, Progress
from harness.pipeline.recording import run_of
from harness.pipeline.repeating import concluded, known, measured_by
from harness.protocols import Imported
from harness.records import Answer, Item, Measured, Plant, Repetition

Way = Literal["shuffled", "noised"]

SPEED = "speed is not what was damaged"


def ways(prepared: Prepared, only: Way | None) -> tuple[Way, ...]:
    """What can be planted. UsageError where what was asked for cannot, or nothing can."""
    baseline = prepared.candidates[prepared.config.baseline]
    kind = source(baseline)
    local = kind == "weights"
    if kind == "imported":
        raise UsageError(f"the scores of {baseline.name!r} were imported: there are no answers to shuffle and no weights to noise.")
    if only == "noised" and not local:
        raise UsageError(
            f"noise is put on weights, and those of {baseline.name!r} (engine {baseline.engine!r}) are not on this machine. "
            "Use --plant shuffled."
        )
    return (only,) if only is not None else ("shuffled", "noised") if local else ("shuffled",)


def plant(
    prepared: Prepared,
    measured: Mapping[Pair, Measured],
    repetitions: Iterable[Repetition],
    *,
    chosen: Iterable[Way],
    strength: float,
    progress: Progress = SILENT,
) -> tuple[Plant, ...]:
    """Damage the baseline and see what the gate says. ``measured`` holds its own runs; a rule that fails in its A/A, which is
    among ``repetitions``, would fail on anything, and so has noticed nothing."""
    own = [finding for each in repetitions if each.candidate == prepared.config.baseline for finding in each.findings]
    silent = {place(finding) for finding in own if finding.outcome == "fail"}
    found = []
    for how in chosen:
        ruined, left_out = _shuffled(prepared, progress) if how == "shuffled" else _noised(prepared, strength, progress)
        found.append(_plant(prepared, how, measured, ruined, left_out, silent, strength))
    return tuple(found)


def _plant(
    prepared: Prepared,
    how: Way,
    measured: Mapping[Pair, Measured],
    ruined: Mapping[Pair, Measured],
    left_out: Mapping[str, str],
    silent: Collection[Place],
    strength: float,
) -> Plant:
    baseline = prepared.config.baseline
    sides = dict(ruined)
    for suite, _ in ruined:
        sides[suite, baseline] = measured[suite, baseline]
        if (suite, second_name(baseline)) in measured:
            sides[suite, again(baseline)] = measured[suite, second_name(baseline)]
    findings = concluded(prepared, baseline, sides).verdicts[0].findings if sides else ()
    sight = sights([suite.name for suite in prepared.config.suites], findings, silent, left_out)
    done = "its answers shuffled" if how == "shuffled" else f"noise of {strength:g} sd on its weights"
    outcome, sentence = of_damage(baseline, done, findings, silent, sight)
    unseen = {
        suite: next(each.reason for each in findings if each.rule.severity == "block" and about_losses(each) and about(each, suite))
        for suite, state in sight.items()
        if state == "missed"
    }
    return Plant(
        how=how, outcome=outcome, sentence=sentence, strength=strength if how == "noised" else None, sight=sight,
        why={**left_out, **unseen}, findings=findings,
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------------------- shuffled


def _shuffled(prepared: Prepared, progress: Progress) -> tuple[dict[Pair, Measured], dict[str, str]]:
    """The baseline's answers, each handed in for another item; suites in which that means nothing are left out, and why."""
    baseline = prepared.config.baseline
    name = f"{baseline}#shuffled"
    alone = known(prepared, {name: baseline})
    left_out = {suite.name: why for suite in prepared.config.suites if (why := _unshuffled(prepared, suite.name))}
    suites = [suite.name for suite in prepared.config.suites if suite.name not in left_out]
    found: dict[Pair, Measured] = {}
    with Journal(prepared.store.journal_path) as journal:
        with Swaps() as swaps:
            asking = Asking(alone, journal, progress, Measurement(), swaps)
            ask(asking, Looking(asking), [(suite, baseline) for suite in suites])
        for suite in list(suites):
            own = asking.gathered[suite, baseline]
            answers = shuffled(prepared.items(suite), own.answers, seed=prepared.config.seed)
            if answers is None:
                left_out[suite] = "no two items of one task have answers that could be exchanged"
                suites.remove(suite)
                continue
            asking.gathered[suite, name] = Gathered(
                answers=answers, prompt_hashes=dict(own.prompt_hashes), prompt_lengths=dict(own.prompt_lengths)
            )
        admissions = consult(asking, [(suite, name) for suite in suites])
    for suite in suites:
        pair = (suite, name)
        samples = asking.graded(pair)
        run = run_of(alone, pair, samples, asking.gathered[pair], admission=admissions.get(suite))
        found[pair] = Measured(run=run, samples=tuple(samples))
    return found, left_out


def _unshuffled(prepared: Prepared, suite: str) -> str:
    """Why shuffling a suite's answers would show nothing; empty where it would."""
    if (why := _out(prepared, suite)) is not None:
        return why
    requests = [first_requests(prepared.suites[suite], item) for item in prepared.items(suite)]
    if all(request.kind == "score_rolling" for asked in requests for request in asked):
        return "how likely a text is answers no question, and cannot be handed in for another"
    return ""


def _out(prepared: Prepared, suite: str) -> str | None:
    """Why no damage to a candidate shows in a suite; None where it should."""
    if isinstance(prepared.suites[suite], Imported):
        return "its scores are imported, and nobody is asked"
    return None if prepared.suites[suite].journalled else SPEED


def shuffled(items: Iterable[Item], answers: Mapping[str, Answer], *, seed: int) -> dict[str, Answer] | None:
    """Every answer handed in for another item of the same task with as many completions of the same kind; never for its own.

    What failed stays, and so does what has no partner. None where nothing could be exchanged.
    """
    alike: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for item in items:
        answer = answers[item.key]
        if answer.error is None:
            kinds = tuple(completion.logprob is None for completion in answer.completions)
            alike[item.task, kinds].append(item.key)
    moved = dict(answers)
    for keys in alike.values():
        order = list(keys)
        random.Random(seed).shuffle(order)
        for key, giver in zip(order, order[1:] + order[:1], strict=True):
            moved[key] = Answer(key=key, completions=answers[giver].completions)
    return moved if any(len(keys) > 1 for keys in alike.values()) else None


# ------------------------------------------------------------------------------------------------------------ noised


def _noised(prepared: Prepared, strength: float, progress: Progress) -> tuple[dict[Pair, Measured], dict[str, str]]:
    """A copy of the baseline with noise on its weights, measured like any candidate. An adapter stays as it is: noise on it alone
    would leave all that the model under it knows."""
    candidate = prepared.candidates[prepared.config.baseline]
    folder = resolve_model(candidate.model, candidate.revision)
    ruined = noised(folder, strength=strength, seed=prepared.config.seed)
    size = sum(file.stat().st_size for file in ruined.iterdir()) / 2**30
    progress.note(f"noised weights ({size:.2g} GiB) are kept in {ruined} until nobody has used them for {KEPT_DAYS} days")
    name = f"{candidate.name}#noised"
    alone = known(prepared, {name: candidate.name}, changes={"model": str(ruined), "revision": None})
    left_out = {suite.name: why for suite in prepared.config.suites if (why := _out(prepared, suite.name)) is not None}
    pairs = [(suite.name, name) for suite in prepared.config.suites if suite.name not in left_out]
    return measured_by(alone, pairs, progress), left_out
