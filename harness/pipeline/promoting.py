"""What becomes a pin, and what may become the baseline: a whole run set, and a verdict about that very run set."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from harness.baselines import Pin, PinnedRun, Pins, Promotion
from harness.config import Loaded
from harness.errors import ComparabilityError, UsageError
from harness.formats import UnreadableError, understood
from harness.gate import Policy
from harness.gate.measurements import Measurements
from harness.gate.policy import RECIPE
from harness.gate.recipes import recipes_only
from harness.pipeline.concluding import digest_of_policy, policy_of, read_candidate
from harness.pipeline.preparing import tail
from harness.records import Conclusion, Measured, Verdict
from harness.seals import kept


def pin_of(loaded: Loaded, name: str, *, by: str, verdict: Verdict | None = None, against: str = "") -> Pin:
    """The selected runs of one candidate as a pin; ``verdict``: what the gate says of them today, ``against`` which baseline.

    ComparabilityError where it was not measured as the config says, or only in part: a baseline must have answered everything.
    """
    runs = read_candidate(loaded, name)
    for suite, measured in runs.items():
        why = _partial(measured)
        if why:
            rest = " --set sequential=false" if measured.run.looks is not None else ""
            raise ComparabilityError(
                f"{name!r} cannot be pinned: {why} in suite {suite!r}, and a baseline must have been asked everything. "
                f"Run: sftgate measure {loaded.file}{rest}"
            )
    candidate = loaded.config.candidate(name)
    prints = [measured.run.fingerprints for measured in runs.values()]
    return Pin(
        candidate=name,
        created=now(),
        by=by,
        model=tail(candidate.model),
        revision=candidate.revision,
        adapter=tail(candidate.adapter) or None,
        weights_hash=next((each.weights for each in prints if each.weights), None),
        adapter_hash=next((each.adapter for each in prints if each.adapter), None),
        outcome=verdict.outcome if verdict else None,
        sentence=verdict.sentence if verdict else "",
        against=against,
        policy=digest_of_policy(loaded) if verdict else "",
        runs={suite: _pinned(measured) for suite, measured in runs.items()},
    )


def _partial(measured: Measured) -> str:
    run = measured.run
    if run.limit is not None and run.limit <= run.planned:
        return f"only {run.planned:,} items were asked (--smoke)"
    if run.looks is not None and run.looks.stopped:
        return "asking stopped early"
    return ""


def _pinned(measured: Measured) -> PinnedRun:
    run = measured.run
    pair = (run.suite, run.candidate.name)
    score = Measurements({pair: measured}, Policy(baseline=pair[1])).value(*pair, run.primary) if run.primary else None
    answered = sum(sample.error is None for sample in measured.samples)
    return PinnedRun(graded=run.graded, samples=run.samples_hash, metric=run.primary, score=score, items=answered)


def now() -> str:
    """This second, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def same_runs(one: Pin, other: Pin) -> bool:
    """Whether two pins hold the same answers to the same questions."""
    return {suite: (run.graded, run.samples) for suite, run in one.runs.items()} == {
        suite: (run.graded, run.samples) for suite, run in other.runs.items()
    }


def verdict_about(loaded: Loaded, name: str) -> tuple[Verdict, str] | None:
    """What ``verdict.json`` says about the runs of a candidate as they are selected now, and against which baseline; None where it
    speaks of other runs, of this candidate or of the one that is the baseline, or not of this candidate, or was decided by other
    rules, or where there is none. UsageError where it cannot be read, or was changed since the gate wrote it.

    Where all blocking rules are about recipes, so that no replicate has a verdict of its own, that about its recipe counts, as long
    as it speaks of all replicates as they are selected now."""
    conclusion = _concluded(loaded)
    if conclusion is None or conclusion.policy_digest != digest_of_policy(loaded):
        return None
    verdicts = {verdict.candidate: verdict for verdict in conclusion.verdicts}
    judged, speaks_of = name, [name]
    if name not in verdicts and recipes_only(policy_of(loaded, {})):
        recipe = loaded.config.candidate(name).recipe
        judged, speaks_of = f"{RECIPE}{recipe}", replicates_of(loaded, recipe)
    if judged not in verdicts or not all(_is_about(conclusion, loaded, each) for each in speaks_of):
        return None
    against = conclusion.baseline
    here = against == loaded.config.baseline and against in {each.name for each in loaded.config.candidates}
    if here and not _rests_on(conclusion, against, read_candidate(loaded, against)):
        return None
    return verdicts[judged], against


def replicates_of(loaded: Loaded, recipe: str | None) -> list[str]:
    """The candidates that a verdict about a recipe speaks of."""
    config = loaded.config
    return [each.name for each in config.candidates if recipe and each.recipe == recipe and each.name != config.baseline]


def _concluded(loaded: Loaded) -> Conclusion | None:
    path = loaded.store / "verdict.json"
    if not path.is_file():
        return None
    try:
        content = path.read_bytes()
        conclusion = understood(content, Conclusion)
    except OSError as error:
        raise UsageError(f"{str(path)!r} cannot be read: {error.strerror}") from error
    except UnreadableError as error:
        raise UsageError(f"{str(path)!r} {error}. Run: sftgate gate {loaded.file}") from error
    if not kept(content):
        raise UsageError(f"{str(path)!r} is not what the gate wrote: it was changed since. Run: sftgate gate {loaded.file}")
    return conclusion


def _is_about(conclusion: Conclusion, loaded: Loaded, name: str) -> bool:
    """Whether a conclusion rests on the runs of a candidate as they are selected now, against the reference that it has now."""
    runs = read_candidate(loaded, name)
    if not _rests_on(conclusion, name, runs):
        return False
    references = [each.run.reference for each in runs.values() if each.run.reference]
    return conclusion.reference.get(name, "") == "".join(references[-1:])


def _rests_on(conclusion: Conclusion, name: str, runs: Mapping[str, Measured]) -> bool:
    gated = {suite: names.get(name, "") for suite, names in conclusion.runs.items()}
    return all(gated.get(suite) == each.run.graded and conclusion.created >= each.run.created for suite, each in runs.items())


def by_other_rules(loaded: Loaded, pins: Pins, name: str) -> bool:
    """Whether the rules of a pin's verdict were others than today. What was the baseline before may be it again by any rules."""
    before = any(promotion.to == name for promotion in pins.promotions)
    pin = pins.pins[name]
    return pin.outcome is not None and not before and pin.policy != digest_of_policy(loaded)


def with_pin(pins: Pins, name: str, pin: Pin) -> Pins:
    """``pins`` with one more. A pin that is there stays as it is; UsageError where the name is taken by other runs."""
    there = pins.pins.get(name)
    if there is None:
        return msgspec.structs.replace(pins, pins={**pins.pins, name: pin})
    if same_runs(there, pin):
        return pins
    raise UsageError(
        f"{name!r} is the pin of {there.candidate!r} of {there.day} already, with other answers, and a pin never changes. Choose "
        "another name."
    )


def promoted(pins: Pins, name: str, *, by: str, verdict: Verdict | Pin | None, against: str = "", reason: str = "") -> Pins:
    """``pins`` with ``name`` as the baseline, and the promotion on record, with what the gate had said and against whom."""
    entry = Promotion(
        created=now(),
        by=by,
        earlier=pins.promoted,
        to=name,
        outcome=verdict.outcome if verdict else None,
        sentence=verdict.sentence if verdict else "",
        against=against,
        reason=reason,
    )
    return msgspec.structs.replace(pins, promoted=name, promotions=(*pins.promotions, entry))
