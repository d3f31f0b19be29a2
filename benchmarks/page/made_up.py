"""Runs as a large gate leaves them, invented: texts as long as real ones and no easier to compress, flags, slices, errors, draws,
thinking, and judgments in both orders. The same for the same numbers, in seconds."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

from harness.gate import Policy, conclude
from harness.records import (
    Candidate,
    Conclusion,
    Fingerprints,
    Flag,
    Frame,
    Judgment,
    Measured,
    Metric,
    Rendered,
    Rule,
    Run,
    Sample,
)

BASELINE = "prod"
SKILL = (0.74, 0.66, 0.75, 0.78, 0.70, 0.73)
"""How often each is right, the baseline first."""
TOPICS, LANGUAGES = ("algebra", "history", "law", "medicine", "code", "cooking"), ("en", "en", "en", "zh")
JUDGED, DRAWN = 10, 8
"""One item in so many is judged, or drawn several times."""
DRAWS = 4

SYSTEM = "You are a helpful assistant. Answer in the language of the question."
_SPECIAL = ("<|im_start|>", "<|im_end|>")
_USER, _ANSWER = "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"
FRAMES = (
    Frame(parts=(_USER, 0, _ANSWER), special=_SPECIAL),
    Frame(parts=("<|im_start|>system\n", 0, "<|im_end|>\n" + _USER, 1, _ANSWER), special=_SPECIAL),
)
"""How the models see a question, without the system's words and with them."""

_ONSETS = ("b", "c", "d", "f", "g", "h", "l", "m", "n", "p", "r", "s", "t", "v", "br", "cl", "dr", "gr", "st", "tr", "th")
_VOWELS, _ENDS = ("a", "e", "i", "o", "u", "ea", "ou"), ("", "n", "r", "s", "t", "l")
_SMALL = ("the", "of", "and", "to", "a", "in", "is", "that", "it", "for", "as", "with", "was", "on", "be", "by", "not", "are")
_HAN = (
    "的一是不了人我在有他这为之大来以个中上们到说国和地也子时道出而要于就下得可你年生自会那后能对着事其里"
    "所去行过家十用发天如然作方成者多日都三小军二无同么经法当起与好看学进种将还分此心前面又定见只主没公从"
)


def gate(items: int, candidates: int, seed: int = 0) -> tuple[Conclusion, dict[tuple[str, str], Measured]]:
    """What ``reports.page`` takes: runs of a baseline and so many candidates, and what the gate concludes from them."""
    runs = measured(items, candidates, seed)
    rules = (
        Rule(metric="general/*/exact_match", require="non_inferior", margin=0.02),
        Rule(metric="answers/*/win", require="non_inferior", margin=0.05),
    )
    return conclude(runs, Policy(baseline=BASELINE, rules=rules), created="2026-11-20T11:00:00+00:00", environment={}), runs


def measured(items: int, candidates: int, seed: int = 0) -> dict[tuple[str, str], Measured]:
    """By suite and name: nine items in ten are questions with one right answer, the others are judged."""
    names = (BASELINE, *(f"week{47 + number}" for number in range(candidates)))
    writer = _Writer(seed)
    rows: dict[tuple[str, str], list[Sample]] = {(suite, name): [] for suite in ("general", "answers") for name in names}
    for number in range(items):
        suite = "answers" if number % JUDGED == 3 else "general"
        for name, sample in zip(names, _asked(number, len(names), suite, writer), strict=True):
            rows[suite, name].append(sample)
    return {
        (suite, name): _run(suite, name, samples, retained=suite == "general") for (suite, name), samples in rows.items() if samples
    }


class _Writer:
    """Words by Zipf's law, sentence after sentence; Chinese by characters. What is written is cut out of a long text anywhere, far
    enough apart for no compressor to notice."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        syllables = ["".join(parts) for parts in itertools.product(_ONSETS, _VOWELS, _ENDS)]
        words = ["".join(self.dice.choices(syllables, k=self.dice.choice((1, 2, 2, 3)))) for _ in range(6000)]
        self.texts = {"en": self._drawn((*_SMALL, *words), 1_000_000), "zh": self._drawn(_HAN, 300_000)}

    def _drawn(self, words: Sequence[str], count: int) -> list[str]:
        return self.dice.choices(words, weights=[1 / (rank + 2.7) for rank in range(len(words))], k=count)

    def write(self, characters: float, language: str) -> list[str]:
        """Words (or characters) of about so many characters together."""
        text = self.texts[language]
        size = max(1, min(4000, round(characters / (2.5 if language == "zh" else 6))))
        start = self.dice.randrange(len(text) - size)
        return text[start : start + size]

    def rewritten(self, words: Sequence[str], share: float, language: str) -> list[str]:
        """The same with some of the words replaced."""
        again = list(words)
        step = round(1 / share)
        for place in range(self.dice.randrange(step), len(again), step):
            again[place] = self.write(1, language)[0]
        return again


def _text(words: Sequence[str], language: str) -> str:
    size, gap, stop = (14, "", "。") if language == "zh" else (13, " ", ". ")
    return "".join(gap.join(words[start : start + size]) + stop for start in range(0, len(words), size)).strip()


def _asked(number: int, sides: int, suite: str, writer: _Writer) -> list[Sample]:
    """One item as everybody answered it. Answers of a family are alike: half of them are the baseline's with words replaced."""
    dice = writer.dice
    language = LANGUAGES[number % len(LANGUAGES)]
    topic = TOPICS[number // 7 % len(TOPICS)]
    prompt = f"Question {number}. {_text(writer.write(dice.lognormvariate(6.2, 0.6), language), language)}"
    target = str(dice.randrange(1000))
    first = writer.write(dice.lognormvariate(6.3, 0.7), language)
    hard, samples = dice.random(), []
    for side in range(sides):
        words = first if side == 0 else writer.rewritten(first, 0.2, language)
        if side and dice.random() < 0.5:
            words = writer.write(dice.lognormvariate(6.3, 0.7), language)
        draws = DRAWS if suite == "general" and number % DRAWN == 5 else 1
        right = [float(hard * 0.8 + dice.random() * 0.2 < SKILL[side % len(SKILL)]) for _ in range(draws)]
        answers = tuple(
            f"{_text(words if draw == 0 else words[: len(words) // 3], language)} #### {target if value else dice.randrange(1000)}"
            for draw, value in enumerate(right)
        )
        samples.append(_sample(number, suite, side, language, topic, prompt, target, answers, right, writer))
    return samples


def _sample(
    number: int, suite: str, side: int, language: str, topic: str, prompt: str, target: str,
    answers: tuple[str, ...], right: list[float], writer: _Writer,
) -> Sample:  # fmt: skip
    dice = writer.dice
    key, slices = f"{topic}-{number:05d}", {"language": language, "topic": topic}
    if dice.random() < 0.002:
        error = "EngineError: the request timed out after 3 tries"
        return Sample(key=key, task=topic, prompt=prompt, target=target, slices=slices, error=error)
    if suite == "answers":
        score = 0.5 if side == 0 else (right[0] + float(dice.random() < 0.5)) / 2
        said = (
            ()
            if side == 0
            else tuple(
                _opinion(order, criterion, score, writer) for order in ("left", "right") for criterion in ("helpful", "honest")
            )
        )
        flags: tuple[Flag, ...] = ("conflict",) if side and dice.random() < 0.05 else ()
        return Sample(
            key=key,
            task=topic,
            prompt=prompt,
            outputs=answers[:1],
            slices=slices,
            scores={"win": score},
            judgments=said,
            flags=flags,
            rendered=Rendered(frame=1, contents=(SYSTEM, (0, len(prompt)))),
        )
    thinks = number % 20 == 7
    return Sample(
        key=key,
        task=topic,
        prompt=prompt,
        target=target,
        outputs=answers,
        thinking=tuple(_text(writer.write(900, language), language) for _ in answers) if thinks else (),
        extracted=tuple(answer.rpartition("#### ")[2] for answer in answers),
        slices=slices,
        scores={"exact_match": sum(right) / len(right)},
        draws={"exact_match": right} if len(right) > 1 else {},
        flags=("truncated",) if dice.random() < 0.02 else (),
        rendered=Rendered(frame=0),
    )


def _opinion(order: str, criterion: str, score: float, writer: _Writer) -> Judgment:
    seen = min(1.0, max(0.0, score + writer.dice.choice((-0.5, 0.0, 0.0, 0.0, 0.5))))
    reason = _text(writer.write(160, "en"), "en")
    return Judgment(judge="grader", order="left" if order == "left" else "right", criterion=criterion, score=seen, reason=reason)


def _run(suite: str, name: str, samples: list[Sample], *, retained: bool) -> Measured:
    metric = {"exact_match": Metric(kind="binary")} if suite == "general" else {"win": Metric(kind="bounded")}
    run = Run(
        candidate=Candidate(name=name),
        suite=suite,
        use="prompted" if suite == "general" else "preference",
        fingerprints=Fingerprints(asked=f"asked {name}", weights=name),
        graded=f"{suite} {name}",
        items_hash="items",
        suite_hash="suite",
        metrics=metric,
        primary=next(iter(metric)),
        watched=("truncated",),
        frames=FRAMES,
        planned=len(samples),
        asked=len(samples),
        failed=sum(each.error is not None for each in samples),
        retained=retained,
    )
    return Measured(run=run, samples=tuple(samples))
