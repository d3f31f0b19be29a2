"""Read the selected runs and decide. Pure but for reading: no model, no network, works on a laptop from copied files."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from harness.config import Config, Loaded
from harness.environment import environment
from harness.errors import ComparabilityError
from harness.fingerprint import digest
from harness.gate import Policy
from harness.gate import conclude as decide
from harness.lines import located
from harness.pipeline.contents import contents_of, refuse_other_contents
from harness.pipeline.imported import find_imported
from harness.pipeline.left_out import contaminated, judged_so_far
from harness.pipeline.lengths import by_length
from harness.pipeline.looking_back import read_history
from harness.pipeline.noise import second_runs
from harness.pipeline.pinned import meant_pins, read_pin, read_pinned
from harness.pipeline.preparing import HUMAN, Pair, declared_hash, find_references, tail
from harness.pipeline.ranges import ranged
from harness.pipeline.recording import bands
from harness.pipeline.sources import refuse_other_sources
from harness.pipeline.spending import spent_by_item
from harness.pipeline.trained import chosen_on, read_training
from harness.pipeline.voted import voted
from harness.records import IMPORTED, Candidate, Conclusion, Fingerprints, Measured, Quarantined, Rule, Run
from harness.store import Store


def read_measured(loaded: Loaded, *, pin: str = "") -> dict[Pair, Measured]:
    """The selected runs of every (suite, candidate) of the config, those of the pins that it names and of one more ``pin``
    (``pin:NAME``), second runs (A/A) and the people's votes where there are any.

    ComparabilityError where a pair was never measured, or was measured under another declaration than the config's; where a pin or
    a run of one is missing.
    """
    config, store = loaded.config, Store(loaded.store, loaded.part)
    pinned = read_pinned(loaded) | (read_pin(loaded, pin) if pin else {})
    by_name = {candidate.name: read_candidate(loaded, candidate.name) for candidate in config.candidates}
    measured = {(suite.name, name): runs[suite.name] for suite in config.suites for name, runs in by_name.items()}
    measured |= {pair: as_policy(loaded, found) for pair, found in pinned.items()}
    return measured | voted(store, measured, config.baseline) | second_runs(store, measured)


def read_candidate(loaded: Loaded, name: str) -> dict[str, Measured]:
    """The selected runs of one candidate of the config, by suite; ComparabilityError as ``read_measured``."""
    config, store = loaded.config, Store(loaded.store, loaded.part)
    current, now = store.current(), contents_of(config.candidate(name))
    references = find_references(config, {each.name: Fingerprints(asked="") for each in config.candidates})
    found = {}
    for suite in config.suites:
        pair = (suite.name, name)
        if suite.use == IMPORTED:
            imported = find_imported(loaded, *pair, current)
            refuse_other_contents(imported.run, now, "Import the scores of what is there now.")
            found[suite.name] = as_policy(loaded, _referring(imported, references.get(name)))
            continue
        if pair not in current:
            raise ComparabilityError(
                f"{name!r} was not measured in suite {suite.name!r} (store {str(loaded.store)!r}). "
                f"Run: sftgate measure {loaded.file}"
            )
        measured = store.read(current[pair])
        if measured.run.declared != declared_hash(_as_trained(config, name, measured.run.candidate), pair):
            raise ComparabilityError(
                f"{name!r} was measured last in suite {suite.name!r} otherwise than {loaded.file} says now: it "
                "has changed since then, or was measured with other flags, or by another version of sftgate. "
                f"Run: sftgate measure {loaded.file} (what was answered before comes from the journal)"
            )
        refuse_other_contents(measured.run, now, f"Run: sftgate measure {loaded.file}")
        refuse_other_sources(
            loaded, measured.run, f"Run: sftgate run {loaded.file} (what was answered before comes from the journal)"
        )
        _refuse_other_looks(loaded, measured.run)
        found[suite.name] = as_policy(loaded, measured)
    return found


def _as_trained(config: Config, name: str, measured: Candidate) -> Config:
    """The config, with the weights or the adapter that were measured where it means the folder of their training and that was not
    copied here: what was trained in it says ``candidate.json``, which lies there too."""
    named = config.candidate(name)
    place, trained = named.adapter or named.model, Path(measured.adapter or measured.model)
    if not place or Path(place).expanduser().exists() or tail(place) != tail(str(trained.parent)):
        return config
    known = msgspec.structs.replace(named, model=measured.model, adapter=measured.adapter, revision=measured.revision)
    return msgspec.structs.replace(config, candidates=tuple(known if each is named else each for each in config.candidates))


def _refuse_other_looks(loaded: Loaded, run: Run) -> None:
    """A run that was asked in part is concluded from only as the config says that it should be asked."""
    config, looks = loaded.config, run.looks
    if looks is None:
        return
    asked = f"{run.candidate.name!r} was asked only {run.asked:,} of {run.planned:,} items of suite {run.suite!r}"
    then = f"Run: sftgate measure {loaded.file} (what was answered before comes from the journal)"
    settings = config.sequential
    if settings is None or (settings.suites and run.suite not in settings.suites):
        raise ComparabilityError(f"{asked}, and {loaded.file} says now that it is to be asked in full. {then}")
    if run.candidate.name == config.baseline:
        raise ComparabilityError(f"{asked}, and {loaded.file} says now that it is the baseline, which is asked in full. {then}")
    if msgspec.to_builtins(settings) != msgspec.to_builtins(looks.settings):
        raise ComparabilityError(f"{asked}, with other looks than [sequential] of {loaded.file} says now. {then}")


def _referring(measured: Measured, reference: str | None) -> Measured:
    """An import knows no config: what forgetting is measured against is what the config says now."""
    return msgspec.structs.replace(measured, run=msgspec.structs.replace(measured.run, reference=reference))


def as_policy(loaded: Loaded, measured: Measured) -> Measured:
    """What is retained, what is expected, how far scores can go and what tokens cost may change without asking again: the config's
    word counts, not the run's. ConfigError for a score outside of a declared range."""
    suite = loaded.config.suite(measured.run.suite)
    with located(loaded.file):
        measured = ranged(loaded, measured)
        measured = by_length(measured, loaded.config.prompt_lengths)
    run = msgspec.structs.replace(measured.run, retained=suite.retained, expect=bands(suite.expect, measured.run.primary))
    for declared in loaded.config.candidates:
        if declared.name == run.candidate.name:
            run = msgspec.structs.replace(run, candidate=msgspec.structs.replace(run.candidate, price=declared.price))
    with located(loaded.file):
        return spent_by_item(loaded, msgspec.structs.replace(measured, run=run))


def policy_of(loaded: Loaded, measured: dict[Pair, Measured]) -> Policy:
    """The gate's policy, as the config and the files that it names state it."""
    config = loaded.config
    references = {pair[1]: each.run.reference for pair, each in measured.items() if each.run.reference and pair[0] != HUMAN}
    return Policy(
        baseline=config.baseline,
        references=references,
        rules=tuple(Rule(**{key: getattr(rule, key) for key in Rule.__struct_fields__}) for rule in config.rules),
        max_errors=config.limits.max_errors,
        max_contaminated=config.limits.max_contaminated,
        allow=config.comparability.allow,
        seed=config.seed,
        bad_answers=config.bad_answers,
        quarantine=tuple(
            Quarantined(**{key: getattr(entry, key) for key in Quarantined.__struct_fields__}) for entry in config.quarantine
        ),
        contaminated=contaminated(loaded),
        recipes={candidate.name: candidate.recipe for candidate in config.candidates if candidate.recipe},
        chosen={name: chosen_on(training) for name, training in read_training(loaded).items() if training.evaluations},
    )


def digest_of_policy(loaded: Loaded) -> str:
    """A hash of all that the config says about deciding, so that a verdict under other rules is known for one. Not in it are who
    was compared with (the baseline, which becomes another one with every promotion, and references), and where a rule stands."""
    policy = policy_of(loaded, {})
    rules = tuple(msgspec.structs.replace(rule, line=None) for rule in policy.rules)
    suites = [[each.name, each.retained, each.expect, *([each.range] if each.range else [])] for each in loaded.config.suites]
    lengths = [loaded.config.prompt_lengths] if loaded.config.prompt_lengths else []
    spending = [["spending", *names]] if (names := [each.name for each in loaded.config.suites if each.spending]) else []
    return digest([msgspec.structs.replace(policy, baseline="", rules=rules, chosen={}), suites, *lengths, *spending])


def conclude(loaded: Loaded, measured: dict[Pair, Measured], *, command: str = "", alone: bool = False) -> Conclusion:
    """Compare, decide, and say why. ``alone``: also where only the baseline was measured, about which there is no verdict."""
    created = datetime.now(UTC).isoformat(timespec="seconds")
    policy = msgspec.structs.replace(policy_of(loaded, measured), judged=judged_so_far(Store(loaded.store), measured.values()))
    with located(loaded.file):
        found = decide(
            measured,
            policy,
            created=created,
            environment=environment(),
            command=command,
            stages=loaded.config.stages,
            alone=alone,
        )
    pins = {text: pin.day for text, pin in meant_pins(loaded).items()}
    return msgspec.structs.replace(
        found, policy=loaded.file, policy_digest=digest_of_policy(loaded), pins=pins, history=read_history(loaded, measured)
    )
