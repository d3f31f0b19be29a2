"""What all judges share that are told what to do by a prompt file: their options, and one opinion as requests and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from harness.errors import ConfigError
from harness.fingerprint import digest
from harness.records import Completion, Message, Request
from judges.prompt import Criterion, Kind, load_prompt
from judges.verdict import Said, read, read_fields, requests


def messages_of(question: Sequence[object]) -> tuple[Message, ...]:
    """A question as messages: Message records as they are, a bare string as one user turn, dicts with role and content."""
    return tuple(
        turn
        if isinstance(turn, Message)
        else Message(role="user", content=turn)
        if isinstance(turn, str)
        else msgspec.convert(turn, Message)
        for turn in question
    )


class Asker:
    """One judge prompt, asked of the engine named ``to``, at temperature 0.

    ``prompt`` is the name of a shipped prompt (``usual`` where none is named) or a path relative to ``folder``. ``probabilities``
    weighs the verdict words by their log-probabilities (the engine must score) instead of letting the judge write one. Raises
    ConfigError for a prompt that is missing, broken, or of another ``kind``.
    """

    kind: ClassVar[Kind]
    version: str
    usual: ClassVar[str]

    def __init__(
        self,
        to: str,
        *,
        prompt: str | None = None,
        max_tokens: int | None = None,
        probabilities: bool = False,
        enable_thinking: bool | None = None,
        criteria: Mapping[str, Criterion] | None = None,
        folder: Path = Path(),
        where: str = "",
    ) -> None:
        prompt = self.usual if prompt is None else prompt
        self.prompt = load_prompt(prompt, kind=self.kind, folder=folder, where=where, criteria=criteria)
        self.probabilities = probabilities
        self._options: dict[str, Any] = {"to": to, "enable_thinking": enable_thinking}
        if max_tokens is not None and not probabilities:
            if max_tokens < 1:
                raise ConfigError(f"max_tokens of the judge must be at least 1, found {max_tokens}", where=where)
            self._options["max_tokens"] = max_tokens
        if probabilities and self.prompt.front.answer == "json":
            raise ConfigError(
                f"probabilities = true needs a judge that answers with a bare word, and prompt {prompt!r} asks for JSON; "
                'use a prompt with answer = "word"',
                where=where,
            )

    def fingerprint(self) -> str:
        """Hash of the prompt's contents and of the options that decide a verdict; neither the engine's name nor a path."""
        options = {name: value for name, value in self._options.items() if name != "to"}
        front = self.prompt.front
        criteria = [front.criteria] if front.criteria else []
        return digest([front.kind, self.version, self.prompt.sha256, self.probabilities, options, *criteria])

    def ask(self, question: Sequence[Message], texts: Mapping[str, str]) -> list[Request]:
        """The requests for one opinion."""
        return requests(self.prompt, self.prompt.fill(question, texts), self._options, probabilities=self.probabilities)

    def read(self, completions: Sequence[Completion]) -> Said:
        """The opinion that the answers to ``ask`` hold."""
        return read(self.prompt, completions, probabilities=self.probabilities)

    def read_fields(self, completions: Sequence[Completion]) -> dict[str, Said]:
        """The opinions that one reply of a rubric holds, by criterion."""
        return read_fields(self.prompt, completions[0], self.prompt.verdict_fields)

    def mean(self, said: Said) -> float | None:
        """The grade that an opinion gives: of probabilities the expected one; None where it cannot be read."""
        return None if said.shares is None else sum(share * float(self.value(word)) for word, share in said.shares.items())

    @property
    def reads_reference(self) -> bool:
        """Whether the judge is told the right answer."""
        return self.prompt.reads_reference

    @property
    def menu(self) -> tuple[float, ...]:
        """The grades that there are; none where two answers are compared."""
        return tuple(float(value) for value in self.prompt.front.verdicts.values() if not isinstance(value, str))

    def value(self, word: str) -> str | float:
        """What a verdict word stands for."""
        return self.prompt.front.verdicts[word]
