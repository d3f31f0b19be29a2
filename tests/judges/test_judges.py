"""Pairwise and pointwise judges: what they ask, and how they read what they hear."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.errors import ConfigError, EngineError
from harness.protocols import Conversation, Judge
from harness.records import Completion, Judgment, Message, Request
from judges.lockstep import together
from judges.pairwise import Pairwise
from judges.pointwise import Pointwise
from judges.prompt import Criterion
from judges.rubric import Rubric
from tests.judges.talks import hold, says

QUESTION = (Message(role="user", content="2+2?"),)


def scores(judgments: Sequence[Judgment]) -> list[float | None]:
    return [judgment.score for judgment in judgments]


# ---------------------------------------------------------------------------------------------------------- pairwise


def test_pairwise_asks_in_both_orders_at_temperature_zero_of_the_named_engine() -> None:
    judgments, asked = hold(Pairwise("j", prompt="lab_pairwise").prefer(QUESTION, "four", "five"), says("A", "B"))
    assert scores(judgments) == [1.0, 1.0]
    assert [judgment.order for judgment in judgments] == ["left", "right"]
    assert [request.to for request in asked] == ["j", "j"]
    assert {request.temperature for request in asked} == {0.0}
    assert "[Answer A]\nfour\n[Answer B]\nfive" in asked[0].messages[0].content
    assert "[Answer A]\nfive\n[Answer B]\nfour" in asked[1].messages[0].content


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("A", "A"), [1.0, 0.0]),  # always the first slot: a conflict, whose mean is a tie
        (("B", "B"), [0.0, 1.0]),
        (("tie", "tie"), [0.5, 0.5]),
        (("B", "A"), [0.0, 0.0]),
        (("A", "none of them"), [1.0, None]),
        (("", ""), [None, None]),
        ((" a.", "**B**"), [1.0, 1.0]),
        (("Answer A", "AB"), [None, None]),
    ],
)
def test_verdict_words_become_scores_and_nothing_is_guessed(words: tuple[str, str], expected: list[float | None]) -> None:
    judgments, _ = hold(Pairwise("j", prompt="lab_pairwise").prefer(QUESTION, "x", "y"), says(*words))
    assert scores(judgments) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"reason": "right", "verdict": "A"}', 1.0),
        ('```json\n{"reason": "both {fine}", "verdict": "tie"}\n```', 0.5),
        ('{"verdict": "B"}', 0.0),
        ('{"verdict": "C"}', None),
        ('{"verdict": true}', None),
        ('{"verdict": ["A"]}', None),
        ('["A"]', None),
        ("A", None),
        ('{"reason": "cut off', None),
        ('{"reason": "said", "verdict": "A" \n\n\t  ', 1.0),
        ('{"reason": "said", "verdict": "A', None),
        ('{"reason": "{}", "verdict": "B"', 0.0),
        ("{" * 5000, None),
    ],
)
def test_a_json_verdict_is_on_the_menu_or_unparsable(text: str, expected: float | None) -> None:
    judgments, asked = hold(Pairwise("j").prefer(QUESTION, "x", "y"), lambda request: Completion(text=text))
    assert judgments[0].score == expected
    assert judgments[0].raw == text
    assert asked[0].schema is not None


def test_the_judges_reason_is_kept_and_a_cut_off_verdict_says_so() -> None:
    judgments, _ = hold(Pairwise("j").prefer(QUESTION, "x", "y"), lambda request: Completion(text='{"reason":"so","verdict":"A"}'))
    assert judgments[0].reason == "so"
    cut, _ = hold(Pairwise("j").prefer(QUESTION, "x", "y"), lambda request: Completion(text='{"rea', finish="length"))
    assert "cut off by max_tokens" in cut[0].reason


def test_probabilities_of_the_verdict_words_give_fractional_scores() -> None:
    mass = {"A": 0.6, "B": 0.2, "tie": 0.0}

    def reply(request: Request) -> Completion:
        assert request.kind == "score"
        share = mass[request.continuation or ""]
        return Completion(logprob=math.log(share) if share else -math.inf)

    judgments, asked = hold(Pairwise("j", prompt="lab_pairwise", probabilities=True).prefer(QUESTION, "x", "y"), reply)
    assert len(asked) == 6
    assert scores(judgments) == pytest.approx([0.75, 0.25])


def test_shares_do_not_depend_on_what_all_verdict_words_have_in_common() -> None:
    judge = Pairwise("j", prompt="lab_pairwise", probabilities=True)
    words = {"A": -2000.0, "B": -2001.0, "tie": -math.inf}
    judgments, _ = hold(judge.prefer(QUESTION, "x", "y"), lambda request: Completion(logprob=words[request.continuation or ""]))
    share = 1 / (1 + math.exp(-1))
    assert scores(judgments) == pytest.approx([share, 1 - share])


def test_verdict_words_without_any_probability_are_unparsable() -> None:
    judge = Pairwise("j", prompt="lab_pairwise", probabilities=True)
    judgments, _ = hold(judge.prefer(QUESTION, "x", "y"), lambda request: Completion(logprob=-math.inf))
    assert scores(judgments) == [None, None]


def test_an_engine_without_log_probabilities_is_an_error_not_a_verdict() -> None:
    judge = Pairwise("j", prompt="lab_pairwise", probabilities=True)
    with pytest.raises(EngineError, match="log-probability"):
        hold(judge.prefer(QUESTION, "x", "y"), lambda request: Completion(text="A"))


# ---------------------------------------------------------------------------------------------------------- pointwise


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("[good]", "[bad]"), 1.0),
        (("[bad]", "[good]"), 0.0),
        (("[good]", "[good]"), 0.5),
        (("[good]", "well"), None),
        (("good", "[bad]"), None),
    ],
)
def test_pointwise_compares_two_grades_given_apart(words: tuple[str, str], expected: float | None) -> None:
    judgments, asked = hold(Pointwise("j", prompt="lab_pointwise").prefer(QUESTION, "four", "five"), says(*words))
    assert scores(judgments) == [expected]
    assert judgments[0].order == "alone"
    assert [request.messages[1].content for request in asked] == ["four", "five"]


def test_pointwise_grades_on_a_scale() -> None:
    judgments, _ = hold(
        Pointwise("j").prefer(QUESTION, "x", "y"), says('{"reason":"a","verdict":"4"}', '{"reason":"b","verdict":2}')
    )
    assert scores(judgments) == [1.0]
    assert judgments[0].reason == "answer: a · other: b"


def test_pointwise_probabilities_give_the_chance_of_a_better_grade() -> None:
    replies = iter([0.8, 0.2, 0.5, 0.5])
    judge = Pointwise("j", prompt="lab_pointwise", probabilities=True)
    judgments, _ = hold(judge.prefer(QUESTION, "x", "y"), lambda request: Completion(logprob=math.log(next(replies))))
    assert scores(judgments) == pytest.approx([0.8 * 0.5 + 0.5 * (0.8 * 0.5 + 0.2 * 0.5)])


def test_both_sides_of_a_pair_swap_the_score() -> None:
    for judge in (Pairwise("j", prompt="lab_pairwise"), Pointwise("j", prompt="lab_pointwise")):

        def reply(request: Request) -> Completion:
            text = request.messages[0].content
            if len(request.messages) > 1:
                return Completion(text="[good]" if request.messages[1].content == "four" else "[bad]")
            return Completion(text="A" if "[Answer A]\nfour" in text else "B")

        one, _ = hold(judge.prefer(QUESTION, "four", "five"), reply)
        two, _ = hold(judge.prefer(QUESTION, "five", "four"), reply)
        assert set(scores(one)) == {1.0}
        assert set(scores(two)) == {0.0}


# -------------------------------------------------------------------------------------------------------- identity


def test_a_judges_fingerprint_covers_prompt_and_options_but_not_the_engines_name(tmp_path: Path) -> None:
    text = '+++\nkind = "pairwise"\nanswer = "word"\nverdicts = { A = "left", B = "right" }\n+++\n{question}{left}{right}'
    (tmp_path / "p.md").write_text(text, encoding="utf-8")
    first = Pairwise("j", prompt="p.md", folder=tmp_path).fingerprint()
    assert first == Pairwise("other", prompt="p.md", folder=tmp_path).fingerprint()
    assert first != Pairwise("j", prompt="p.md", folder=tmp_path, probabilities=True).fingerprint()
    assert first != Pairwise("j", prompt="p.md", folder=tmp_path, max_tokens=9).fingerprint()
    (tmp_path / "p.md").write_text(text + "?", encoding="utf-8")
    assert first != Pairwise("j", prompt="p.md", folder=tmp_path).fingerprint()


def test_both_are_judges() -> None:
    judges: list[Judge] = [Pairwise("j"), Pointwise("j")]
    assert len({judge.fingerprint() for judge in judges}) == 2


def test_impossible_options_are_config_errors() -> None:
    with pytest.raises(ConfigError, match="bare word"):
        Pairwise("j", probabilities=True, where="suites[0]")
    with pytest.raises(ConfigError, match="at least 1"):
        Pairwise("j", max_tokens=0)
    with pytest.raises(ConfigError, match="use = 'pointwise'"):
        Pairwise("j", prompt="pointwise")


def test_conversations_driven_together_keep_their_results_apart() -> None:
    def talk(turns: int) -> Conversation[str]:
        heard = []
        for turn in range(turns):
            completions = yield [Request(prompt=f"{turns}.{turn}"), Request(prompt="also")]
            heard.append(completions[0].text)
        return ",".join(heard)

    result, asked = hold(together([talk(2), talk(0), talk(1)]), lambda request: Completion(text=f"<{request.prompt}>"))
    assert result == ["<2.0>,<2.1>", "", "<1.0>"]
    assert [request.prompt for request in asked] == ["2.0", "also", "1.0", "also", "2.1", "also"]


def test_requests_are_the_same_every_time_so_that_the_journal_answers_them() -> None:
    def asked() -> str:
        _, requests = hold(Pairwise("j").prefer(QUESTION, "x", "y"), lambda request: Completion(text=json.dumps({"verdict": "A"})))
        return repr(requests)

    assert asked() == asked()


def test_rubrics_with_equal_weighted_grades_tie_whatever_floating_point_says() -> None:
    """0.1 · 1 + 0.2 · 1 + 0.3 · 2 = 0.1 · 2 + 0.2 · 2 + 0.3 · 1 = 0.9, which differ in their last digit; both are asked at once."""
    criteria = {name: Criterion(about=name, weight=weight) for name, weight in (("a", 0.1), ("b", 0.2), ("c", 0.3))}
    grades = [{"a": "1", "b": "1", "c": "2"}, {"a": "2", "b": "2", "c": "1"}]
    conversation = Rubric("j", criteria=criteria).prefer(QUESTION, "x", "y")
    assert len(next(conversation)) == 2
    with pytest.raises(StopIteration) as end:
        conversation.send([Completion(text=json.dumps({"reason": "", **each})) for each in grades])
    assert scores(end.value.value) == [0.5]
