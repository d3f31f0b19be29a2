"""Nothing in a package tells whose side is whose, in three parts.

What *writes* packages is proved exactly: with arms and sides exchanged, every byte of every file stays, but for the key's digest.
Of the *draw* of sides it is tested that every balanced arrangement is as likely as the next. What answers *look like* is left to a
classifier: both arms say the same kind of things, but the candidate writes other line ends, spaces and unseen signs, as models do.

The seeds were fixed before one of these packages was made, and the limits with them: the 95 % interval of the classifier's AUC
lies inside 0.5 ± 0.05 (chance alone fails this once in 2000, a leak of AUC 0.55 passes it three times in a hundred), and no feature
passes Holm at 0.001, neither with one direction over all packages nor with one of each package's own. If it fails, many more
packages of new seeds decide; the limits stay.
"""

from __future__ import annotations

import csv
import io
import os
import random
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from functools import reduce
from itertools import combinations
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2, chisquare, norm

from harness.records import Measured
from reports.blind import package as packaging
from reports.blind import reviewable, rows
from reports.blind.assigning import Panel
from reports.blind.cleaning import tidy
from reports.blind.form import Form
from reports.blind.key import OTHER, Key, Side, read_key
from reports.blind.package import FORMATS, Plan, export
from reports.blind.parcel import Parcel, parcels
from tests.reports.blind.sides import measured, packed

FIRST_SEED, PACKAGES, FEW, ITEMS, FOLDS, SHUFFLES = 2_000_000, 450, 40, 16, 4, 100
MARGIN, LEVEL = 0.05, 0.001
WORDS = [
    "the", "a", "cat", "dog", "runs", "sits", "on", "under", "red", "blue", "house", "tree,", "and.", "so", "not", "very", "it",
]  # fmt: skip
Table = NDArray[np.float64]


@pytest.fixture(autouse=True)
def in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """These packages need not outlive a power cut, and there are many."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def arms(seed: int, swaps: tuple[tuple[str, str], ...]) -> tuple[Measured, Measured]:
    """Both arms draw from one distribution; the candidate then writes as ``swaps`` say."""
    draw = random.Random(seed)

    def text() -> str:
        return "\n\n".join(" ".join(draw.choices(WORDS, k=draw.randint(3, 30))) for _ in range(draw.randint(1, 3)))

    old = [text() for _ in range(ITEMS)]
    new = [reduce(lambda said, swap: said.replace(*swap), swaps, text()) for _ in range(ITEMS)]
    return measured(f"prod{seed}", old), measured(f"week{seed}", new)


HABITS = (
    ("\n\n", " \u3000\r\n\r\n\r\n"),
    (" red", "\u00a0red"),
    ("cat", "c\u200bat"),
    ("so", "\u2060so"),
    ("not", "n\U000e0041ot"),
)
"""Of the candidate; what is left of them would tell it: line ends, spaces and signs that nobody sees."""


# ------------------------------------------------------------------------------------------ what writes packages: exactly

PLANS = {
    "all that is asked": {
        "form": Form(strength=True, reasons=("clear",), criteria=("style",), language="zh", guidance="Be fair."),
        "checks": 3, "duplicates": 4, "formats": tuple(FORMATS),
    },
    "several raters": {
        "panel": Panel(raters=("ana", "bo"), shared=2), "duplicates": 3, "formats": ("html", "csv", "xlsx"), "leaks": "mask",
    },
    "packages of their own": {"panel": Panel(raters=("ana", "bo"), separate=True), "checks": 2, "formats": tuple(FORMATS)},
}  # fmt: skip


def content(folder: Path, sides: tuple[Measured, Measured], plan: dict[str, Any]) -> dict[str, bytes]:
    """File -> bytes of all packages; the key's digest, the package's name and the files' digests blotted out."""
    path = export(*sides, folder=folder, plan=Plan(**plan))
    key = read_key(path)
    found = {}
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file != path:
            text = file.read_bytes()
            if file.name == "manifest.json":
                files = msgspec.json.decode(text)["files"]
                text = reduce(lambda said, name: said.replace(files[name].encode(), b"digest of a file"), files, text)
            if file.suffix == ".xlsx":
                text = unpacked(text)
            for known in (key.commitment, key.package):
                text = text.replace(known.encode(), b"x" * len(known))
            found[str(file.relative_to(folder)).replace(key.package, "")] = text
    return found


def unpacked(book: bytes) -> bytes:
    """A workbook's members with all that an archive says of them; not how small they became, as the name in them differs."""
    with zipfile.ZipFile(io.BytesIO(book)) as archive:
        return b"\n".join(
            f"{member.filename} {member.date_time} {member.file_size} {member.create_system} {member.comment!r}\n".encode()
            + archive.read(member)
            for member in archive.infolist()
        )


def exchanged(sides: tuple[Measured, Measured]) -> tuple[Measured, Measured]:
    """The other way round: who is baseline has the candidate's name and answers. The runs' digests, which seed the draw, stay."""
    one, other = sides
    return tuple(  # type: ignore[return-value]
        Measured(run=msgspec.structs.replace(theirs.run, graded=own.run.graded), samples=theirs.samples)
        for own, theirs in ((one, other), (other, one))
    )


def mirror(folder: Path, monkeypatch: pytest.MonkeyPatch, plan: dict[str, Any]) -> list[dict[str, bytes]]:
    """A review's files; and those with arms and sides exchanged."""
    sides = arms(1, HABITS)
    first = content(folder / "one", sides, plan)
    straight = rows.sides

    def turned(count: int, draw: random.Random) -> list[Side]:
        drawn = straight(count, draw)
        return [OTHER[side] for side in drawn] if count == ITEMS else drawn  # checks belong to no arm

    monkeypatch.setattr(rows, "sides", turned)
    return [first, content(folder / "other", exchanged(sides), plan)]


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_no_byte_of_a_package_depends_on_whose_side_is_whose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plan: dict[str, Any]
) -> None:
    one, other = mirror(tmp_path, monkeypatch, plan)
    assert one.keys() == other.keys()
    assert [name for name in one if one[name] != other[name]] == []


def test_rows_in_the_order_of_their_sides_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def sorted_by_side(key: Key, formats: Sequence[str]) -> list[Parcel]:
        ordered = sorted(key.entries, key=lambda entry: entry.candidate_side or "")
        return parcels(msgspec.structs.replace(key, entries=tuple(ordered)), formats)

    monkeypatch.setattr(packaging, "parcels", sorted_by_side)
    one, other = mirror(tmp_path, monkeypatch, PLANS["all that is asked"])
    assert one["package-/items.csv"] != other["package-/items.csv"]


# ------------------------------------------------------------------------------------------------------- the draw of sides


def test_every_balanced_arrangement_of_sides_is_as_likely_as_the_next() -> None:
    """With as many left as right, or one more of either; over 4000 draws for each length. Bonferroni over the lengths."""
    lengths = (1, 2, 3, 4, 5, 6)
    for count in lengths:
        halves = {count // 2, count - count // 2}
        possible = {chosen for half in halves for chosen in combinations(range(count), half)}
        draws = (rows.sides(count, random.Random(f"{count} {seed}")) for seed in range(4000))
        seen = Counter(tuple(place for place, side in enumerate(drawn) if side == "left") for drawn in draws)
        assert seen.keys() == possible
        assert chisquare([seen[chosen] for chosen in possible]).pvalue > LEVEL / len(lengths)


# ------------------------------------------------------------------------------------------- what answers look like, and where


def shown(text: str) -> list[float]:
    """What an answer's characters are like."""
    signs = ("\n", "\r", " ", "\u00a0", "\u200b", "\u2060", "\u3000", ",", ".", "'", "\n\n\n", " \n")
    counts = [text.count(sign) for sign in signs]
    return [len(text), len(text.encode()), len(text.split()), text != text.strip(), *counts, *(text.count(word) for word in WORDS)]


def features(package: Path, key: Key) -> tuple[Table, Table]:
    """One line per item of a package's sheet: how its answers look, where it and what is planted stand; and its side, 1 or 0."""
    lines = list(csv.DictReader(io.StringIO((package / "items.csv").read_text(encoding="utf-8-sig"), newline="")))
    asked = [line["question"] for line in lines]
    table, labels = [], []
    before = [0.0] * len(shown(""))
    for place, (line, entry) in enumerate(zip(lines, key.entries, strict=True)):
        own = [one - other for one, other in zip(shown(line["answer_1"]), shown(line["answer_2"]), strict=True)]
        twins = [other for other, question in enumerate(asked) if question == line["question"] and other != place]
        number = "".join(sign for sign in line["question"] if sign.isdigit()) or "0"
        where = [place, place % 2, place % 3, int(line["review_id"][1:]) % 5, place < len(lines) / 2, place == 0]
        near = [len(twins), twins[0] - place if twins else 0, int(number), int(number) % 2, before[0], before[2]]
        named = [int(sign, 16) for sign in key.package[:2]]
        if entry.kind == "item":
            table.append([*own, *where, *near, *(place * digit % 2 for digit in named)])
            labels.append(entry.candidate_side == "left")
        before = own
    return np.array(table, dtype=float), np.array(labels, dtype=float)


def many(folder: Path, packages: int, swaps: tuple[tuple[str, str], ...] = HABITS) -> tuple[Table, Table]:
    """Packages x items x features, and packages x items."""
    seeds = range(FIRST_SEED, FIRST_SEED + packages)
    made = [
        features(*packed(folder / str(seed), arms(seed, swaps), formats=("csv",), seed=seed, checks=2, duplicates=3))
        for seed in seeds
    ]
    tables, labels = zip(*made, strict=True)
    return np.array(tables), np.array(labels)


def auc_interval(tables: Table, labels: Table) -> tuple[float, float]:
    """The 95 % interval of the AUC of a ridge regression, cross-validated over packages.

    Its width is that of the AUCs when sides are shuffled inside packages: a third more than of independent lines, as all lines of a
    fold are judged by one regression.
    """
    generator = np.random.default_rng(0)
    shuffled = [generator.permuted(labels, axis=1) for _ in range(SHUFFLES)]
    wanted = np.stack([labels, *shuffled], axis=2).reshape(-1, 1 + SHUFFLES) - 0.5
    table = tables.reshape(-1, tables.shape[2])
    table = (table - table.mean(axis=0)) / np.maximum(table.std(axis=0), 1e-9)
    fold = np.repeat(np.arange(len(tables)) % FOLDS, tables.shape[1])
    said = np.zeros(wanted.shape)
    for number in range(FOLDS):
        train = table[fold != number]
        weights = np.linalg.solve(train.T @ train + 10 * np.eye(train.shape[1]), train.T @ wanted[fold != number])
        said[fold == number] = table[fold == number] @ weights
    ranks = said.argsort(axis=0).argsort(axis=0) + 1.0
    positive = (wanted[:, 0] > 0).sum()
    sums = np.where(wanted > 0, ranks, 0).sum(axis=0) - positive * (positive + 1) / 2
    areas = sums / (positive * (len(said) - positive))
    half = 1.96 * areas[1:].std()
    return float(areas[0] - half), float(areas[0] + half)


def least_p(tables: Table, labels: Table) -> float:
    """Holm's least adjusted p over all features: of their sum over packages, and of how far each package's own lies from 0.

    Both from the mean and the variance that shuffling sides inside packages gives.
    """
    centred, side = tables - tables.mean(axis=1, keepdims=True), labels - labels.mean(axis=1, keepdims=True)
    sums = (centred * side[:, :, None]).sum(axis=1)
    spread = (centred**2).sum(axis=1) * (side**2).sum(axis=1)[:, None] / (tables.shape[1] - 1)
    told = spread > 1e-9
    over_all = 2 * norm.sf(np.abs(sums.sum(axis=0)) / np.sqrt(np.maximum(spread.sum(axis=0), 1e-9)))
    of_each = chi2.sf((np.where(told, sums, 0) ** 2 / np.where(told, spread, 1)).sum(axis=0), np.maximum(told.sum(axis=0), 1))
    known = told.any(axis=0)
    every = np.concatenate([over_all[known], of_each[known]])
    return float(every.min() * len(every))


def test_a_classifier_that_sees_only_packages_guesses_at_chance(tmp_path: Path) -> None:
    tables, labels = many(tmp_path, PACKAGES)
    low, high = auc_interval(tables, labels)
    assert 0.5 - MARGIN < low < high < 0.5 + MARGIN
    assert least_p(tables, labels) > LEVEL


def leave_white_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reviewable, "tidy", lambda text: text)


def leave_one_space(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full-width space at the end of one answer in three."""
    monkeypatch.setattr(reviewable, "tidy", lambda text: tidy(text) + "\u3000" * ("\u3000" in text and len(text) % 3 == 0))


def draw_sides_in_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "sides", lambda count, draw: ["left" if place < count / 2 else "right" for place in range(count)])


@pytest.mark.parametrize("spoil", [leave_white_space, leave_one_space, draw_sides_in_halves])
def test_it_would_see_what_betrays_the_candidate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[pytest.MonkeyPatch], None]
) -> None:
    spoil(monkeypatch)
    tables, labels = many(tmp_path, FEW)
    low, _ = auc_interval(tables, labels)
    assert low > 0.5 + MARGIN
    assert least_p(tables, labels) < LEVEL


def test_it_would_see_what_only_parts_the_answers_into_two_heaps(tmp_path: Path) -> None:
    """A sign that one arm has in some packages and the other arm in the others: no side is named, but both are told apart."""
    tables, labels = many(tmp_path, FEW)
    arm = np.where(np.arange(FEW) % 2 == 0, 1, -1)[:, None]
    heaps = np.where(labels == 1, 1, -1) * arm
    assert least_p(np.concatenate([tables, heaps[:, :, None]], axis=2), labels) < LEVEL
