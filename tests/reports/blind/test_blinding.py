"""A classifier that sees only the packages cannot tell which side is the candidate's.

Both arms write from one distribution, so nothing in what they say tells them apart; but the candidate writes other line ends,
spaces and unseen signs, as models do. The classifier sees all that a package shows of a row, in every form, and learns from many
packages. (On 76 other draws of 24 packages its p was uniform: mean AUC 0.495, KS p 0.72, two below 0.05.) Two spoilt exports prove
that it would see: one that leaves white space as it is, and one that draws sides badly.
"""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Callable
from functools import reduce
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.records import Measured
from reports.blind import rows
from reports.blind.key import Key, Side
from reports.blind.package import FORMATS
from tests.reports.blind.sides import measured, packed

PACKAGES, FEW, ITEMS, FOLDS, SHUFFLES = 40, 12, 16, 4, 300
WORDS = [
    "the",
    "a",
    "cat",
    "dog",
    "runs",
    "sits",
    "on",
    "under",
    "red",
    "blue",
    "house",
    "tree,",
    "and.",
    "so",
    "not",
    "very",
    "it",
]
LEVEL = 0.01
FILES = ("review.html", "tasks.json", "records.json", "items.jsonl")
Vectors = NDArray[np.float64]


def arms(seed: int) -> tuple[Measured, Measured]:
    draw = random.Random(seed)

    def text() -> str:
        return "\n\n".join(" ".join(draw.choices(WORDS, k=draw.randint(3, 30))) for _ in range(draw.randint(1, 3)))

    old = [text() for _ in range(ITEMS)]
    swaps = (("\n\n", " \r\n\r\n\r\n"), (" red", "\u00a0red"), ("cat", "c\u200bat"))
    new = [reduce(lambda said, swap: said.replace(*swap), swaps, text()) + " \n" for _ in range(ITEMS)]
    return measured(f"prod{seed}", old), measured(f"week{seed}", new)


def shown(text: str) -> list[float]:
    """What an answer's characters are like."""
    counts = [text.count(sign) for sign in ("\n", "\r", " ", "\u00a0", "\u200b", ",", ".", "\n\n\n", " \n")]
    return [len(text), len(text.encode()), len(text.split()), text != text.strip(), *counts, *(text.count(word) for word in WORDS)]


def features(package: Path, key: Key) -> tuple[Vectors, Vectors]:
    """One line per item: how its two answers, its place and its bytes in every file look; and where the candidate stands."""
    files = {path.name: path.read_bytes() for path in package.rglob("*") if path.is_file()}
    with zipfile.ZipFile(io.BytesIO(files["items.xlsx"])) as book:
        files["sheet"] = book.read("xl/worksheets/sheet1.xml")
    data = json.loads(files["review.html"].decode().split('<script type="application/json" id="data">')[1].split("</script>")[0])
    lines = []
    for place, row in enumerate(data["items"]):
        own = [one - other for one, other in zip(shown(row["left"]), shown(row["right"]), strict=True)]
        where = [place, place % 2, place % 3, int(row["id"][1:]) % 5, place < len(data["items"]) / 2]
        name = f'"{row["id"]}"'.encode()
        bytes_ = [files[file].find(name) / len(files[file]) for file in FILES]
        texts = [files["sheet"].find(row[side].encode()[:12]) for side in ("left", "right")]
        lines.append([*own, *where, *bytes_, texts[0] < texts[1], int(key.package[:2], 16) % 2])
    return np.array(lines, dtype=float), np.array([entry.candidate_side == "left" for entry in key.entries], dtype=float)


def predictor(table: Vectors, group: NDArray[np.intp]) -> Callable[[Vectors], Vectors]:
    """Ridge regression, cross-validated over packages: from labels to predictions for lines that it has not seen."""
    table = (table - table.mean(axis=0)) / np.maximum(table.std(axis=0), 1e-9)
    matrix = np.zeros((len(table), len(table)))
    for fold in range(FOLDS):
        out = group % FOLDS == fold
        train = table[~out]
        matrix[np.ix_(out, ~out)] = table[out] @ np.linalg.solve(train.T @ train + 10 * np.eye(train.shape[1]), train.T)
    return lambda labels: matrix @ (labels - 0.5)


def auc(labels: Vectors, scores: Vectors) -> float:
    ranks = scores.argsort().argsort() + 1.0
    positive = labels.sum()
    return float((ranks[labels == 1].sum() - positive * (positive + 1) / 2) / (positive * (len(labels) - positive)))


def guess(folder: Path, packages: int) -> tuple[float, float]:
    """AUC over many packages, and the share of permutations of sides inside packages that give as much."""
    made = [features(*packed(folder, arms(seed), formats=tuple(FORMATS), seed=seed)) for seed in range(packages)]
    table, labels = (np.concatenate(parts) for parts in zip(*made, strict=True))
    group = np.repeat(np.arange(packages), ITEMS)
    predict = predictor(table, group)
    seen = auc(labels, predict(labels))
    generator = np.random.default_rng(0)
    shuffled = [generator.permuted(labels.reshape(packages, ITEMS), axis=1).ravel() for _ in range(SHUFFLES)]
    as_much = sum(auc(other, predict(other)) >= seen for other in shuffled)
    return seen, (1 + as_much) / (1 + SHUFFLES)


def test_a_classifier_that_sees_only_packages_guesses_at_chance(tmp_path: Path) -> None:
    seen, p = guess(tmp_path, PACKAGES)
    assert 0.4 < seen < 0.6
    assert p > LEVEL


def test_it_would_see_white_space_that_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "tidy", lambda text: text)
    seen, p = guess(tmp_path, FEW)
    assert seen > 0.95
    assert p < LEVEL


def test_it_would_see_sides_that_are_not_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def halves(count: int, draw: random.Random) -> list[Side]:
        del draw
        return ["left" if place < count / 2 else "right" for place in range(count)]

    monkeypatch.setattr(rows, "sides", halves)
    seen, p = guess(tmp_path, FEW)
    assert seen > 0.7
    assert p < LEVEL


def test_sides_follow_no_run_of_their_neighbours(tmp_path: Path) -> None:
    """Over all packages as many changes of side from row to row as chance makes: half."""
    changes = [
        one.candidate_side != other.candidate_side
        for seed in range(PACKAGES)
        for one, other in pairwise(packed(tmp_path, arms(seed), seed=seed, formats=("csv",))[1].entries)
    ]
    expected = ITEMS / 2 / (ITEMS - 1)  # balanced sides change a little more often than coins
    assert abs(np.mean(changes) - expected) < 4 * 0.5 / len(changes) ** 0.5
