"""language:response_language and the two change_case checks that also ask for English.

Detection is langdetect's, with a fixed seed and a factory of our own, so that the same text always gets the same language.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from typing import Any

from suites.checks.terms import Constraint, Text


@functools.cache
def _factory() -> Any:
    module = importlib.import_module("langdetect.detector_factory")
    factory = module.DetectorFactory()
    factory.load_profile(module.PROFILES_DIRECTORY)
    factory.seed = 0
    return factory


def available() -> bool:
    """Whether langdetect is installed: the checks of this module need it."""
    return importlib.util.find_spec("langdetect") is not None


@functools.lru_cache(maxsize=4096)
def detect(text: str) -> str | None:
    """The ISO 639-1 code of the text's language (``zh-cn`` for Chinese); None where it has no letters to go by."""
    nothing_to_go_by = importlib.import_module("langdetect.lang_detect_exception").LangDetectException
    detector = _factory().create()
    detector.append(text)
    try:
        return str(detector.detect())
    except nothing_to_go_by:
        return None


class ResponseLanguage(Constraint, frozen=True, kw_only=True):
    """The answer is in this language. As in the reference, an answer without any letters counts as followed."""

    language: Text

    def follows(self, text: str) -> bool:
        return detect(text) in (self.language, None)


class EnglishCapital(Constraint, frozen=True, kw_only=True):
    """English, and no lower-case letter."""

    def follows(self, text: str) -> bool:
        return text.isupper() and detect(text) in ("en", None)


class EnglishLowercase(Constraint, frozen=True, kw_only=True):
    """English, and no capital letter."""

    def follows(self, text: str) -> bool:
        return text.islower() and detect(text) in ("en", None)
