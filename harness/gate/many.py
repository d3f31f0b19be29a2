"""Several candidates that claim a gain on the same metric: the more of them, the likelier that one looks better by luck.

Claims of one rule about one metric are adjusted over the candidates by max-T: they share the baseline and the items, so that Holm
would pay for tests that are nearly one. Holm stands in, and says why, where the claims have no common resamples. Afterwards comes
Holm over the metrics of each candidate (``harness.gate.findings``). So a false claim is at most ``alpha`` probable on any one
metric whoever makes it, for any one candidate whatever it claims, and over everything where no candidate is better anywhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness import stats
from harness.compare import Pair, comparable
from harness.gate.cases import Case
from harness.gate.measurements import Measurements
from harness.records import Comparison

Array = NDArray[np.float64]

FEW_UNITS = 10
"""Under so many units their signs have too few patterns for the small p-values that a test with a margin can give."""


@dataclass(frozen=True)
class Over:
    """A p-value after looking at several ``candidates``, or as many recipes; ``why`` it was Holm where it was not max-T."""

    p: float
    candidates: int
    method: Literal["max-T", "Holm"]
    why: str = ""
    what: Literal["candidates", "recipes"] = "candidates"


def over_candidates(cases: Mapping[str, Sequence[Case]]) -> dict[str, dict[int, Over]]:
    """Candidate -> place of a case -> its p over all candidates; only for claims that several candidates make.

    ``cases`` are of the same jobs in the same order for every candidate.
    """
    return _adjusted(cases, _over)


def over_recipes(cases: Mapping[str, Sequence[Case]]) -> dict[str, dict[int, Over]]:
    """The same over recipes; with Holm, because their seeds vary each for itself."""
    return _adjusted(cases, _over_recipes)


def _adjusted(cases: Mapping[str, Sequence[Case]], adjust: Callable[[Sequence[Case]], list[Over]]) -> dict[str, dict[int, Over]]:
    found: dict[str, dict[int, Over]] = {name: {} for name in cases}
    for place in range(max((len(listed) for listed in cases.values()), default=0)):
        claims = {name: listed[place] for name, listed in cases.items() if _claims(listed[place])}
        if len(claims) > 1:
            for name, over in zip(claims, adjust(list(claims.values())), strict=True):
                found[name][place] = over
    return found


def _claims(case: Case) -> bool:
    return case.rule.require == "superior" and case.pair is not None


def _over(claims: Sequence[Case]) -> list[Over]:
    p = [case.claim.p for case in claims]
    null, why = None, ""
    if len({case.other for case in claims}) > 1:
        why = "they are compared with different models"
    elif any(case.looked is not None for case in claims):
        why = "their runs were looked at while they were asked"
    else:
        null, why = shared_null([case.pair for case in claims if case.pair is not None], [case.margin for case in claims])
    if null is None:
        return [Over(adjusted, len(p), "Holm", why) for adjusted in stats.holm(p)]
    return [Over(adjusted, len(p), "max-T") for adjusted in stats.step_down(p, null)]


def _over_recipes(claims: Sequence[Case]) -> list[Over]:
    p = [case.claim.p for case in claims]
    why = "training seeds vary each for itself"
    return [Over(adjusted, len(p), "Holm", why, "recipes") for adjusted in stats.holm(p)]


def read_together(comparisons: Sequence[Comparison], measurements: Measurements) -> list[Comparison]:
    """For reading: the two-sided p of all candidates on one metric against the baseline, adjusted by max-T: ``p_max_t``."""
    found = list(comparisons)
    rows: dict[str, list[int]] = defaultdict(list)
    for index, each in enumerate(found):
        if each.baseline == measurements.policy.baseline and each.p is not None:
            rows[each.metric].append(index)
    for metric, members in rows.items():
        pairs = [measurements.pair((metric,), metric, found[index].candidate, found[index].baseline) for index in members]
        whole = [pair for pair in pairs if pair is not None]
        if len(members) < 2 or len(whole) < len(members):
            continue
        null, _ = shared_null(whole, [0.0] * len(whole), two_sided=True)
        if null is None:
            continue
        for index, p in zip(members, stats.step_down([found[index].p or 0.0 for index in members], null), strict=True):
            more = {"p_max_t": p, "candidates": len(members)}
            found[index] = msgspec.structs.replace(found[index], parameters={**found[index].parameters, **more})
    return found


def resample_suites(measurements: Measurements) -> None:
    """Draw the resamples of corpus metrics once for all candidates and metrics of a suite, instead of once for each."""
    baseline, found = measurements.policy.baseline, []
    for metric in sorted(measurements.metrics):
        suite = metric.split("/", 1)[0]
        for name in measurements.candidates:
            if name == baseline or any(measurements.run(suite, side) is None for side in (name, baseline)):
                continue
            if not comparable(measurements.parity(suite, baseline, name)):
                continue
            pair = measurements.pair((metric,), metric, name, baseline)
            if pair is not None and isinstance(pair.evidence, stats.CorpusPairs):
                found.append(pair.evidence)
    stats.resample_together(found)


def shared_null(pairs: Sequence[Pair], margins: Sequence[float], *, two_sided: bool = False) -> tuple[Array | None, str]:
    """Statistics of all pairs under resamples that they share, shape (resamples, pairs); or why they share none."""
    evidence = [pair.evidence for pair in pairs]
    if all(isinstance(each, stats.CorpusPairs) for each in evidence):
        corpora = [each for each in evidence if isinstance(each, stats.CorpusPairs)]
        if any(not np.array_equal(each.clusters, corpora[0].clusters) for each in corpora):
            return None, "they have different documents"
        columns = [each.null(margin) for each, margin in zip(corpora, margins, strict=True)]
        null = np.stack([np.abs(column) if two_sided else column for column in columns], axis=1)
        return null, ""
    if not all(isinstance(each, (stats.BinaryPairs, stats.MeanPairs)) for each in evidence):
        return None, "their methods have no resamples in common"
    centred = _centred(pairs, margins)
    if any(margins) and int((np.abs(centred) > 0).sum(axis=0).min()) < FEW_UNITS:
        return None, f"fewer than {FEW_UNITS} units"
    return stats.flipped(centred, pairs[0].seed, two_sided=two_sided), ""


def _centred(pairs: Sequence[Pair], margins: Sequence[float]) -> Array:
    """Each cluster's summed weighted (gain − margin), shape (clusters, pairs); 0 where a pair does not have the cluster."""
    room = 1 + max(int(pair.baseline.clusters.max()) for pair in pairs)
    return np.stack(
        [
            np.bincount(pair.baseline.clusters, pair.baseline.weights * (pair.differences - margin), room)
            for pair, margin in zip(pairs, margins, strict=True)
        ],
        axis=1,
    )
