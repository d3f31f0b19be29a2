"""Whether rows are of one make: roles in order, one way to ask the system, no template's marks in the text, answers of one form."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from harness.records import Check, Spot, Tally
from trainers.audit.entries import Entry
from trainers.audit.found import check
from trainers.audit.words import shorten
from trainers.data.thoughts import parts_of

_MARKS = re.compile(
    r"<\|[a-z_]{2,30}\|>|\[/?INST\]|<</?SYS>>|</?s>|<(?:start|end)_of_turn>|<｜[^｜]{2,30}｜>"
    r"|(?:^|\n)(?:### (?:Instruction|Response|Input|Human|Assistant):|(?:Human|Assistant|User|ASSISTANT|USER): )"
)
_CUT = re.compile(r"[\w,，、]$")
_FENCE = re.compile(r"^```[a-z]*\n(.*?)\n?```$", re.DOTALL)
_MANY = 0.5
_RARE = 0.02
_LISTED = 12


def checks(entries: Sequence[Entry]) -> Iterator[Check]:
    """One check per thing that should be alike."""
    talks = [entry for entry in entries if entry.messages]
    total = len(entries)
    spots = [entry.spot(problem) for entry in talks if (problem := _order(entry))]
    yield check(
        "make", "roles out of order", "warning", spots, total, "most templates refuse such a conversation, or render it wrongly"
    )
    spots = [entry.spot(_around(entry)) for entry in entries if _around(entry)]
    yield check("make", "a template's marks in the text", "warning", spots, total, "turns end where such a mark stands")
    spots = [entry.spot(entry.messages[-1]["role"]) for entry in talks if entry.messages[-1]["role"] != "assistant"]
    yield check("make", "turns after the last answer", "note", spots, total, "nothing of them is trained")
    yield from _forms(entries)
    yield _thoughts(talks, total)
    yield _systems(talks, total)


def _order(entry: Entry) -> str:
    """What is wrong with the order of the roles; empty where nothing is."""
    roles = ["system" if message["role"] == "developer" else message["role"] for message in entry.messages]
    if "system" in roles[1:]:
        return "a system turn that is not the first"
    turns = [role for role in roles if role != "system"]
    if turns and turns[0] != "user":
        return f"begins with {turns[0]}"
    wrong = next((pair for pair in pairwise(turns) if pair[0] == pair[1] and pair[0] in ("user", "assistant")), None)
    return f"{wrong[0]} after {wrong[1]}" if wrong else ""


def _around(entry: Entry) -> str:
    for text in entry.texts:
        if found := _MARKS.search(text):
            return text[max(0, found.start() - 30) : found.end() + 30]
    return ""


def form_of(answer: str) -> str:
    """``json``, ``broken json``, ``code``, or ``text``."""
    text = answer.strip()
    fenced = _FENCE.match(text)
    inside = fenced[1].strip() if fenced else text
    if inside[:1] in "{[" and inside[:1]:
        try:
            json.loads(inside)
        except ValueError:
            return "broken json" if inside[:1] == "{" and '":' in inside else "text"
        return "json"
    return "code" if fenced else "text"


def _forms(entries: Sequence[Entry]) -> Iterator[Check]:
    forms = [form_of(entry.answer) for entry in entries]
    broken = [entry.spot(entry.answer) for entry, form in zip(entries, forms, strict=True) if form == "broken json"]
    yield check(
        "make", "broken JSON", "warning", broken, len(entries), "an answer that begins like JSON and cannot be read as such"
    )
    usual, count = Counter(forms).most_common(1)[0]
    odd: list[Spot] = []
    if usual != "text" and count >= (1 - _RARE * 5) * len(entries):
        odd = [entry.spot(entry.answer) for entry, form in zip(entries, forms, strict=True) if form not in (usual, "broken json")]
    yield check("make", "answers of another form", "note", odd, len(entries), "nearly all answers are of one form, these are not")
    ends = [bool(_CUT.search(entry.answer.rstrip())) for entry, form in zip(entries, forms, strict=True) if form == "text"]
    cut = [
        entry.spot(f"… {entry.answer.rstrip()[-80:]}")
        for entry, form in zip(entries, forms, strict=True)
        if form == "text" and len(entry.answer) > 200 and _CUT.search(entry.answer.rstrip())
    ]
    seldom = cut if sum(ends) < _MANY * len(ends) else []
    said = "long answers that end in the middle of a sentence teach the model to stop there"
    yield check("make", "answers that seem cut", "note", seldom, len(entries), said)


def _thoughts(talks: Sequence[Entry], total: int) -> Check:
    thinking = [any(parts_of(message).thought for message in entry.messages if message["role"] == "assistant") for entry in talks]
    some = 0 < sum(thinking) < len(thinking)
    rarer = sum(thinking) * 2 <= len(thinking)
    spots = [entry.spot(entry.answer) for entry, thinks in zip(talks, thinking, strict=True) if some and thinks == rarer]
    said = f"{sum(thinking)} rows think before they answer and {len(thinking) - sum(thinking)} do not: mean both, or mend one"
    return check("make", "some rows think, others do not", "note", spots, total, said)


def _systems(talks: Sequence[Entry], total: int) -> Check:
    without = [entry for entry in talks if not entry.system.strip()]
    some = 0 < len(without) < len(talks)
    rarer = without if len(without) * 2 <= len(talks) else [entry for entry in talks if entry.system.strip()]
    said = f"{len(talks) - len(without)} rows have a system prompt and {len(without)} have none: ask as it was trained"
    spots = [entry.spot(entry.system or entry.question) for entry in rarer] if some else []
    return check("make", "some rows have a system prompt, others have none", "note", spots, total, said)


def tallies(entries: Sequence[Entry]) -> Iterator[Tally]:
    """How answers are formed, how many turns rows have, which system prompts they have, how questions and answers begin."""
    yield tally("form of the answer", [form_of(entry.answer) for entry in entries])
    talks = [entry for entry in entries if entry.messages]
    if talks:
        counts = [sum(message["role"] == "assistant" for message in entry.messages) for entry in talks]
        yield tally("answers in a row", [str(count) for count in counts])
        yield tally("system prompt", [shorten(entry.system, 80) or "(none)" for entry in talks])
        yield tally("questions begin", [_opening(entry.question) for entry in talks])
    yield tally("answers begin", [_opening(entry.answer) for entry in entries])


def tally(name: str, values: Sequence[str]) -> Tally:
    """The most frequent values."""
    counts = Counter(values)
    listed = counts.most_common(_LISTED)
    return Tally(name=name, of=len(values), counts=dict(listed), more=len(counts) - len(listed))


def _opening(text: str) -> str:
    return shorten(" ".join(text.split()[:3]), 40) or "(empty)"
