"""Whether the packages beside a key are still those that were handed out."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from reports.blind.key import Key, Manifest, package_paths

FILLED_IN = (".csv", ".xlsx")
"""Raters write into these; what they show is held against the key row by row."""


def changed_files(key_file: Path, key: Key) -> list[Path]:
    """Files of the packages that are not what the manifest says; those that were moved away are no matter."""
    found = []
    for package in package_paths(key_file, key):
        manifest = package / "manifest.json"
        if not manifest.is_file():
            continue
        listed = msgspec.json.decode(manifest.read_bytes(), type=Manifest).files
        files = {package / name: digest for name, digest in listed.items() if not name.endswith(FILLED_IN)}
        found += [path for path, digest in files.items() if path.is_file() and _digest(path) != digest]
    return found


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
