"""From what a judge said to a word of its menu, or to none: an unparsable verdict is its own outcome."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from harness.errors import EngineError
from harness.records import Completion, Message, Record, Request
from judges.prompt import Prompt


class Said(Record, frozen=True, kw_only=True):
    """What a judge said once: the share of each verdict word (1 for one word, or probabilities), or None where unparsable."""

    shares: dict[str, float] | None
    reason: str = ""
    raw: str = ""


def requests(prompt: Prompt, messages: tuple[Message, ...], options: Mapping[str, Any], *, probabilities: bool) -> list[Request]:
    """What to ask for one opinion: one generation, or one scoring request per verdict word. ``options`` are fields of Request."""
    if probabilities:
        return [Request(kind="score", messages=messages, continuation=word, **options) for word in prompt.words]
    limit = {"max_tokens": prompt.front.max_tokens, **options}
    return [Request(messages=messages, schema=prompt.schema, temperature=0.0, **limit)]


def read(prompt: Prompt, completions: Sequence[Completion], *, probabilities: bool) -> Said:
    """What the answers to ``requests`` say. Raises EngineError where log-probabilities were asked for and not given."""
    if probabilities:
        return _weigh(prompt, completions)
    if prompt.front.answer == "json":
        return read_fields(prompt, completions[0], ("verdict",))["verdict"]
    return _said(prompt, _on_menu(prompt, completions[0].text), "", completions[0])


def read_fields(prompt: Prompt, completion: Completion, fields: Sequence[str]) -> dict[str, Said]:
    """What each of these fields of a JSON reply says."""
    value = _object(completion.text)
    given = value.get("reason")
    reason = given if isinstance(given, str) else ""
    return {field: _said(prompt, _word(prompt, value.get(field)), reason, completion) for field in fields}


def _said(prompt: Prompt, word: str | None, reason: str, completion: Completion) -> Said:
    if word is not None:
        return Said(shares={word: 1.0}, reason=reason, raw=completion.text)
    cut = " (cut off by max_tokens)" if completion.finish == "length" else ""
    return Said(shares=None, reason=f"no verdict of {', '.join(prompt.words)}{cut}", raw=completion.text)


def _weigh(prompt: Prompt, completions: Sequence[Completion]) -> Said:
    """Shares of the verdict words among themselves.

    How likely the judge is to say any of them is not asked: engines that count the white space before a word to the word cannot
    tell. A judge that would say something else fails its examination.
    """
    logprobs = [completion.logprob for completion in completions]
    known = [value for value in logprobs if value is not None]
    if len(known) < len(logprobs):
        raise EngineError("the judge's engine gave no log-probability for a verdict word; set probabilities = false for this suite")
    highest = max(known)
    raw = " ".join(f"{word}={value:.3f}" for word, value in zip(prompt.words, known, strict=True))
    if not math.isfinite(highest):
        return Said(shares=None, reason="no verdict word has any probability", raw=raw)
    masses = [math.exp(value - highest) for value in known]
    total = sum(masses)
    return Said(shares={word: mass / total for word, mass in zip(prompt.words, masses, strict=True)}, raw=raw)


def _on_menu(prompt: Prompt, text: str) -> str | None:
    """The menu word that is the whole text, but for case, white space, quotes, emphasis and a full stop."""
    said = text.strip().strip("*_`\"'.").strip().casefold()
    return next((word for word in prompt.words if word.strip().casefold() == said), None)


def _word(prompt: Prompt, value: Any) -> str | None:
    return _on_menu(prompt, str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else None


def _object(text: str) -> dict[str, Any]:
    """The outermost JSON object in the text; an empty one where there is none. One that lacks nothing but its last brace is one:
    engines that allow white space between words let a model fill its budget with it."""
    start, end = text.find("{"), text.rfind("}")
    if start < 0:
        return {}
    for whole in (text[start : end + 1], f"{text[start:].rstrip()}}}"):
        try:
            value = json.loads(whole)
        except (ValueError, RecursionError):
            continue
        return value if isinstance(value, dict) else {}
    return {}
