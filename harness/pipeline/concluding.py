"""Read the selected runs and decide. Pure but for reading: no model, no network, works on a laptop from copied files."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from harness.checkpoints import source
from harness.config import Config, Loaded
from harness.environment import environment
from harness.errors import ComparabilityError
from harness.fingerprint import adapter_digest, weights_digest
from harness.gate import Policy
from harness.gate import conclude as decide
from harness.pipeline.measuring import bands
from harness.pipeline.preparing import HUMAN, Pair, declared_hash
from harness.records import Candidate, Conclusion, Fingerprints, Measured, Rule, Run
from harness.store import Store


def read_measured(loaded: Loaded) -> dict[Pair, Measured]:
    """The selected runs of every (suite, candidate) of the config, and the people's votes where there are any.

    ComparabilityError where a pair was never measured, or was measured under another declaration than the config's.
    """
    config, store = loaded.config, Store(loaded.store)
    current = store.current()
    now = {candidate.name: _contents(config.candidate(candidate.name)) for candidate in config.candidates}
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
            _refuse_other_contents(found.run, now[candidate.name], loaded.file)
            run = msgspec.structs.replace(found.run, retained=suite.retained, expect=bands(suite.expect, found.run.primary))
            measured[pair] = msgspec.structs.replace(found, run=run)
    for pair, path in current.items():
        if pair[0] == HUMAN and pair[1] in {candidate.name for candidate in config.candidates}:
            votes = store.read(path)
            answered = measured[(config.suites[0].name, pair[1])].run.fingerprints
            if _who(votes.run.fingerprints) == _who(answered):
                measured[pair] = votes  # votes about other weights say nothing about these
    return measured


def _contents(candidate: Candidate) -> tuple[str | None, str | None]:
    """Hashes of the weights and adapter as they lie here now; None for what is not on this machine."""
    if source(candidate) != "weights":
        return None, None
    model, adapter = Path(candidate.model), Path(candidate.adapter or "")
    return (
        weights_digest(model) if (model / "config.json").is_file() else None,
        adapter_digest(adapter) if candidate.adapter and (adapter / "adapter_config.json").is_file() else None,
    )


def _refuse_other_contents(run: Run, now: tuple[str | None, str | None], file: str) -> None:
    """A checkpoint that was trained again at the same path must not ship on the answers of its predecessor."""
    before = (run.fingerprints.weights, run.fingerprints.adapter)
    for what, old, new in zip(("weights", "adapter"), before, now, strict=True):
        if old is not None and new is not None and old != new:
            raise ComparabilityError(
                f"the {what} of {run.candidate.name!r} changed since suite {run.suite!r} was measured. Run: sftgate measure {file}"
            )


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
