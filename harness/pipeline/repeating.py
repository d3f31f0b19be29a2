"""A/A: the baseline, and every reference that forgetting is measured against, put through the same questions a second time.

The second time has another order and other seeds, runs and journal entries of its own, and is never selected. What it is compared
with is the first time; what the gate says about it is what the gate says about nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from harness.checkpoints import source
from harness.config import Loaded
from harness.errors import UsageError
from harness.fingerprint import candidate_fingerprints
from harness.gate import TRANSITIONS, matches, of_people
from harness.gate.measurements import Measurements
from harness.gate.noise import again, identical, noise_of
from harness.gate.selftest import of_itself
from harness.pipeline.concluding import conclude, policy_of
from harness.pipeline.lengths import by_length
from harness.pipeline.measuring import bring
from harness.pipeline.noise import second_name
from harness.pipeline.preparing import Pair, Prepared
from harness.pipeline.progress import SILENT, Progress
from harness.protocols import Imported
from harness.records import Conclusion, Measured, Repetition, Rule

KEPT = ("recorded", "imported")
"""Where answers come from that nobody can give a second time."""


def known(prepared: Prepared, others: Mapping[str, str], *, changes: Mapping[str, Any] | None = None) -> Prepared:
    """The config with nobody in it but ``others`` (name -> the candidate that it is, or is a ruined copy of), those candidates, and
    the baseline.

    ``changes`` are fields in which they differ from their originals. All are asked in full, and without policy.
    """
    entries = {entry.name: entry for entry in prepared.config.candidates}
    new = {name: {"name": name, **(changes or {})} for name in others}
    copies = [msgspec.structs.replace(entries[original], reference=original, **new[name]) for name, original in others.items()]
    config = msgspec.structs.replace(
        prepared.config,
        candidates=(*(entries[name] for name in dict.fromkeys([prepared.config.baseline, *others.values()])), *copies),
        rules=(), quarantine=(), sequential=None,
    )  # fmt: skip
    candidates = {name: msgspec.structs.replace(prepared.candidates[original], **new[name]) for name, original in others.items()}
    facts = {name: prepared.facts[original] for name, original in others.items()}
    prints = {name: prepared.prints[original] for name, original in others.items()}
    engines = {name: prepared.engines[original] for name, original in others.items()}
    if changes:
        facts = {name: dict(engines[name].describe(candidate)) for name, candidate in candidates.items()}
        prints = {name: candidate_fingerprints(candidate, facts[name], nonce="") for name, candidate in candidates.items()}
    return dataclasses.replace(
        prepared,
        loaded=msgspec.structs.replace(prepared.loaded, config=config),
        candidates={**prepared.candidates, **candidates},
        engines={**prepared.engines, **engines},
        facts={**prepared.facts, **facts},
        prints={**prepared.prints, **prints},
        references={**prepared.references, **others},
    )


def originals(prepared: Prepared) -> dict[str, list[str]]:
    """Who is repeated, with the suites: the baseline in all of them, and every reference in those that must be retained.

    Nobody whose answers were recorded, or whose scores were imported: those can be read again, but not given again. UsageError
    where the baseline is a pin.
    """
    config = prepared.config
    if config.baseline not in {candidate.name for candidate in config.candidates}:
        raise UsageError(
            f"the baseline {config.baseline!r} is a set of kept answers, which cannot be asked again. Name a candidate: "
            "sftgate aa-test … --set baseline=NAME"
        )
    suites = asking(prepared)
    retained = [suite.name for suite in config.suites if suite.retained and suite.name in suites]
    found = {config.baseline: suites}
    for name in dict.fromkeys(prepared.references.values()):
        if retained and name in {candidate.name for candidate in config.candidates}:
            found.setdefault(name, retained)
    return {name: own for name, own in found.items() if own and source(prepared.candidates[name]) not in KEPT}


def asking(prepared: Prepared) -> list[str]:
    """The suites that ask anything; those of imported scores do not."""
    return [suite.name for suite in prepared.config.suites if not isinstance(prepared.suites[suite.name], Imported)]


def measured_by(prepared: Prepared, pairs: Sequence[Pair], progress: Progress = SILENT) -> dict[Pair, Measured]:
    """These pairs, brought to disk and read; none of them is selected."""
    done = bring(prepared, pairs, progress=progress)
    return {pair: prepared.store.read(done.paths[pair]) for pair in pairs}


def repeat(prepared: Prepared, *, progress: Progress = SILENT) -> tuple[tuple[Repetition, ...], dict[Pair, Measured]]:
    """Measure everybody who is to be repeated twice; what came of it, and all runs by (suite, name), the baseline's in any case."""
    suites = originals(prepared)
    twice = known(prepared, {second_name(name): name for name in suites})
    twice = dataclasses.replace(twice, replicates={second_name(name): 1 for name in suites})
    pairs = [(suite, each) for name, own in suites.items() for each in (name, second_name(name)) for suite in own]
    pairs = list(dict.fromkeys([*((suite, prepared.config.baseline) for suite in asking(prepared)), *pairs]))
    measured = measured_by(twice, pairs, progress)
    return tuple(_repetition(prepared, name, own, measured) for name, own in suites.items()), measured


def _repetition(prepared: Prepared, name: str, suites: Iterable[str], measured: Mapping[Pair, Measured]) -> Repetition:
    second = second_name(name)
    runs = {suite: (measured[suite, name], measured[suite, second]) for suite in suites}
    sides = {pair: each for suite, (one, two) in runs.items() for pair, each in (((suite, name), one), ((suite, second), two))}
    whole = {**sides, **{(suite, again(name)): two for suite, (_, two) in runs.items()}}
    findings = concluded(prepared, name, whole).verdicts[0].findings
    outcome, sentence = of_itself(name, findings)
    return Repetition(
        candidate=name,
        outcome=outcome,
        sentence=sentence,
        runs={suite: (one.run.graded, two.run.graded) for suite, (one, two) in runs.items()},
        identical={suite: identical(one, two) for suite, (one, two) in runs.items()},
        noise=tuple(noise_of(Measurements(sides, policy_of(_policy(prepared, name, sides), sides)), second, name)),
        findings=findings,
    )


def concluded(prepared: Prepared, baseline: str, measured: dict[Pair, Measured]) -> Conclusion:
    """What the policy says about a candidate that is known; whatever a rule compares with, here that is ``baseline``."""
    sliced = {pair: by_length(each, prepared.config.prompt_lengths) for pair, each in measured.items()}
    return conclude(_policy(prepared, baseline, sliced), sliced)


def _about_references(rule: Rule) -> bool:
    return rule.against == "reference" or rule.metric.rsplit("/", 1)[-1] in TRANSITIONS


def _policy(prepared: Prepared, baseline: str, measured: Mapping[Pair, Measured]) -> Loaded:
    """The policy for a known candidate. Rules that no suite measured here is about, votes included, are left out, and of a
    reference only what is said about references counts."""
    groups, suites = prepared.group_ids(), {suite for suite, _ in measured}
    metrics = {metric for metric in prepared.metric_ids() if not of_people(metric) and metric.split("/", 1)[0] in suites}
    rules = tuple(
        msgspec.structs.replace(rule, against="baseline", about="checkpoint")
        for rule in prepared.config.rules
        if any(matches(rule.metric, metric, groups) for metric in metrics)
        and (baseline == prepared.config.baseline or _about_references(rule))
    )
    quarantine = tuple(entry for entry in prepared.config.quarantine if entry.suite in suites)
    config = msgspec.structs.replace(prepared.config, baseline=baseline, rules=rules, quarantine=quarantine, sequential=None)
    return msgspec.structs.replace(prepared.loaded, config=config)
