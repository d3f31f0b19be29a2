"""Read the selected runs and decide. Pure but for reading: no model, no network, works on a laptop from copied files."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from harness.config import Config, Loaded
from harness.environment import environment
from harness.errors import ComparabilityError
from harness.gate import Policy
from harness.gate import conclude as decide
from harness.pipeline.measuring import bands
from harness.pipeline.preparing import HUMAN, Pair, declared_hash
from harness.records import Conclusion, Fingerprints, Measured, Rule
from harness.store import Store


def read_measured(loaded: Loaded) -> dict[Pair, Measured]:
    """The selected runs of every (suite, candidate) of the config, and the people's votes where there are any.

    ComparabilityError where a pair was never measured, or was measured under another declaration than the config's.
    """
    config, store = loaded.config, Store(loaded.store)
    current = store.current()
    measured: dict[Pair, Measured] = {}
    for suite in config.suites:
        for candidate in config.candidates:
            pair = (suite.name, candidate.name)
            if pair not in current:
                raise ComparabilityError(
                    f"{candidate.name!r} was not measured in suite {suite.name!r} (store {str(loaded.store)!r}). "
                    f"Run: sftgate measure {loaded.file}"
                )
            found = store.read(current[pair])
            if found.run.declared != declared_hash(config, pair):
                raise ComparabilityError(
                    f"{candidate.name!r} was measured last in suite {suite.name!r} otherwise than {loaded.file} says now: it "
                    "has changed since then, or was measured with other flags, or by another version of sftgate. "
                    f"Run: sftgate measure {loaded.file} (what was answered before comes from the journal)"
                )
            run = msgspec.structs.replace(found.run, retained=suite.retained, expect=bands(suite.expect, found.run.primary))
            measured[pair] = msgspec.structs.replace(found, run=run)
    for pair, path in current.items():
        if pair[0] == HUMAN and pair[1] in {candidate.name for candidate in config.candidates}:
            votes = store.read(path)
            now = measured[(config.suites[0].name, pair[1])].run.fingerprints
            if _who(votes.run.fingerprints) == _who(now):
                measured[pair] = votes  # votes about other weights say nothing about these
    return measured


def _who(prints: Fingerprints) -> tuple[str | None, ...]:
    """Whose answers these are: weights and adapter, or for what has none (recorded answers, an endpoint) all that was asked."""
    return (prints.asked,) if prints.weights is None else (prints.weights, prints.adapter)


def policy_of(config: Config, measured: dict[Pair, Measured]) -> Policy:
    """The gate's policy, as the config states it."""
    references = {pair[1]: each.run.reference for pair, each in measured.items() if each.run.reference and pair[0] != HUMAN}
    return Policy(
        baseline=config.baseline,
        references=references,
        rules=tuple(Rule(**{key: getattr(rule, key) for key in Rule.__struct_fields__}) for rule in config.rules),
        max_errors=config.limits.max_errors,
        allow=config.comparability.allow,
        seed=config.seed,
        bad_answers=config.bad_answers,
    )


def conclude(loaded: Loaded, measured: dict[Pair, Measured], *, command: str = "") -> Conclusion:
    """Compare, decide, and say why."""
    created = datetime.now(UTC).isoformat(timespec="seconds")
    return decide(measured, policy_of(loaded.config, measured), created=created, environment=environment(), command=command)
