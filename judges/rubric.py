"""A judge that grades each answer alone, by several criteria: one verdict for each, and their weighted mean."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from harness.protocols import Conversation
from harness.records import Judgment, Message, Request
from judges.asking import Asker, messages_of
from judges.lockstep import together
from judges.prompt import REFERENCE
from judges.verdict import Said


class Rubric(Asker):
    """One judgment per criterion. ``criteria`` replace those of the prompt file."""

    kind = "rubric"
    version = "2"
    usual = "rubric"

    @property
    def criteria(self) -> Mapping[str, float]:
        """Name -> weight."""
        return {name: criterion.weight for name, criterion in self.prompt.front.criteria.items()}

    def grade(self, question: Sequence[object], answer: str, *, reference: str = "") -> Conversation[Sequence[Judgment]]:
        """The grade of one answer by each criterion; with probabilities the expected one."""
        messages, texts = messages_of(question), {"answer": answer, REFERENCE: reference}
        asked = self._asked(messages, texts)
        completions = yield [request for part in asked for request in part]
        if self.prompt.front.answer == "json":
            found = self.read_fields(completions)
        else:
            size = len(asked[0])
            parts = [completions[first : first + size] for first in range(0, len(completions), size)]
            found = {name: self.read(part) for name, part in zip(self.criteria, parts, strict=True)}
        return tuple(self._judgment(name, said) for name, said in found.items())

    def prefer(
        self, question: Sequence[object], answer: str, other: str, *, reference: str = ""
    ) -> Conversation[Sequence[Judgment]]:
        """One judgment, order ``alone``: 1 where ``answer`` has the better weighted grade, ½ equal, 0 worse, None if a verdict on
        either is unparsable."""
        mine, theirs = yield from together([self.grade(question, text, reference=reference) for text in (answer, other)])
        own, others = weighted(mine, self.criteria), weighted(theirs, self.criteria)
        reason = " · ".join(f"{who}: {said[0].reason}" for who, said in (("answer", mine), ("other", theirs)) if said[0].reason)
        raw = f"answer: {_raw(mine)}\nother: {_raw(theirs)}"
        score = None if own is None or others is None else 0.5 if math.isclose(own, others) else float(own > others)
        return (Judgment(score=score, reason=reason, raw=raw),)

    def _asked(self, messages: tuple[Message, ...], texts: Mapping[str, str]) -> list[list[Request]]:
        listed = {name: f"{name}: {criterion.about}" for name, criterion in self.prompt.front.criteria.items()}
        if self.prompt.front.answer == "json":
            return [self.ask(messages, {**texts, "criteria": "\n".join(listed.values())})]
        return [self.ask(messages, {**texts, "criterion": about}) for about in listed.values()]

    def _judgment(self, name: str, said: Said) -> Judgment:
        return Judgment(score=self.mean(said), reason=said.reason, raw=said.raw, criterion=name)


def weighted(judgments: Sequence[Judgment], weights: Mapping[str, float]) -> float | None:
    """The weighted mean over criteria; of a judge without any, its one grade. None where a verdict cannot be read: the mean of the
    others would be another grade."""
    scores = [judgment.score for judgment in judgments]
    known = [score for score in scores if score is not None]
    if not known or len(known) < len(scores):
        return None
    counts = [weights.get(judgment.criterion, 1.0) for judgment in judgments]
    return sum(score * count for score, count in zip(known, counts, strict=True)) / sum(counts)


def _raw(judgments: Sequence[Judgment]) -> str:
    return " ".join(dict.fromkeys(judgment.raw for judgment in judgments))
