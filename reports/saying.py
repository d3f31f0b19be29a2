"""Text for Markdown in one language: our own words by the catalogue, the gate's sentences by theirs."""

from __future__ import annotations

from collections.abc import Collection

from reports import language
from reports.hostile import escaped
from reports.language import Lang
from reports.sentences import Teller

_ISOLATE, _END = "\u2068", "\u2069"


class Say:
    """Says things in one language. ``names``: what users called something, which stays as it is."""

    def __init__(self, lang: Lang = "en", names: Collection[str] = ()) -> None:
        self.lang: Lang = lang
        self._teller = Teller(lang, names)

    def __call__(self, text: str, *parts: object) -> str:
        """Words of ours, with ``parts`` in the places of ``{0}``, ``{1}`` …"""
        return language.catalogue(self.lang).get(text, text).format(*parts) if parts else language.said(text, self.lang)

    def told(self, text: str) -> str:
        """A sentence of the gate; in English where it has no other form."""
        found = self._teller.told(text)
        return self(text) if found is None else found

    def isolated(self, line: str) -> str:
        """A line of Markdown in which names that are read from the right do not pull along what stands beside them."""
        for name in self._teller.leftward:
            line = line.replace(escaped(name), f"{_ISOLATE}{escaped(name)}{_END}")
        return line

    def number(self, text: str) -> str:
        """A number, or several, as the language writes them."""
        return language.number(text, self.lang)
