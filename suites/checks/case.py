"""change_case:capital_word_frequency and punctuation:no_comma."""

from __future__ import annotations

import re

from suites.checks.terms import Constraint, Count, Relation, holds

_SEPARATORS = re.compile(r"\.{2,}|--|[\s\"“”‘’„«»\[\](){}<>;@#$%&*?!`\u2012-\u2015]|[,:](?![0-9])")
_CLITIC = re.compile(r"(?i)(n't|'(?:s|m|d|ll|re|ve))$")
_FUSED = re.compile(r"(?i)^(can)(not)$|^(gim|lem)(me)$|^(gon|wan)(na)$|^(got)(ta)$")


class CapitalWords(Constraint, frozen=True, kw_only=True):
    """Words in capitals only occur less than, or at least, ``capital_frequency`` times; a hyphenated word is one word.

    Words are split as the Penn Treebank does ("DON'T" is DO and N'T), without the sentence model that nltk would download.
    """

    capital_frequency: Count
    capital_relation: Relation

    def follows(self, text: str) -> bool:
        return holds(sum(word.isupper() for word in treebank_words(text)), self.capital_relation, self.capital_frequency)


def treebank_words(text: str) -> list[str]:
    """The words of an English text, contractions split off ("CANNOT" is CAN and NOT)."""
    words: list[str] = []
    for token in _SEPARATORS.split(text):
        clitic, fused = _CLITIC.search(token[-4:]), _FUSED.match(token[:8])
        if clitic is not None:
            words += [token[: -len(clitic[0])], clitic[0]]
        elif fused is not None:
            words += [part for part in fused.groups() if part]
        else:
            words.append(token)
    return [word for word in words if word]


class NoComma(Constraint, frozen=True, kw_only=True):
    """Not one comma (the ASCII one)."""

    def follows(self, text: str) -> bool:
        return "," not in text
