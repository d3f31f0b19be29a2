"""Items of several turns: the model's own answers, or gold ones, stand between the questions; the last answer is graded."""

from __future__ import annotations

import pytest

from harness.errors import ConfigError
from harness.records import Completion
from suites.forgetting import Forgetting
from suites.generation import Generation
from suites.items import readable
from suites.prompted import Prompted

ROWS = [{"key": "k", "turns": ["one?", "two?", "three?"], "target": "3"}]
GOLD = [{**ROWS[0], "replies": ["1", "2"]}]


def _said(request):
    return [(message.role, message.content) for message in request.messages]


def test_each_turn_is_asked_after_the_models_own_answers(jsonl, builds, converses, grades):
    suite = builds(Prompted, items=str(jsonl(ROWS)), system="Be brief.")

    def reply(request):
        return Completion(text=f"a{len(request.messages)}", reasoning="hidden")

    answer, asked = converses(suite, next(iter(suite.items())), reply)
    assert _said(asked[0]) == [("system", "Be brief."), ("user", "one?")]
    assert _said(asked[2]) == [
        ("system", "Be brief."),
        ("user", "one?"),
        ("assistant", "a2"),
        ("user", "two?"),
        ("assistant", "a4"),
        ("user", "three?"),
    ]
    assert [completion.text for completion in answer.completions] == ["a2", "a4", "a6"]


def test_the_last_answer_is_graded_and_all_are_kept(jsonl, builds, grades):
    suite = builds(Prompted, items=str(jsonl(ROWS)))
    right_at_last = grades(suite, lambda request: "3" if len(request.messages) == 5 else "no")["k"]
    assert right_at_last.scores == {"exact_match": 1.0}
    assert right_at_last.outputs == ("3", "no", "no")
    assert grades(suite, lambda request: "3" if len(request.messages) < 5 else "no")["k"].scores == {"exact_match": 0.0}


def test_every_draw_has_a_history_and_seeds_of_its_own(jsonl, builds, converses, grades):
    suite = builds(Prompted, items=str(jsonl(ROWS)), draws=2, temperature=0.7)

    def reply(request):
        return "3" if len(request.messages) == 5 and request.draw == 1 else f"draw {request.draw} turn {len(request.messages)}"

    _, asked = converses(suite, next(iter(suite.items())), reply)
    assert [request.draw for request in asked] == [0, 1, 0, 1, 0, 1]
    assert len({request.seed for request in asked}) == 6
    assert _said(asked[5])[1::2] == [("assistant", "draw 1 turn 1"), ("assistant", "draw 1 turn 3")]
    sample = grades(suite, reply)["k"]
    assert sample.draws == {"exact_match": [0.0, 1.0]}
    assert sample.outputs[:3] == ("draw 0 turn 5", "3", "draw 0 turn 1")
    single = builds(Prompted, items=str(jsonl([{"key": "k", "prompt": "one?", "target": "3"}])), draws=2, temperature=0.7)
    _, alone = converses(single, next(iter(single.items())), reply)
    assert alone == asked[:2]  # the first turn is what it would be alone, in every journal


def test_gold_history_asks_only_the_last_turn(jsonl, builds, converses, grades):
    suite = builds(Prompted, items=str(jsonl(GOLD)), history="gold")
    _, (request,) = converses(suite, next(iter(suite.items())), lambda _: "3")
    assert [content for _, content in _said(request)] == ["one?", "1", "two?", "2", "three?"]
    assert grades(suite, lambda _: "3")["k"].outputs == ("3",)


def test_the_two_histories_differ_in_fingerprint_and_people_can_read_both(jsonl, builds):
    own = builds(Prompted, items=str(jsonl(GOLD)))
    gold = builds(Prompted, items=str(jsonl(GOLD)), history="gold")
    assert own.fingerprint() != gold.fingerprint()
    shorter = builds(Prompted, items=str(jsonl([{**ROWS[0], "turns": ["one?", "two?"]}])))
    assert own.fingerprint() != shorter.fingerprint()
    (item,), (golden,) = own.items(), gold.items()
    assert (
        readable(item) == "user: one?\n\nassistant: (its own answer)\n\nuser: two?\n\nassistant: (its own answer)\n\nuser: three?"
    )
    assert "assistant: 2\n\nuser: three?" in readable(golden)


def test_a_single_turn_is_a_prompt(jsonl, builds, converses):
    suite = builds(Prompted, items=str(jsonl([{"key": "k", "turns": ["one?"], "target": 1}])))
    (item,) = suite.items()
    assert readable(item) == "one?"
    assert len(converses(suite, item, lambda _: "1")[1]) == 1


def test_questions_of_the_forgetting_suite_may_have_turns_too(jsonl, builds, grades):
    suite = builds(Forgetting, items=str(jsonl(ROWS)))
    assert grades(suite, lambda request: "3" if len(request.messages) == 5 else "no")["k"].scores == {"exact_match": 1.0}


@pytest.mark.parametrize(
    ("row", "options", "says"),
    [
        ({"turns": []}, {}, "line 1: turns is []"),
        ({"turns": "one?"}, {}, "non-empty list"),
        ({"turns": ["one?", " "]}, {}, r"turns[1] is ' '"),
        ({"turns": ["one?", 2]}, {}, r"turns[1] is 2"),
        ({"turns": ["one?"], "prompt": "x"}, {}, "both 'prompt' and 'turns'"),
        ({"prompt": "x", "replies": ["a"]}, {}, "'replies' stand between 'turns'"),
        ({"turns": ["one?", "two?"]}, {"history": "gold"}, "hence 1"),
        ({"turns": ["one?", "two?"], "replies": ["a", "b"]}, {"history": "gold"}, "hence 1"),
        ({"turns": ["one?", "two?"], "replies": [1]}, {"history": "gold"}, "replies is [1]"),
        ({"turns": ["one?", "two?"], "replies": "a"}, {"history": "gold"}, "replies is 'a'"),
    ],
)
def test_bad_turns_are_named_by_their_line(jsonl, builds, row, options, says):
    with pytest.raises(ConfigError) as error:
        builds(Prompted, items=str(jsonl([{"target": 1, **row}])), **options)
    assert says in str(error.value)
    assert "line 1" in str(error.value)


def test_a_suite_that_asks_once_refuses_turns(jsonl, builds):
    with pytest.raises(ConfigError, match="this suite asks once"):
        builds(Generation, items=str(jsonl([{"turns": ["a", "b"], "references": "x"}])))
