"""A judge that reads two answers together and says which is better: always in both orders, because judges favour a side."""

from __future__ import annotations

from collections.abc import Sequence

from harness.protocols import Conversation
from harness.records import Judgment
from judges.asking import Asker, messages_of
from judges.prompt import REFERENCE
from judges.verdict import Said


class Pairwise(Asker):
    """Two judgments per pair, one per order; where they contradict each other, their mean is a tie."""

    kind = "pairwise"
    version = "2"
    usual = "pairwise"

    def prefer(
        self, question: Sequence[object], answer: str, other: str, *, reference: str = ""
    ) -> Conversation[Sequence[Judgment]]:
        """Judgments with ``order`` left and right: where ``answer`` stood. Score 1 answer, ½ tie, 0 other, None unparsable."""
        messages = messages_of(question)
        first = self.ask(messages, {"left": answer, "right": other, REFERENCE: reference})
        second = self.ask(messages, {"left": other, "right": answer, REFERENCE: reference})
        completions = yield [*first, *second]
        said = self.read(completions[: len(first)]), self.read(completions[len(first) :])
        return (
            Judgment(score=self._score(said[0], "left"), reason=said[0].reason, raw=said[0].raw, order="left"),
            Judgment(score=self._score(said[1], "right"), reason=said[1].reason, raw=said[1].raw, order="right"),
        )

    def _score(self, said: Said, side: str) -> float | None:
        if said.shares is None:
            return None
        worth = {side: 1.0, "tie": 0.5}
        return sum(share * worth.get(str(self.value(word)), 0.0) for word, share in said.shares.items())
