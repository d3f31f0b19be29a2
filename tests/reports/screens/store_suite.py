"""Served: one suite of a store, its shift named."""

from __future__ import annotations

from tests.reports.screens.stored import shown


def html() -> str:
    """The page."""
    return shown("/suite?name=facts")
