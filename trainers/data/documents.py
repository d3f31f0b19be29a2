"""Documents that are trained whole: every token after the first, and the end of the document."""

from __future__ import annotations

from trainers.data.masks import Template, Tokens


def document(template: Template, text: str) -> Tokens:
    """The tokens of a text, with those that the tokenizer puts around it, and the end-of-sequence token."""
    ids = list(template.tokenizer(text, verbose=False)["input_ids"])
    end = template.tokenizer.eos_token_id
    if end is not None and ids[-1:] != [end]:
        ids.append(end)
    return Tokens(ids, [0.0, *[1.0] * (len(ids) - 1)])


def pieces_of(tokens: Tokens, max_length: int) -> list[Tokens]:
    """The document in pieces of at most ``max_length`` tokens (2 or more). Each begins with the token that the one before ended
    with, so that every token is trained once."""
    starts = range(0, max(1, len(tokens.ids) - 1), max_length - 1)
    return [Tokens(ids, [0.0, *[1.0] * (len(ids) - 1)]) for ids in (tokens.ids[start : start + max_length] for start in starts)]
