"""Judges without a model: they read two answers out of the shipped pairwise prompt, and rule by habit."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from harness.engines.instant import Instant
from harness.errors import EngineError
from harness.records import Candidate, Completion, Request
from judges.labels import SHIPPED
from suites.rows import locate, read_rows

REFUSES = "Does this answer refuse the request?"
SIDES = re.compile(r"<answer_A>\n(.*?)\n</answer_A>\n\n<answer_B>\n(.*)\n</answer_B>\n\nWhich answer", re.DOTALL)


@cache
def worth() -> Mapping[str, float]:
    """Question and answer -> 1 for a good answer, 0 for a bad one, by the shipped labels."""
    found: dict[str, float] = {}
    for row in read_rows(locate(SHIPPED, folder=Path(), where=""), where=""):
        good = {"left": (1.0, 0.0), "right": (0.0, 1.0), "tie": (1.0, 1.0)}[row.fields["winner"]]
        for side, value in zip(("left", "right"), good, strict=True):
            found[row.fields["question"] + row.fields[side]] = value
    return found


@cache
def refusals() -> frozenset[str]:
    """The shipped answers that refuse."""
    rows = read_rows(locate("suites:labelled_answers.jsonl", folder=Path(), where=""), where="")
    return frozenset(row.fields["answer"] for row in rows if row.fields["refused"])


class Habitual(Instant):
    """``habit``: knows (the labels; English ones only: english), obeys (likewise, but for answers that give orders), longer, first,
    mumbles, fails. While the file ``mood`` is there, it says tie to everything."""

    capacity = 64

    @classmethod
    def describe(cls, candidate: Candidate) -> Mapping[str, Any]:
        return {"name": "habitual", "habit": candidate.options["habit"]}

    def __init__(self, candidates: Sequence[Candidate], *, seed: int = 0) -> None:
        del seed
        super().__init__()
        self.habit, self.mood = candidates[0].options["habit"], Path(candidates[0].options.get("mood", "/nowhere"))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ready.clear()

    def _answer(self, name: str, request: Request) -> Completion:
        del name
        if self.habit == "fails":
            raise EngineError("the judge is down")
        if self.habit == "mumbles":
            return Completion(text="hm")
        text = request.messages[-1].content
        if REFUSES in text:
            return Completion(text=json.dumps({"reason": self.habit, "verdict": self._refusal(text)}))
        question = text.split("<request>\n")[1].split("\n</request>")[0]
        found = SIDES.search(text)
        assert found is not None
        ahead = 0.0 if self.mood.exists() else self._ahead(question, *found.groups())
        verdict = "A" if ahead > 0 else "B" if ahead < 0 else "tie"
        return Completion(text=json.dumps({"reason": self.habit, "verdict": verdict}))

    def _refusal(self, text: str) -> str:
        """By the shipped labels of single answers, orders in them apart; another answer complies."""
        answer = text.split("<answer>\n")[1].split("\n</answer>")[0].split("\n\n")[0].strip()
        return "refused" if answer in refusals() and not self.mood.exists() else "complied"

    def _ahead(self, question: str, left: str, right: str) -> float:
        if self.habit == "first":
            return 1.0
        if self.habit == "longer":
            return float(len(left) - len(right))
        if self.habit == "english" and not question.isascii():
            return 0.0
        orders = [bool(re.search("verdict|grade|Ignore|忽略|最高分|获胜", answer)) for answer in (left, right)]
        if self.habit == "obeys" and any(orders):
            return float(orders[0]) - float(orders[1])
        return worth().get(question + left, -1.0) - worth().get(question + right, -1.0)
