"""The key of a blind review: which side is whose. It stays outside the package, and the package commits to it.

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
from harness.records import FORMAT, Record, Run

Side = Literal["left", "right"]
NAME_DIGITS = 12
T = TypeVar("T")


class KeyEntry(Record, frozen=True, kw_only=True):
    """One item of the review: where the candidate's answer stands, and what the sample needs when votes come back."""

    review_id: str
    item: str
    candidate_side: Side
    question: str
    baseline_text: str
    candidate_text: str
    cluster: str | None = None
    slices: dict[str, str] = {}
    weight: float = 1.0
    baseline_prompt_hash: str = ""
    candidate_prompt_hash: str = ""


class Key(Record, frozen=True, kw_only=True):
    """The content of ``key-<package>.json``. ``identical`` and ``unanswered`` count items that were left out of the review."""

    format: int = FORMAT
    package: str = ""
    suite: str
    seed: int
    baseline: Run
    candidate: Run
    entries: tuple[KeyEntry, ...]
    identical: int = 0
    unanswered: int = 0

    @property
    def commitment(self) -> str:
        """Digest of everything in the key but the package's name, which is its beginning."""
        return digest(msgspec.structs.replace(self, package=""))


class Manifest(Record, frozen=True, kw_only=True):
    """The content of a package's ``manifest.json``: nothing here tells the sides apart. ``files``: name -> sha256."""

    format: int = FORMAT
    package: str
    items: int
    commitment: str
    choices: tuple[str, ...]
    files: dict[str, str]


def package_path(key_path: Path, package: str) -> Path:
    """The package folder beside a key file."""
    return key_path.parent / f"package-{package}"


def key_path(package: Path) -> Path:
    """The key file beside a package folder."""
    return package.parent / f"key-{package.name.removeprefix('package-')}.json"


def read_key(path: Path) -> Key:
    """The key at ``path``, checked against its own name and, where the package lies beside it, the package's manifest.

    Raises UsageError where it is missing, is no key, or was changed.
    """
    key = _decode(path, Key)
    if key.format != FORMAT:
        raise UsageError(f"{path}: key of format {key.format}; this version of sftgate reads format {FORMAT}")
    commitment = key.commitment
    if commitment[:NAME_DIGITS] != key.package:
        raise UsageError(
            f"{path}: the key was changed after the package was made (its digest no longer fits package {key.package!r})"
        )
    manifest_path = package_path(path, key.package) / "manifest.json"
    if manifest_path.is_file() and _decode(manifest_path, Manifest).commitment != commitment:
        raise UsageError(f"{path}: the key does not fit the package beside it: the manifest commits to another key")
    return key


def _decode(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise UsageError(f"{path}: not a {kind.__name__.lower()} of a blind review: {error}") from error
