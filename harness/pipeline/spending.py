"""What answers cost, item by item, as metrics: for suites with ``spending = true``, paired and gated like any other.

Like the ranges it belongs to the policy: runs keep the tokens of every item, and the metrics are made of them when runs are read,
with the prices that the config names then. Nothing is asked again.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from harness.config import Loaded
from harness.errors import ConfigError
from harness.records import Measured, Metric, Price, Sample

COST = "cost"
_THOUSAND = 1_000
TOKENS: Mapping[str, Metric] = {
    "tokens_in": Metric(kind="real", direction="lower", unit="tokens"),
    "tokens_out": Metric(kind="real", direction="lower", unit="tokens"),
}
MONEY = Metric(kind="real", direction="lower", unit="per 1,000 items")


def with_spending(loaded: Loaded, suite: str, metrics: Mapping[str, Metric]) -> dict[str, Metric]:
    """How a suite's metrics are read, with those of tokens, and of money where every candidate has a price. A metric of the suite's
    own keeps its name. ConfigError where the suite has a metric of that name with another meaning."""
    entry = loaded.config.suite(suite)
    if not entry.spending:
        return dict(metrics)
    where = f"suites[{[each.name for each in loaded.config.suites].index(suite)}].spending"
    if COST in metrics:
        raise ConfigError(f"the suite has a metric {COST!r} of its own. Leave it out", where=where, file=loaded.file)
    money = {COST: MONEY} if all(candidate.price is not None for candidate in loaded.config.candidates) else {}
    return {**TOKENS, **money, **metrics}


def spent_by_item(loaded: Loaded, measured: Measured) -> Measured:
    """A run of a suite of the config with its tokens, and what they are worth, among its scores."""
    run = measured.run
    metrics = with_spending(loaded, run.suite, run.metrics)
    if metrics == run.metrics:
        return measured
    found = tuple(_spent(sample, run.candidate.price if COST in metrics else None) for sample in measured.samples)
    return msgspec.structs.replace(measured, run=msgspec.structs.replace(run, metrics=metrics), samples=found)


def _spent(sample: Sample, price: Price | None) -> Sample:
    """The suite's own numbers of tokens stay as they are. Answers whose tokens nobody counted (recorded ones) have none."""
    if sample.scores is None or sample.tokens is None or not any(sample.tokens):
        return sample
    read, written = sample.tokens
    worth = {"tokens_in": float(read), "tokens_out": float(written)}
    if price is not None:
        worth[COST] = _THOUSAND * (read * price.input + written * price.output) / 1e6
    return msgspec.structs.replace(sample, scores={**worth, **sample.scores})
