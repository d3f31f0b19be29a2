"""Duplicates, near duplicates, contradictions."""

from __future__ import annotations

import random

import pytest

from harness.records import Check
from tests.trainers.audit.rows import asked, entries, prose, silent
from tests.trainers.tinychat import chat
from trainers.audit import repetition
from trainers.audit.duplicates import Neighbours, alike, same_words
from trainers.audit.entries import Entry
from trainers.audit.words import numbers, plain


def found(rows: list[Entry]) -> dict[str, Check]:
    return {check.name: check for check in repetition.checks(rows, near=0.9, progress=silent)}


def test_exact_duplicates_are_counted_once_each_and_the_first_is_named() -> None:
    checks = found(asked(("Say hi", "hi"), ("say hi!", "Hi."), ("Say hi", "hi"), ("say bye now", "bye")))
    assert checks["exact duplicates"].count == 2
    assert [(spot.line, spot.other) for spot in checks["exact duplicates"].spots] == [(2, "train.jsonl:1"), (3, "train.jsonl:1")]
    assert not checks["contradictions"].count


def test_another_system_prompt_makes_another_question() -> None:
    ask = [{"role": "user", "content": "Say something kind"}, {"role": "assistant", "content": "no"}]
    rows = entries({"messages": ask}, {"messages": [{"role": "system", "content": "Be rude"}, *ask]})
    assert not found(rows)["exact duplicates"].count


def test_a_mistyped_row_is_a_near_duplicate() -> None:
    one, two = prose(1, 20), prose(2, 20)
    checks = found(asked((one, two), (one.replace(one.split()[9], one.split()[9] + "x"), two)))
    assert checks["near duplicates"].count == 1
    assert checks["exact duplicates"].count == 0


def test_almost_the_same_question_with_another_answer_is_told_apart() -> None:
    one = prose(1, 20)
    checks = found(asked((one, prose(2, 20)), (one + "x", prose(3, 20))))
    assert (checks["near duplicates"].count, checks["near questions, other answers"].count) == (0, 1)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Yes, it is.", "No, it is not."),
        ("42", "43"),
        ("The sum is 42, as you see.", "The sum is 41, as you see."),
        ("Paris", "Rome"),
        ("是的", "不是"),
    ],
)
def test_answers_that_cannot_both_be_right_contradict(one: str, other: str) -> None:
    checks = found(asked(("What is it then, please?", one), ("what is it then please", other)))
    assert checks["contradictions"].count == 1
    assert checks["contradictions"].spots[0].other == "train.jsonl:1"


@pytest.mark.parametrize(("one", "other"), [("Paris", "It is Paris"), (prose(1, 20), prose(2, 30)), ("Paris.", "paris")])
def test_other_words_for_an_answer_do_not(one: str, other: str) -> None:
    assert not found(asked(("What is it then, please?", one), ("what is it then please", other)))["contradictions"].count


def test_an_answer_to_many_questions_is_noticed() -> None:
    rows = asked(
        *((prose(number, 8), "I am sorry, but I cannot help with that.") for number in range(6)), (prose(9, 8), prose(10, 8))
    )
    assert found(rows)["answers shared by many questions"].count == 6


def test_documents_without_questions_are_compared_too() -> None:
    rows = [
        Entry("train.jsonl", line, "", "", text, (), (text,))
        for line, text in enumerate([prose(1, 30), prose(1, 30) + "x", prose(2, 30)], 1)
    ]
    assert found(rows)["near duplicates"].count == 1


def test_hashing_finds_what_comparing_all_pairs_finds() -> None:
    draw = random.Random(0)
    texts = []
    for number in range(60):
        text = prose(number, 24).split()
        texts.append(" ".join(text))
        if number % 2:  # a copy with two mistyped words
            for place in draw.sample(range(24), 2):
                text[place] += "x"
            texts.append(" ".join(text))
    brute = {
        (one, other)
        for one in texts
        for other in texts
        if one < other and numbers(one) == numbers(other) and same_words(one, other) and alike(one, other) >= 0.9
    }
    neighbours = Neighbours(0.9)
    hashed = set()
    for text in texts:
        sketch = neighbours.sketch(plain(text))
        hashed |= {(min(text, near.key), max(text, near.key)) for near in neighbours.near(plain(text), sketch)}
        neighbours.add(text, plain(text), sketch)
    assert len(brute) == 30
    assert hashed == brute


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("the capital of france", "the capital of greece", False),
        ("the capital of france", "the capitol of france", True),
        ("old boat", "gold boat", False),
        (prose(1, 32), prose(1, 31) + " another", True),
        (prose(1, 15), prose(1, 14) + " another", False),
    ],
)
def test_typos_are_not_other_words(one: str, other: str, same: bool) -> None:
    assert same_words(one, other) is same


def test_the_turns_before_the_answer_are_the_question() -> None:
    rows = entries(chat("Hi", "Hello", "Who is it?", "Me"), chat("Hi", "Go away", "Who is it?", "You"))
    assert not found(rows)["contradictions"].count
