"""How much an answer overlaps with its references: BLEU, chrF and TER as sufficient statistics, ROUGE per item.

BLEU, chrF and TER are sacrebleu's (signature ``case:mixed eff:no smooth:exp``, ``nc:6 nw:0``, tercom), ROUGE is rouge-score's with
one change: its own tokenizer drops every character that is not ASCII, so that Chinese ROUGE would be 0; ours keeps words of any
script and takes each CJK character as a word. For ASCII text both give the same.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any, Literal

Tokenisation = Literal["13a", "zh", "intl", "char", "none"]

_CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_KANA = "\u3040-\u30ff\u31f0-\u31ff"
_HAN = re.compile(f"[{_CJK}]")
_JAPANESE = re.compile(f"[{_KANA}]")
_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile(rf"[{_CJK}{_KANA}]|[^\W_{_CJK}{_KANA}]+")

BOUND = 20_000
"""Characters of an answer that are compared at most: the longest common subsequence takes quadratic time."""


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
def _ter() -> Any:
    from sacrebleu.metrics import TER

    return TER()


def bleu_statistics(answer: str, references: Sequence[str], tokenisation: Tokenisation) -> list[float]:
    """[system length, reference length, correct 1–4, total 1–4]; the reference closest in length counts."""
    return _statistics(_bleu(tokenisation), answer, references)


def chrf_statistics(answer: str, references: Sequence[str], word_order: int = 0) -> list[float]:
    """[hypothesis, reference, match] n-grams for each of six orders (chrF++: and of two of words); the best reference counts."""
    return _statistics(_chrf(word_order), answer, references)


def ter_statistics(answer: str, references: Sequence[str]) -> list[float]:
    """[edits to the nearest reference, average words of the references]."""
    return _statistics(_ter(), answer, references)


def _statistics(metric: Any, answer: str, references: Sequence[str]) -> list[float]:
    (statistics,) = metric._extract_corpus_statistics([_encodable(answer)], [[reference] for reference in references])
    return [float(value) for value in statistics]


def _encodable(text: str) -> str:
    """Lone surrogates, which no tokenizer reads, become question marks; overlong answers are cut."""
    return text[:BOUND].encode("utf-8", "replace").decode("utf-8")


class _Words:
    """The tokenizer that rouge-score asks for."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)


@functools.cache
def _rouge() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rouge1", "rouge2", "rougeL"], tokenizer=_Words())


def rouge(answer: str, references: Sequence[str]) -> dict[str, float]:
    """F of rouge1, rouge2, rougeL against the best reference, 0 to 1."""
    found = _rouge().score_multi(list(references), _encodable(answer))
    return {name: float(score.fmeasure) for name, score in found.items()}


def length_ratio(answer: str, references: Sequence[str]) -> float:
    """Words of the answer for each word of the nearest reference."""
    size = len(words(answer[:BOUND]))
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
