"""The lab: tiny real models, built on this machine, because a demo and a test suite must not need a hub."""

from __future__ import annotations

from trainers.lab.assembly import LabPaths, build, cache_folder

__all__ = ["LabPaths", "build", "cache_folder"]
