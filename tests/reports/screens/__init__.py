"""The pages that are judged by eye, one file each: ``build()`` makes what the report shows, ``LANG`` is its language, else English;
``html()`` is a page of another kind."""

from __future__ import annotations

from importlib import import_module

from reports import page

PAGES = (
    "careless", "all_pass", "inconclusive", "invalid", "not_comparable", "ten_thousand", "chinese", "hostile", "history", "judged",
    "loaded", "audit", "store_index", "store_suite", "store_changed",
)  # fmt: skip


def rendered(name: str) -> str:
    """One of ``PAGES`` as HTML."""
    made = import_module(f"tests.reports.screens.{name}")
    if hasattr(made, "html"):
        return str(made.html())
    return page.render(*made.build(), lang=getattr(made, "LANG", "en"))
