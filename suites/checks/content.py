"""detectable_content:*, combination:* and startend:end_checker — what the answer must hold, and where."""

from __future__ import annotations

import re

from suites.checks.terms import Constraint, Count, Text

_POSTSCRIPT = {"P.P.S": re.compile(r"p\.\s?p\.\s?s"), "P.S.": re.compile(r"p\.\s?s\.")}


class Placeholders(Constraint, frozen=True, kw_only=True):
    """At least so many ``[placeholders]``, each within one line."""

    num_placeholders: Count

    def follows(self, text: str) -> bool:
        return sum(_bracketed(line) for line in text.split("\n")) >= self.num_placeholders


def _bracketed(line: str) -> int:
    count, start = 0, line.find("[")
    while start >= 0:
        end = line.find("]", start)
        if end < 0:
            break
        count, start = count + 1, line.find("[", end)
    return count


class Postscript(Constraint, frozen=True, kw_only=True):
    """A postscript with this marker; "P.S." and "P.P.S" may be written with spaces."""

    postscript_marker: Text

    def follows(self, text: str) -> bool:
        marker = self.postscript_marker.strip()
        pattern = _POSTSCRIPT.get(marker)
        return marker.lower() in text.lower() if pattern is None else pattern.search(text.lower()) is not None


class TwoResponses(Constraint, frozen=True, kw_only=True):
    """Two different answers, separated by six asterisks and by nothing else."""

    def follows(self, text: str) -> bool:
        parts = [part.strip() for part in text.split("******")]
        answers = [part for part in parts if part]
        return all(parts[1:-1]) and len(answers) == 2 and answers[0] != answers[1]


class RepeatPrompt(Constraint, frozen=True, kw_only=True):
    """The answer begins with the request, word for word."""

    prompt_to_repeat: Text

    def follows(self, text: str) -> bool:
        return text.strip().lower().startswith(self.prompt_to_repeat.strip().lower())


class End(Constraint, frozen=True, kw_only=True):
    """The answer ends with this phrase (a closing quotation mark after it is forgiven)."""

    end_phrase: Text

    def follows(self, text: str) -> bool:
        return text.strip().strip('"').lower().endswith(self.end_phrase.strip().lower())
