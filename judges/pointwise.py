"""A judge that grades each answer alone; the grades of two answers are then compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.protocols import Conversation
from harness.records import Judgment
from judges.asking import Asker, messages_of
from judges.prompt import REFERENCE
from judges.verdict import Said


class Pointwise(Asker):
    """One judgment per pair. No answer sees the other, so that order cannot matter; that says nothing of other biases."""

    kind = "pointwise"
    version = "2"
    usual = "pointwise"

    @property
    def criteria(self) -> Mapping[str, float]:
        return {}

    def grade(self, question: Sequence[object], answer: str, *, reference: str = "") -> Conversation[Sequence[Judgment]]:
        """One judgment, the grade of one answer; with probabilities the expected grade."""
        said = self.read((yield self.ask(messages_of(question), {"answer": answer, REFERENCE: reference})))
        return (Judgment(score=self.mean(said), reason=said.reason, raw=said.raw),)

    def prefer(
        self, question: Sequence[object], answer: str, other: str, *, reference: str = ""
    ) -> Conversation[Sequence[Judgment]]:
        """One judgment, order ``alone``: 1 where ``answer`` has the better grade, ½ equal, 0 worse, None if either is unparsable.

        With probabilities: P(grade of answer > grade of other) + ½ P(equal), the two grades taken as independent.
        """
        messages = messages_of(question)
        own, others = (self.ask(messages, {"answer": text, REFERENCE: reference}) for text in (answer, other))
        completions = yield [*own, *others]
        mine, theirs = self.read(completions[: len(own)]), self.read(completions[len(own) :])
        reason = " · ".join(f"{who}: {said.reason}" for who, said in (("answer", mine), ("other", theirs)) if said.reason)
        raw = f"answer: {mine.raw}\nother: {theirs.raw}"
        return (Judgment(score=self._score(mine, theirs), reason=reason, raw=raw, order="alone"),)

    def _score(self, mine: Said, theirs: Said) -> float | None:
        if mine.shares is None or theirs.shares is None:
            return None
        score = 0.0
        for word, share in mine.shares.items():
            for other, weight in theirs.shares.items():
                ahead = float(self.value(word)) - float(self.value(other))
                score += share * weight * (1.0 if ahead > 0 else 0.5 if ahead == 0 else 0.0)
        return score
