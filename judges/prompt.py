"""Prompt files of judges: a front block that says how the judge answers, then the turns that it reads.

    +++
    about = "Which of two answers is better?"
    kind = "pairwise"                                    # or "pointwise", "rubric"
    answer = "json"                                      # {"verdict": …} under a schema; or "word": the bare verdict word
    reason = true                                        # json only: the judge writes a reason before its verdict
    max_tokens = 512
    verdicts = { A = "left", B = "right", tie = "tie" }  # pointwise: word -> grade, such as { "[good]" = 1, "[bad]" = 0 }
    +++
    ## system
    You compare answers.
    ## user
    {question} … {left} … {right}

A line ``## system``, ``## user`` or ``## assistant`` begins a turn; without any, the body is one user turn. A line ``##
question`` alone stands for the turns of the question itself. ``{question}``, and ``{left}`` ``{right}`` (pairwise) or
``{answer}`` (pointwise), are replaced in one pass over the file's own text, so that braces or markers inside an answer are just
text. Where there is a ``{reference}``, too, the judge is told the right answer.

A rubric (``kind = "rubric"``) has verdicts like a pointwise prompt, and gives one for each of its ``criteria``:

    criteria = { correct = { about = "What it says is true.", weight = 2 }, clear = { about = "It is easy to follow." } }

With ``answer = "json"`` all are given in one reply, and ``{criteria}`` stands for their list; with ``answer = "word"`` every one is
asked by itself, and ``{criterion}`` stands for what it is about.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from harness.errors import ConfigError
from harness.plugins import did_you_mean
from harness.records import Message, Record

SHIPPED = Path(__file__).parent / "prompts"

Kind = Literal["pairwise", "pointwise", "rubric"]
SIDES = ("left", "right", "tie")
REFERENCE = "reference"

_FRONT = re.compile(r"\A\+\+\+[ \t]*\n(.*?)^\+\+\+[ \t]*\n", re.DOTALL | re.MULTILINE)
_TURN = re.compile(r"^## (system|user|assistant|question)[ \t]*\n?", re.MULTILINE)
_PLACE = re.compile(r"\{([a-z_]+)\}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


class Criterion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one verdict of a rubric is about, and how much it counts."""

    about: str
    weight: float = 1.0


class Front(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The front block of a prompt file."""

    kind: Kind
    verdicts: dict[str, str | float]
    criteria: dict[str, Criterion] = {}
    answer: Literal["json", "word"] = "json"
    reason: bool = False
    max_tokens: int = 512
    about: str = ""


class Prompt(Record, frozen=True, kw_only=True):
    """A prompt file, checked. ``turns`` are (role, text) pairs; ``sha256`` is of the file's bytes."""

    name: str
    front: Front
    turns: tuple[tuple[str, str], ...]
    sha256: str

    @property
    def words(self) -> tuple[str, ...]:
        """The verdict words, in the order of the file."""
        return tuple(self.front.verdicts)

    @property
    def reads_reference(self) -> bool:
        """Whether the judge is told the right answer."""
        return any(REFERENCE in _PLACE.findall(text) for _, text in self.turns)

    @property
    def verdict_fields(self) -> tuple[str, ...]:
        """Where the verdicts stand in a JSON reply: one for each criterion, or the only one."""
        return tuple(self.front.criteria) or ("verdict",)

    @property
    def schema(self) -> dict[str, object] | None:
        """The JSON schema that constrains the judge, or None where it answers with a bare word."""
        if self.front.answer == "word":
            return None
        menu = {"type": "string", "enum": list(self.words)}
        properties: dict[str, object] = dict.fromkeys(self.verdict_fields, menu)
        if self.front.reason:
            properties = {"reason": {"type": "string", "maxLength": 800}, **properties}
        return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}

    def fill(self, question: Sequence[Message], texts: Mapping[str, str]) -> tuple[Message, ...]:
        """The messages that the judge reads. ``texts``: what stands in the other places."""
        values = {"question": transcript(question), **texts}
        messages: list[Message] = []
        for role, text in self.turns:
            if role == "question":
                messages.extend(question)
            else:
                messages.append(Message(role=role, content=_PLACE.sub(lambda found: values[found[1]], text)))
        return tuple(messages)


def transcript(question: Sequence[Message]) -> str:
    """A question as text: the bare content of a single turn, else every turn under its role."""
    if len(question) == 1:
        return question[0].content
    return "\n\n".join(f"[{message.role}]\n{message.content}" for message in question)


def load_prompt(
    name: str, *, kind: Kind | None, folder: Path, where: str = "", criteria: Mapping[str, Criterion] | None = None
) -> Prompt:
    """The shipped prompt ``name``, or the file at that path (relative to ``folder``); with ``criteria`` in place of its own.
    ``kind``: what it must be; None where it says so itself.

    Raises ConfigError for a name or file that does not exist, or a file that breaks the format above.
    """
    path = SHIPPED / f"{name}.md" if re.fullmatch(r"\w+", name) else folder / name
    if not path.is_file():
        known = sorted(file.stem for file in SHIPPED.glob("*.md"))
        raise ConfigError(f"no judge prompt {name!r}: neither shipped nor a file. {did_you_mean(name, known)}", where=where)
    data = path.read_bytes()
    try:
        text = data.decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ConfigError(f"judge prompt {name!r} is not UTF-8 text: {error}", where=where) from error
    sha256 = hashlib.sha256(data).hexdigest()
    return parse_prompt(text, name=name, kind=kind, sha256=sha256, where=where, criteria=criteria)


def parse_prompt(
    text: str, *, name: str, kind: Kind | None, sha256: str = "", where: str = "", criteria: Mapping[str, Criterion] | None = None
) -> Prompt:
    """Check the text of a prompt file. Raises ConfigError."""
    found = _FRONT.match(text)
    if found is None:
        raise ConfigError(f"judge prompt {name!r} must begin with a front block between two lines '+++'", where=where)
    try:
        front = msgspec.toml.decode(found[1], type=Front)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise ConfigError(f"judge prompt {name!r}, front block: {error}", where=where) from error
    if criteria is not None and front.kind == "rubric":
        front = msgspec.structs.replace(front, criteria=dict(criteria))
    prompt = Prompt(name=name, front=front, turns=_turns(text[found.end() :]), sha256=sha256)
    problem = _kind_problem(front, kind) or _verdict_problem(front) or _criteria_problem(front) or _turn_problem(prompt)
    if problem:
        raise ConfigError(f"judge prompt {name!r}: {problem}", where=where)
    return prompt


def _turns(body: str) -> tuple[tuple[str, str], ...]:
    marks = list(_TURN.finditer(body))
    if not marks:
        return (("user", body.strip("\n")),)
    ends = [mark.start() for mark in marks[1:]] + [len(body)]
    opening = [("user", body[: marks[0].start()].strip("\n"))] if body[: marks[0].start()].strip() else []
    turns = [(mark[1], body[mark.end() : end].strip("\n")) for mark, end in zip(marks, ends, strict=True)]
    return tuple(opening + turns)


def _kind_problem(front: Front, kind: Kind | None) -> str:
    if kind not in (None, front.kind):
        return f"it is a {front.kind} prompt, and the suite uses a {kind} judge; set use = {front.kind!r}, or name another prompt"
    return ""


def _verdict_problem(front: Front) -> str:
    if len({word.strip().casefold() for word in front.verdicts}) < len(front.verdicts):
        return "two verdict words differ only in case or white space"
    if any(not word.strip() for word in front.verdicts):
        return "a verdict word is empty"
    values = list(front.verdicts.values())
    if front.kind == "pairwise":
        if sorted(set(map(str, values))) not in (["left", "right"], ["left", "right", "tie"]):
            return f"verdicts must stand for 'left', 'right' and, if ties are allowed, 'tie'; found {values}"
        return ""
    if any(isinstance(value, str) for value in values) or len(set(values)) < 2:
        return f"verdicts must stand for at least two different grades (numbers); found {values}"
    return ""


def _criteria_problem(front: Front) -> str:
    if front.kind != "rubric":
        return "only a rubric has criteria" if front.criteria else ""
    if not front.criteria:
        return 'a rubric needs criteria: NAME = { about = "what it asks of an answer", weight = 1 }'
    for name, criterion in front.criteria.items():
        if not _NAME.fullmatch(name) or name == "reason":
            return f"a criterion is called {name!r}; a name of letters, digits, '_' and '-' is needed, other than 'reason'"
        if not criterion.about.strip():
            return f"criterion {name!r} does not say what it is about"
        if not 0 < criterion.weight < math.inf:
            return f"criterion {name!r} has weight {criterion.weight:g}; a number above 0 is needed"
    return ""


def _fields(front: Front) -> set[str]:
    """The places that a prompt must have besides the question."""
    if front.kind == "pairwise":
        return {"left", "right"}
    if front.kind == "pointwise":
        return {"answer"}
    return {"answer", "criteria" if front.answer == "json" else "criterion"}


def _turn_problem(prompt: Prompt) -> str:
    used = {place for _, text in prompt.turns for place in _PLACE.findall(text)}
    if any(role == "question" for role, _ in prompt.turns):
        used.add("question")
    if any(role == "question" and text for role, text in prompt.turns):
        return "the line '## question' stands for the question's own turns; no text may follow it within its turn"
    expected = {"question", *_fields(prompt.front)}
    if unknown := used - expected - {REFERENCE}:
        return f"unknown placeholder {{{sorted(unknown)[0]}}}. {did_you_mean(sorted(unknown)[0], {*expected, REFERENCE})}"
    if missing := expected - used:
        return f"the judge would not see {{{sorted(missing)[0]}}}: the text has no such placeholder"
    return ""
