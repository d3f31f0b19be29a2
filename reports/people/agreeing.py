"""Whether raters say the same of the same items: every coefficient that is asked for, in terms of the arms."""

from __future__ import annotations

import numpy as np

from harness.records import Agreed, Share
from harness.stats import MISSING, Agreement, Ratings, cohen_kappa, fleiss_kappa, gwet_ac, krippendorff_alpha, raw_agreement
from harness.stats.paired import Codes
from reports.people.arms import RANKED, Panel


def agreement(panel: Panel, level: float) -> tuple[Agreed, ...]:
    """Raw, Cohen (of two raters), Fleiss and Gwet take the labels as they are; Krippendorff's alpha, and Gwet's with weights, take
    them as a scale on which two bad answers are a tie."""
    if not panel.votes:
        return ()
    said = panel.labels
    plain = _ratings(panel, [panel.menu.index(name) for name in said], len(panel.menu))
    scale = sorted({RANKED[name] for name in panel.menu})
    ranked = _ratings(panel, [scale.index(RANKED[name]) for name in said], len(scale), scale)
    found = [raw_agreement(plain, level)]
    if plain.raters == 2:
        found.append(cohen_kappa(plain, level=level))
    found += [
        fleiss_kappa(plain, level),
        gwet_ac(plain, level=level),
        krippendorff_alpha(ranked, "ordinal", level),
        gwet_ac(ranked, "quadratic", level),
    ]
    return tuple(_told(each) for each in found)


def _ratings(panel: Panel, given: list[int], labels: int, scale: list[int] | None = None) -> Ratings:
    codes = np.full((int(panel.items.max()) + 1, len(panel.names)), MISSING, dtype=np.intp)
    codes[panel.items, panel.raters] = given
    voted = (codes >= 0).any(axis=0)
    values = np.zeros(0) if scale is None else np.asarray(scale, dtype=float)
    return Ratings(codes[:, voted], labels, values, _clusters(panel))


def _clusters(panel: Panel) -> Codes:
    """Of each item."""
    place: dict[str, int] = {}
    codes = np.zeros(int(panel.items.max()) + 1, dtype=np.intp)
    for number, entry in zip(panel.items.tolist(), panel.entries, strict=True):
        name = f"cluster {entry.cluster}" if entry.cluster is not None else f"item {entry.review_id}"
        codes[number] = place.setdefault(name, len(place))
    return codes


def _told(found: Agreement) -> Agreed:
    ends = found.interval
    return Agreed(
        name=found.name,
        value=found.value,
        low=ends.low,
        high=ends.high,
        items=found.items,
        because=found.because,
        note="" if found.because else ends.note,
    )


def share_of(found: Agreement) -> Share:
    """Self-agreement as a share with its interval."""
    ends = found.interval
    return Share(
        value=found.value, low=ends.low, high=ends.high, count=found.items, method=ends.method, note=found.because or ends.note
    )
