"""Was a judge examined in the language that it judges in? Labels and items say theirs (``language``); "zh-TW" is zh here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.gate.sentences import joined
from harness.records import Admission, Run

LANGUAGE = "language"
"""The slice of an item."""


def foreign(admission: Admission, languages: Iterable[str]) -> str:
    """Where a judge has not earned its word: in which of these languages of items it was examined on too few labels, or none. Empty
    where it was examined in all of them, and where its labels do not say their language."""
    if not admission.languages or not admission.fewest:
        return ""
    known: dict[str, int] = {}
    for language, part in admission.languages.items():
        known[_tongue(language)] = known.get(_tongue(language), 0) + part.pairs
    few = {each: known.get(each, 0) for each in dict.fromkeys(map(_tongue, languages)) if known.get(each, 0) < admission.fewest}
    if not few:
        return ""
    what = "labelled answers" if admission.alone else "labelled pairs"
    counts = " and ".join(f"{count or 'no'} {what} in {language}" for language, count in few.items())
    return f"items are in {joined(list(few))}, and it was examined on {counts}; at least {admission.fewest} are needed"


def untold(suite: str, run: Run | None, languages: Sequence[str]) -> tuple[str, ...]:
    """A sentence where nobody could compare: some items do not say their ``language`` (empty), or the labels do not. Nothing where
    all do, or none does, and where the judge may not gate anyhow."""
    admission = None if run is None else run.admission
    if admission is None or not admission.admitted:
        return ()
    spoken, silent = sorted(set(languages) - {""}), sum(not language for language in languages)
    if admission.languages and silent:
        known = joined(sorted(admission.languages))
        return (
            f"the judge of {suite} was examined in {known}; {silent:,} items do not say their language (slice {LANGUAGE!r}), and "
            "nobody checked that it is one of these",
        )
    if spoken and not admission.languages:
        what = "labelled answers" if admission.alone else "labelled pairs"
        return (
            f"items of {suite} are in {joined(spoken)}; the {what} that its judge was examined on do not say their language, and "
            "nobody checked that it is one of these",
        )
    return ()


def _tongue(language: str) -> str:
    return language.strip().casefold().replace("_", "-").split("-")[0]
