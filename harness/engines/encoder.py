"""A tokenizer that is asked about each text once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

KEPT_TOKENS = 1 << 20
"""Token ids that are remembered (about 36 MB); beyond that the texts met first are forgotten."""


class Encoder:
    """Texts to token ids, remembered. Candidates of one family share an encoder: they are asked the same texts."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self._known: dict[tuple[str, bool], list[int]] = {}
        self._held = 0

    def __call__(self, text: str, special: bool) -> list[int]:
        """Token ids of a text, a new list; ``special``: with the special tokens that the tokenizer adds."""
        if (text, special) not in self._known:
            self._keep(text, special, self.tokenizer.encode(text, add_special_tokens=special))
        return list(self._known[text, special])

    def learn(self, texts: Iterable[tuple[str, bool]]) -> None:
        """Tokenise texts in one go, so that asking for each costs nothing."""
        new = [entry for entry in dict.fromkeys(texts) if entry not in self._known]
        for special in (False, True):
            own = [text for text, adding in new if adding is special]
            if own:
                found = self.tokenizer(own, add_special_tokens=special, return_attention_mask=False, return_token_type_ids=False)
                for text, ids in zip(own, found["input_ids"], strict=True):
                    self._keep(text, special, ids)

    def _keep(self, text: str, special: bool, ids: list[int]) -> None:
        self._known[text, special] = ids
        self._held += len(ids) + 1
        while self._held > KEPT_TOKENS and len(self._known) > 1:
            self._held -= len(self._known.pop(next(iter(self._known)))) + 1
