"""The key of a blind review: which side is whose, how items were drawn, who was given what. It stays outside the package, and the
package commits to it.

A package is named by the first digits of its key's digest, and its manifest and page carry the whole digest. So a key that is
changed after the votes came in no longer fits its own package, and a package made for another key cannot be passed off for this
one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from harness.errors import UsageError
from harness.fingerprint import digest
from harness.records import Record, Run
from reports.blind.form import Choice, Form

REVIEW_FORMAT = 2
"""Of keys, manifests and files of votes."""

Side = Literal["left", "right"]
Kind = Literal["item", "duplicate", "attention"]
OTHER: dict[Side, Side] = {"left": "right", "right": "left"}
NAME_DIGITS = 12
PICKED = "picked by hand"
"""The only stratum of a review whose items nobody drew."""
T = TypeVar("T")


class KeyEntry(Record, frozen=True, kw_only=True):
    """One row of the review: what a rater sees, and what is needed when votes on it come back.

    ``kind``: an ``item``; a planted ``duplicate`` of one, with its sides exchanged; or a planted ``attention`` check, whose better
    answer is obvious and which belongs to no arm. ``item``: the sample's key, or the check's name. ``left`` and ``right``: the
    answers as shown. ``candidate_side``: where the candidate's stands, None for a check. ``expected``: the better side of a check,
    None for the rest. ``twin``: of a duplicate, the row that it repeats.
    ``stratum`` and ``probability``: where the item was drawn from, and how likely it was to be drawn. ``disputed``: why it was
    more likely than others. ``leaks``: what in the answers may name an arm.
    ``raters``: who was given the row; empty: everybody.
    """

    review_id: str
    kind: Kind = "item"
    item: str
    question: str
    left: str
    right: str
    candidate_side: Side | None = None
    expected: Side | None = None
    twin: str | None = None
    cluster: str | None = None
    slices: dict[str, str] = {}
    weight: float = 1.0
    stratum: str = ""
    probability: float = 1.0
    disputed: tuple[str, ...] = ()
    leaks: tuple[str, ...] = ()
    raters: tuple[str, ...] = ()
    baseline_prompt_hash: str = ""
    candidate_prompt_hash: str = ""

    @property
    def candidate_text(self) -> str:
        """The candidate's answer, as shown; of a check, the better one."""
        return self.left if (self.candidate_side or self.expected) == "left" else self.right

    @property
    def baseline_text(self) -> str:
        """The baseline's answer, as shown; of a check, the worse one."""
        return self.right if (self.candidate_side or self.expected) == "left" else self.left


class Stratum(Record, frozen=True, kw_only=True):
    """Items drawn at random, each as likely as the others: ``drawn`` of ``size``."""

    size: int
    drawn: int


class Key(Record, frozen=True, kw_only=True):
    """The content of ``key-<package>.json``.

    ``entries`` stand in the order in which raters see them. ``strata``: all that could have been drawn, by stratum, and ``frame``
    its items by name, drawn or not: what votes of two packages stand for depends on what either might have drawn.
    ``raters``: who was asked, where it was said beforehand; then every entry names its own. ``separate``: one package per rater.
    ``identical``, ``unanswered`` and ``leaking`` count items that were left out of the review.
    """

    format: int = REVIEW_FORMAT
    package: str = ""
    suite: str
    seed: int
    baseline: Run
    candidate: Run
    form: Form = Form()
    entries: tuple[KeyEntry, ...]
    strata: dict[str, Stratum] = {}
    frame: dict[str, tuple[str, ...]] = {}
    raters: tuple[str, ...] = ()
    separate: bool = False
    identical: int = 0
    unanswered: int = 0
    leaking: int = 0

    @property
    def commitment(self) -> str:
        """Digest of everything in the key but the package's name, which is its beginning, and the frames of its runs, which keys of
        this format did not have."""
        plain = msgspec.to_builtins(msgspec.structs.replace(self, package=""), str_keys=True)
        for side in (plain["baseline"], plain["candidate"]):
            del side["frames"]
        return digest(plain)

    @property
    def picked(self) -> bool:
        """Whether its items were picked by hand, so that votes on them say nothing of others. The commitment covers it."""
        return PICKED in self.strata

    @property
    def items(self) -> tuple[KeyEntry, ...]:
        """The entries that are items: nothing planted."""
        return tuple(entry for entry in self.entries if entry.kind == "item")


class Manifest(Record, frozen=True, kw_only=True):
    """The content of a package's ``manifest.json``: nothing here tells the sides apart. ``files``: name -> sha256.

    ``items`` counts rows, planted ones too. ``rater``: whose package it is, where every rater has one.
    """

    format: int = REVIEW_FORMAT
    package: str
    items: int
    commitment: str
    choices: tuple[Choice, ...]
    rater: str = ""
    files: dict[str, str]


class _Formatted(Record, frozen=True, kw_only=True):
    format: int = 0


def package_path(key_path: Path, package: str, number: int = 0) -> Path:
    """The package folder beside a key file; ``number``: of the rater (from 1), where every rater has one."""
    return key_path.parent / (f"package-{package}-{number}" if number else f"package-{package}")


def key_path(package: Path) -> Path:
    """The key file beside a package folder."""
    return package.parent / f"key-{package.name.removeprefix('package-').split('-')[0]}.json"


def package_paths(path: Path, key: Key) -> list[Path]:
    """The folders of all packages of a key that lies at ``path``."""
    numbers = range(1, len(key.raters) + 1) if key.separate else [0]
    return [package_path(path, key.package, number) for number in numbers]


def read_key(path: Path) -> Key:
    """The key at ``path``, checked against its own name and, where packages lie beside it, their manifests.

    Raises UsageError where it is missing, is no key, is one of an older version, or was changed.
    """
    found = _decode(path, _Formatted, "key").format
    if 0 < found != REVIEW_FORMAT:
        older = "an older" if found < REVIEW_FORMAT else "a newer"
        raise UsageError(
            f"{path}: a key of {older} version of sftgate (format {found}; this version reads format {REVIEW_FORMAT}). Import its "
            "votes with the version that made it, or export the review again"
        )
    key = _decode(path, Key, "key")
    commitment = key.commitment
    if commitment[:NAME_DIGITS] != key.package:
        raise UsageError(
            f"{path}: the key was changed after the package was made (its digest no longer fits package {key.package!r})"
        )
    for package in package_paths(path, key):
        manifest = package / "manifest.json"
        if manifest.is_file() and _decode(manifest, Manifest, "manifest").commitment != commitment:
            raise UsageError(f"{path}: the key does not fit the package beside it: {manifest} commits to another key")
    return key


def _decode(path: Path, kind: type[T], word: str) -> T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise UsageError(f"{path}: not a {word} of a blind review: {error}") from error
