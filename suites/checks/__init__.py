"""Verifiable constraints: the twenty-five instructions of IFEval (Zhou et al. 2023, arXiv 2311.07911), as frozen structs.

The fields of a struct are the constraint's kwargs in IFEval's own format; ``follows(text)`` says whether an answer keeps it.
Deterministic, offline, linear in the answer's length. Where the reference draws a random value for a missing argument, ours is
required; where it reads the user's keyword as a regular expression, ours is literal text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from suites.checks import case, content, form, language, length, words


class Check(Protocol):
    """One constraint with its arguments."""

    def follows(self, text: str) -> bool: ...


CHECKS: dict[str, type[Check]] = {
    "keywords:existence": words.Existence,
    "keywords:frequency": words.Frequency,
    "keywords:forbidden_words": words.Forbidden,
    "keywords:letter_frequency": words.LetterFrequency,
    "language:response_language": language.ResponseLanguage,
    "length_constraints:number_sentences": length.Sentences,
    "length_constraints:number_paragraphs": length.Paragraphs,
    "length_constraints:number_words": length.Words,
    "length_constraints:nth_paragraph_first_word": length.FirstWord,
    "detectable_content:number_placeholders": content.Placeholders,
    "detectable_content:postscript": content.Postscript,
    "detectable_format:number_bullet_lists": form.Bullets,
    "detectable_format:constrained_response": form.Constrained,
    "detectable_format:number_highlighted_sections": form.Highlights,
    "detectable_format:multiple_sections": form.Sections,
    "detectable_format:json_format": form.Json,
    "detectable_format:title": form.Title,
    "combination:two_responses": content.TwoResponses,
    "combination:repeat_prompt": content.RepeatPrompt,
    "startend:end_checker": content.End,
    "startend:quotation": form.Quotation,
    "change_case:capital_word_frequency": case.CapitalWords,
    "change_case:english_capital": language.EnglishCapital,
    "change_case:english_lowercase": language.EnglishLowercase,
    "punctuation:no_comma": case.NoComma,
}


def build(instruction: str, kwargs: Mapping[str, Any]) -> Check:
    """The check for an instruction id; ``None`` values (IFEval fills unused kwargs with them) are dropped.

    Raises ValueError with a sentence: an unknown id, a missing, unknown or mistyped argument.
    """
    given = {name: _whole(value) for name, value in kwargs.items() if value is not None}
    try:
        return msgspec.convert(given, CHECKS[instruction])
    except msgspec.ValidationError as error:
        raise ValueError(f"the arguments {given!r} do not fit {instruction!r}: {error}") from error


def _whole(value: Any) -> Any:
    """Tables store whole numbers as floats; 3.0 means 3."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def variants(text: str) -> tuple[str, ...]:
    """IFEval's eight loose readings: without first line, last line, both; each as it is and without asterisks."""
    lines = text.split("\n")
    readings = (text, "\n".join(lines[1:]).strip(), "\n".join(lines[:-1]).strip(), "\n".join(lines[1:-1]).strip())
    return readings + tuple(reading.replace("*", "") for reading in readings)


def follows_strict(check: Check, text: str) -> bool:
    """The answer keeps the constraint as it stands; a blank answer keeps none."""
    return bool(text.strip()) and check.follows(text)


def follows_loose(check: Check, text: str) -> bool:
    """One of the eight readings keeps it."""
    return any(follows_strict(check, reading) for reading in dict.fromkeys(variants(text)))
