"""Served: what differs between two runs."""

from __future__ import annotations

from tests.reports.screens.stored import shown


def html() -> str:
    """The page."""
    return shown("/changed?old=OLD&new=NEW")
