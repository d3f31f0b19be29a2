"""Served: every run of a store, by suite."""

from __future__ import annotations

from tests.reports.screens.stored import shown


def html() -> str:
    """The page."""
    return shown("/")
