"""Thinking told apart from the answer, in the tokens that a model generated.

A thinking block stands between two tags, before the answer. It is opened by the model, as the first thing that it writes, or by
the prompt: the templates of DeepSeek-R1 and Qwen3-Thinking end with ``<think>``, and so may a final message that is continued. The
first end tag closes it. Tags at any other place are text (an answer may quote ``<think>`` in its code), and so is a second block.
A block that is never closed is thinking to its end: there is no answer, and the text is empty.

The line breaks between the block and the answer are the template's and belong to neither. An empty block is no reasoning.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from harness.errors import EngineError
from harness.records import Request


class Tags(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The texts that open and close a thinking block."""

    start: str
    end: str


Reasoning = Literal["auto", "off"] | Tags
"""``auto``: the first of ``KNOWN`` that the chat template or the vocabulary knows."""

KNOWN = (
    Tags(start="<think>", end="</think>"),  # DeepSeek-R1, Qwen3, GLM-4.5 and most others
    Tags(start="[THINK]", end="[/THINK]"),  # Magistral
    Tags(start="<seed:think>", end="</seed:think>"),  # Seed-OSS
    Tags(start="◁think▷", end="◁/think▷"),  # Kimi-VL
)

_TAIL = 32
"""Tokens at the end of a prompt in which an opening tag is looked for: more than any tag with the line breaks after it."""

Stage = Literal["never", "may", "open"]
"""Whether a request's answer can hold thinking: not at all, if the model begins with it, or because its prompt opened it."""


class Split(NamedTuple):
    """Generated tokens told apart. ``tokens`` counts the thinking's, tags included; ``unfinished``: it was not closed."""

    text: str
    reasoning: str | None = None
    tokens: int = 0
    unfinished: bool = False


def find_tags(option: Reasoning, template: str | None, vocabulary: Collection[str]) -> Tags | None:
    """The tags that the option means; None where there are none. EngineError for tags that could not be told apart."""
    if isinstance(option, Tags):
        if not option.start.strip() or not option.end.strip() or option.end in option.start:
            raise EngineError(
                f"options.reasoning: start = {option.start!r} and end = {option.end!r} cannot tell thinking from an answer; "
                "expected two texts, the second not inside the first, such as '<think>' and '</think>'"
            )
        return option
    if option == "off":
        return None
    for tags in KNOWN:
        if (tags.start in vocabulary and tags.end in vocabulary) or (template is not None and tags.end in template):
            return tags
    return None


class Thinking:
    """Finds thinking in what one candidate generates. ``tokenizer`` is a Hugging Face one; ``tags`` None: nothing is thinking."""

    def __init__(self, tokenizer: Any, tags: Tags | None) -> None:
        self.tags = tags
        self._tokenizer = tokenizer
        self._end_vanishes = tags is not None and tags.end in tokenizer.all_special_tokens

    def stage(self, request: Request, prompt: Sequence[int]) -> Stage:
        """Whether the answer to a prompt (token ids) can hold thinking. A JSON schema binds from the first token on."""
        if self.tags is None or request.schema is not None:
            return "never"
        if request.continue_final and request.messages:
            content = request.messages[-1].content
            return "open" if content.rfind(self.tags.start) > content.rfind(self.tags.end) else "never"
        tail = self._raw(prompt[-_TAIL:]).rstrip()
        if tail.endswith(self.tags.start):
            return "open"
        return "never" if tail.endswith(self.tags.end) else "may"

    def split(self, ids: Sequence[int], stage: Stage) -> Split:
        """Generated ids, end-of-turn token left out, as thinking and answer."""
        if self.tags is None or stage == "never":
            return Split(self._visible(ids))
        raw = self._raw(ids)
        inside = raw.lstrip()
        if inside.startswith(self.tags.start):
            inside = inside[len(self.tags.start) :]
        elif stage == "may":
            return Split(self._visible(ids))
        thought, closed, _ = inside.partition(self.tags.end)
        if not closed:
            return Split("", thought.strip() or None, len(ids), unfinished=True)
        end = self.tags.end
        count = bisect_left(range(len(ids)), True, key=lambda last: end in self._raw(ids[: last + 1])) + 1
        # Cut as text where that can be: a token may hold the end of the tag and the beginning of the answer.
        text = self._visible(ids[count:]) if self._end_vanishes else self._visible(ids).partition(end)[2]
        return Split(text.lstrip("\n"), thought.strip() or None, count)

    def marked(self, ids: Sequence[int], found: Split) -> str:
        """The answer's text with its special tokens: some models write their tool calls between such."""
        if found.unfinished:
            return ""
        raw = self._raw(ids)
        return raw.partition(self.tags.end)[2].lstrip("\n") if self.tags is not None and found.tokens else raw

    def _raw(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def _visible(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))


def until_stop(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """An answer up to the first stop string, and whether there was one. Never asked of thinking: stops end answers."""
    found = [place for place in map(text.find, stop) if place >= 0]
    return (text[: min(found)], True) if found else (text, False)
