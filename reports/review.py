"""Blind review: a package of paired answers for people, and their votes back as the metric ``human/win``.

``export`` writes ``package-<id>/`` for the raters and, beside it, ``key-<id>.json`` for nobody but whoever imports. Nothing in
the package says which answer is whose: sides are drawn by the seed together with both runs' fingerprints (which raters do not
have), ids are counters, items are shuffled, and white space at the ends, which may tell a model apart, is cut off.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from harness.errors import ComparabilityError, UsageError
from harness.fingerprint import digest
from harness.records import Measured, Sample
from harness.store import atomic_write
from reports.review_key import NAME_DIGITS, Key, KeyEntry, Manifest, Side, key_path, package_path, read_key
from reports.review_page import CHOICES, instructions, page, spreadsheet
from reports.review_votes import Tally, Vote, read_votes, tally, to_measured

_ENDS = re.compile(r"\A[\s\x00]+|[\s\x00]+\Z")

__all__ = ["Key", "Tally", "Vote", "export", "key_path", "package_path", "read_key", "read_votes", "tally", "to_measured"]


def export(
    baseline: Measured, candidate: Measured, *, folder: Path, items: int | None = None, seed: int = 0, guidance: str = ""
) -> Path:
    """Write a blind package into ``folder`` and return its path; its key lies at ``key_path(package)``.

    Where a suite drew several answers per item, the first is shown. ``items``: how many to draw at random from those that both
    sides answered, differently; None for all. Equal answers are left out and counted in the key, so ``human/win`` speaks of the
    items on which the sides differ. ``guidance``: what raters should go by. The same runs, seed and number give the same
    package. Raises UsageError where nothing can be reviewed, ComparabilityError where the two sides were not asked the same.
    """
    if baseline.run.suite != candidate.run.suite:
        raise UsageError(f"a review compares answers to one suite, not {baseline.run.suite!r} with {candidate.run.suite!r}")
    if items is not None and items < 1:
        raise UsageError(f"a review needs at least one item, found {items}")
    pairs, identical, unanswered = _reviewable(baseline, candidate)
    if not pairs:
        raise UsageError(
            f"nothing to review in suite {baseline.run.suite!r}: of {identical + unanswered} items, {identical} were answered "
            f"in the same words by {baseline.run.candidate.name!r} and {candidate.run.candidate.name!r}, and {unanswered} have no "
            "answer on one side"
        )
    draw = random.Random(int(digest([seed, baseline.run.graded, candidate.run.graded]), 16))
    draw.shuffle(pairs)
    pairs = pairs[:items]
    key = Key(
        suite=baseline.run.suite,
        seed=seed,
        baseline=baseline.run,
        candidate=candidate.run,
        entries=_entries(pairs, draw),
        identical=identical,
        unanswered=unanswered,
    )
    return _write(msgspec.structs.replace(key, package=key.commitment[:NAME_DIGITS]), folder, guidance)


def _reviewable(baseline: Measured, candidate: Measured) -> tuple[list[tuple[Sample, Sample]], int, int]:
    """Pairs of samples that differ, in a fixed order; how many are the same; how many lack an answer."""
    others = {(sample.task, sample.key): sample for sample in candidate.samples}
    shared = [(sample, others[place]) for sample in baseline.samples if (place := (sample.task, sample.key)) in others]
    answered = [pair for pair in shared if all(sample.error is None and sample.outputs for sample in pair)]
    unlike = sum(own.prompt_hash != other.prompt_hash for own, other in answered)
    if unlike:
        raise ComparabilityError(
            f"{unlike} of {len(answered)} items were not asked the same of {baseline.run.candidate.name!r} and "
            f"{candidate.run.candidate.name!r} (messages or decoding differ), so their answers cannot be compared; measure both "
            "again"
        )
    pairs = [pair for pair in answered if tidy(pair[0].outputs[0]) != tidy(pair[1].outputs[0])]
    total = len({(sample.task, sample.key) for sample in (*baseline.samples, *candidate.samples)})
    pairs.sort(key=lambda pair: (pair[0].task, pair[0].key))
    return pairs, len(answered) - len(pairs), total - len(answered)


def tidy(text: str) -> str:
    """Without what may give a model away at no gain: line ends of other systems, white space and NUL at the ends."""
    return _ENDS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def _entries(pairs: Iterable[tuple[Sample, Sample]], draw: random.Random) -> tuple[KeyEntry, ...]:
    chosen = list(pairs)
    sides: list[Side] = ["left" if index % 2 else "right" for index in range(len(chosen))]
    if draw.random() < 0.5:
        sides = ["right" if side == "left" else "left" for side in sides]
    draw.shuffle(sides)
    keys = [own.key for own, _ in chosen]
    unique = len(set(keys)) == len(keys)
    width = max(3, len(str(len(chosen))))
    return tuple(
        KeyEntry(
            review_id=f"r{number:0{width}d}",
            item=own.key if unique else f"{own.task}/{own.key}",
            candidate_side=side,
            question=tidy(own.prompt),
            baseline_text=tidy(own.outputs[0]),
            candidate_text=tidy(other.outputs[0]),
            cluster=own.cluster,
            slices=own.slices,
            weight=own.weight,
            baseline_prompt_hash=own.prompt_hash,
            candidate_prompt_hash=other.prompt_hash,
        )
        for number, ((own, other), side) in enumerate(zip(chosen, sides, strict=True), start=1)
    )


def _write(key: Key, folder: Path, guidance: str) -> Path:
    items = [_shown(entry) for entry in key.entries]
    key_file = folder / f"key-{key.package}.json"
    package = package_path(key_file, key.package)
    files = {
        "review.html": page(key.package, key.commitment, items, guidance=guidance),
        "items.csv": spreadsheet(key.package, items),
        "INSTRUCTIONS.md": instructions(key.package, len(items), guidance),
    }
    contents = {name: text.encode("utf-8", "replace") for name, text in files.items()}
    manifest = Manifest(
        package=key.package,
        items=len(items),
        commitment=key.commitment,
        choices=CHOICES,
        files={name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
    )
    for name, content in contents.items():
        atomic_write(package / name, content)
    atomic_write(package / "manifest.json", msgspec.json.format(msgspec.json.encode(manifest), indent=1))
    atomic_write(key_file, msgspec.json.format(msgspec.json.encode(key), indent=1))
    return package


def _shown(entry: KeyEntry) -> dict[str, str]:
    """What a rater sees of an item."""
    left, right = entry.baseline_text, entry.candidate_text
    if entry.candidate_side == "left":
        left, right = right, left
    return {"id": entry.review_id, "question": entry.question, "left": left, "right": right}
