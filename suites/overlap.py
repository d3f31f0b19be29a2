"""How much an answer overlaps with its references: BLEU, chrF and TER as sufficient statistics, ROUGE per item.

BLEU, chrF and TER are sacrebleu's (signature ``case:mixed eff:no smooth:exp``, ``nc:6 nw:0``, tercom), ROUGE is rouge-score's with
one change: its own tokenizer drops every character that is not ASCII, so that Chinese ROUGE would be 0; ours keeps words of any
script and takes each CJK character as a word. For ASCII text both give the same. TER of Chinese and Japanese is by character, as
tercom's ``asian`` switch has it; without it a sentence would be one word.
"""

from __future__ import annotations

import functools
import importlib.util
import re
from collections.abc import Sequence
from typing import Any, Literal

from suites.checks.terms import CJK, KANA
from suites.scripts import SPACELESS

Tokenisation = Literal["13a", "zh", "ja-mecab", "intl", "char", "none"]
Rouge = Literal["rouge1", "rouge2", "rougeL", "rougeLsum"]

_HAN = re.compile(f"[{CJK}]")
_JAPANESE = re.compile(f"[{KANA}]")
_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile(rf"[{SPACELESS}]|[^\W_{SPACELESS}]+")

BOUND = 20_000
"""Characters of an answer that are compared at most."""
FEWEST = 100
"""Words of an answer that TER compares at least; more where a reference has more than half as many."""

BY_CHARACTER: tuple[Tokenisation, ...] = ("zh", "ja-mecab", "char")
"""What Chinese and Japanese are read with; TER then counts characters."""
_MECAB = {"MeCab": "mecab-python3", "ipadic": "ipadic"}


def tokenisation_for(references: Sequence[str]) -> Tokenisation:
    """By script: ``zh`` where three letters in ten are Chinese, ``char`` where kana are among them, else ``13a``."""
    text = "".join(references)
    letters, han, kana = len(_LETTER.findall(text)), len(_HAN.findall(text)), len(_JAPANESE.findall(text))
    if not letters or (han + kana) / letters < 0.3:
        return "13a"
    return "char" if kana else "zh"


def words(text: str) -> list[str]:
    """Lower-case words of any script; every CJK character is one."""
    return _WORD.findall(text.lower())


@functools.cache
def _bleu(tokenisation: str) -> Any:
    from sacrebleu.metrics import BLEU

    return BLEU(tokenize=tokenisation, force=True)


@functools.cache
def _chrf(word_order: int) -> Any:
    from sacrebleu.metrics import CHRF

    return CHRF(word_order=word_order)


@functools.cache
def _ter(by_character: bool) -> Any:
    from sacrebleu.metrics import TER

    return TER(normalized=by_character, asian_support=by_character)


def bleu_statistics(answer: str, references: Sequence[str], tokenisation: Tokenisation) -> list[float]:
    """[system length, reference length, correct 1–4, total 1–4]; the reference closest in length counts."""
    return _statistics(_bleu(tokenisation), answer, references)


def chrf_statistics(answer: str, references: Sequence[str], word_order: int = 0) -> list[float]:
    """[hypothesis, reference, match] n-grams for each of six orders (chrF++: and of two of words); the best reference counts."""
    return _statistics(_chrf(word_order), answer, references)


def ter_statistics(answer: str, references: Sequence[str], by_character: bool = False) -> list[float]:
    """[edits to the nearest reference, average words of the references]; ``by_character``: of Chinese and Japanese, characters.

    Shifts are looked for in the first ``FEWEST`` words, or in twice as many as the longest reference has; what comes after is to be
    deleted, word by word. (Through text without end the search would take minutes, and change little.)
    """
    metric = _ter(by_character)
    words, *wanted = (metric._preprocess_segment(_clean(text)).split() for text in (answer, *references))
    read = max(FEWEST, 2 * max(map(len, wanted)))
    edits, length = metric._compute_segment_statistics(" ".join(words[:read]), {"ref_words": wanted})
    return [float(edits + len(words[read:])), float(length)]


def lacks(tokenisation: str) -> str | None:
    """What to install before this tokeniser can be used; None where nothing is missing."""
    if tokenisation != "ja-mecab":
        return None
    missing = [package for module, package in _MECAB.items() if importlib.util.find_spec(module) is None]
    return f"{' and '.join(missing)} (pip install 'sftgate[japanese]')" if missing else None


def signature(metric: str, tokenisation: str, references: int) -> str:
    """sacrebleu's own description of a score, its version included; ``references`` per item, -1 where items differ in it."""
    from sacrebleu.metrics import BLEU, CHRF, TER

    by_character = tokenisation in BY_CHARACTER
    made: Any = {
        "bleu": lambda: BLEU(tokenize=tokenisation),
        "chrf": CHRF,
        "chrf++": lambda: CHRF(word_order=2),
        "ter": lambda: TER(normalized=by_character, asian_support=by_character),
    }[metric]()
    made.num_refs = references
    return str(made.get_signature())


def _statistics(metric: Any, answer: str, references: Sequence[str]) -> list[float]:
    (statistics,) = metric._extract_corpus_statistics([_encodable(answer)], [[reference] for reference in references])
    return [float(value) for value in statistics]


def _encodable(text: str) -> str:
    """What is read of an answer."""
    return _clean(text[:BOUND])


def _clean(text: str) -> str:
    """Lone surrogates, which no tokenizer reads, become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


class _Words:
    """The tokenizer that rouge-score asks for."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)


@functools.cache
def _rouge(kinds: tuple[Rouge, ...]) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(list(kinds), tokenizer=_Words())


def rouge(answer: str, references: Sequence[str], kinds: tuple[Rouge, ...] = ("rouge1", "rouge2", "rougeL")) -> dict[str, float]:
    """F of each kind against its best reference, 0 to 1. rougeLsum takes lines as sentences."""
    read, theirs = _encodable(answer), tuple(kind for kind in kinds if kind != "rougeL")
    found = _rouge(theirs).score_multi(list(references), read) if theirs else {}
    scores = {name: float(score.fmeasure) for name, score in found.items()}
    if "rougeL" in kinds:
        own = words(read)
        scores["rougeL"] = max(_longest(own, words(reference)) for reference in references)
    return {kind: scores[kind] for kind in kinds}


def _longest(own: Sequence[str], wanted: Sequence[str]) -> float:
    """F of the longest common subsequence, with a bit for each word (Hyyrö 2004): a table of long texts would take gigabytes."""
    places: dict[str, int] = {}
    for place, word in enumerate(wanted):
        places[word] = places.get(word, 0) | 1 << place
    full = row = (1 << len(wanted)) - 1
    for word in own:
        matched = row & places.get(word, 0)
        row = (row + matched | row - matched) & full
    common = len(wanted) - row.bit_count()
    return 2 * common / (len(own) + len(wanted)) if common else 0.0


def length_ratio(answer: str, references: Sequence[str]) -> float:
    """Words of the answer for each word of the nearest reference."""
    size = len(words(answer))
    return size / max(1, min((len(words(reference)) for reference in references), key=lambda length: abs(length - size)))


def repetition(answer: str, order: int = 4) -> float:
    """Share of the answer's word 4-grams that were there before: 0 for fluent text, near 1 for a loop."""
    grams = _grams(answer, order)
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def distinct(answer: str, order: int) -> float:
    """Different n-grams among all n-grams of the answer (distinct-n, Li et al. 2016); 0 where there is none."""
    grams = _grams(answer, order)
    return len(set(grams)) / len(grams) if grams else 0.0


def _grams(answer: str, order: int) -> list[tuple[str, ...]]:
    tokens = words(answer[:BOUND])
    return list(zip(*(tokens[start:] for start in range(order)), strict=False))
