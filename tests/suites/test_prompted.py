"""The prompted suite: what it asks, how it grades, and how it refuses bad input."""

from __future__ import annotations

import gzip
import time
from pathlib import Path

import pytest

from harness.errors import ConfigError
from harness.records import Answer, Completion
from suites.prompted import Prompted

ROWS = [
    {"key": "a", "prompt": "2+2?", "target": "4", "cluster": "sums", "slices": {"language": "en"}, "weight": 2},
    {"prompt": "首都?", "target": ["北京", "Beijing"], "task": "geo"},
]


def test_items_keep_keys_tasks_clusters_slices_and_weights(jsonl, builds):
    suite = builds(Prompted, items=str(jsonl(ROWS, "sums.jsonl")))
    first, second = suite.items()
    assert (first.key, first.task, first.cluster, first.slices, first.weight) == ("a", "sums", "sums", {"language": "en"}, 2.0)
    assert second.task == "geo"
    assert len(second.key) == 16


def test_every_sampling_parameter_is_sent_and_the_draws_differ_only_in_seed_and_number(jsonl, builds, converses):
    options = {"temperature": 0.7, "top_p": 0.8, "top_k": 20, "max_tokens": 9, "draws": 3, "system": "Be brief.", "stop": ("\n",)}
    suite = builds(Prompted, items=str(jsonl(ROWS)), **options)
    answer, asked = converses(suite, next(iter(suite.items())), lambda request: "4")
    assert len(asked) == len(answer.completions) == 3
    assert {(r.temperature, r.top_p, r.top_k, r.max_tokens, r.stop, r.item) for r in asked} == {(0.7, 0.8, 20, 9, ("\n",), "a")}
    assert [r.draw for r in asked] == [0, 1, 2]
    assert len({r.seed for r in asked}) == 3
    assert [m.role for m in asked[0].messages] == ["system", "user"]


def test_what_was_read_of_an_answer_is_kept_beside_it_and_none_where_nothing_could_be(jsonl, builds, grades):
    said = {"a": "so #### 4", "b": "four"}
    rows = [{"key": key, "prompt": key, "target": "4"} for key in said]
    found = grades(builds(Prompted, items=str(jsonl(rows)), after="####"), lambda request: said[request.item])
    assert {key: sample.extracted for key, sample in found.items()} == {"a": ("4",), "b": (None,)}
    assert found["a"].outputs == ("so #### 4",)
    whole = grades(builds(Prompted, items=str(jsonl(rows))), lambda request: said[request.item])
    assert whole["a"].extracted == ()


def test_of_numbers_the_one_that_was_compared_is_kept(jsonl, builds, grades):
    said = {"a": "12 of them, so 1,234.50 in all", "b": "three", "c": "#### 3/4 of 8"}
    rows = [{"key": key, "prompt": key, "target": "4"} for key in said]
    found = grades(builds(Prompted, items=str(jsonl(rows)), score="numeric"), lambda request: said[request.item])
    assert {key: sample.extracted for key, sample in found.items()} == {"a": ("1234.5",), "b": (None,), "c": ("0.75",)}
    both = grades(builds(Prompted, items=str(jsonl(rows)), score=("numeric", "contains")), lambda request: said[request.item])
    assert both["a"].extracted == (), "two scores read it, each in its own way"


def test_thinking_is_kept_beside_the_answers_beginning_and_end_of_it(jsonl, builds):
    suite = builds(Prompted, items=str(jsonl(ROWS[:1])), draws=2, temperature=1.0)
    thoughts = ("first " + "x" * 20_000 + " last", None)
    answer = Answer(key="a", completions=tuple(Completion(text="4", reasoning=thought) for thought in thoughts))
    (sample,) = suite.grade([answer], {}, {})
    assert sample.thinking[0].startswith("first xxx")
    assert sample.thinking[0].endswith("xxx last")
    assert "12,011 characters left out" in sample.thinking[0]
    assert (len(sample.thinking[0]) < 8100, sample.thinking[1]) == (True, "")
    (plain,) = suite.grade([Answer(key="a", completions=(Completion(text="4"),) * 2)], {}, {})
    assert plain.thinking == ()


def test_the_score_is_the_mean_over_draws_and_each_draw_is_kept(jsonl, builds, grades):
    suite = builds(Prompted, items=str(jsonl(ROWS[:1])), draws=4, temperature=1.0)
    sample = grades(suite, lambda request: "4" if request.draw == 0 else "5")["a"]
    assert sample.scores == {"exact_match": 0.25}
    assert sample.draws == {"exact_match": [1.0, 0.0, 0.0, 0.0]}
    assert suite.metrics["exact_match"].kind == "bounded"


@pytest.mark.parametrize(
    ("score", "target", "right", "wrong"),
    [
        ("exact_match", "Paris", " Paris\n", "paris"),
        ("exact_match", ["a", "b"], "b", "c"),
        ("exact_match", 4, "4", "5"),
        ("contains", "Paris", "It is Paris.", "It is Rome."),
        ("regex", r"\bcat(s)?\b", "two cats", "category"),
        ("json_equal", {"on": True, "n": 1}, 'ok {"n": 1.0, "on": true}', '{"n": 1, "on": 1}'),
        ("json_equal", '{"a": [1]}', '{"a": [1]}', '{"a": [1, 2]}'),
        ("numeric", 42, "so 42.0", "so 41"),
        ("numeric", "#### 1,234", "#### 1234", "1235"),
        ("numeric", [1, 2], "2", "3"),
    ],
)
def test_each_score_tells_right_from_wrong(jsonl, builds, grades, score, target, right, wrong):
    suite = builds(Prompted, items=str(jsonl([{"key": "k", "prompt": "?", "target": target}])), score=score)
    assert grades(suite, lambda _: right)["k"].scores == {score: 1.0}
    assert grades(suite, lambda _: wrong)["k"].scores == {score: 0.0}


def test_normalisation_applies_to_both_sides(jsonl, builds, grades):
    rows = [{"key": "k", "prompt": "?", "target": "The  Eiffel-Tower"}]
    steps = ("strip", "lower", "whitespace", "punctuation", "articles", "width")
    suite = builds(Prompted, items=str(jsonl(rows)), normalise=steps)
    assert grades(suite, lambda _: " ＥＩＦＦＥＬＴＯＷＥＲ! ")["k"].scores == {"exact_match": 1.0}


@pytest.mark.parametrize(
    ("target", "normalise", "score"),
    [
        ("A", ("lower", "articles", "strip"), "exact_match"),
        (["B", "A"], ("articles",), "exact_match"),
        ("?!", ("punctuation",), "exact_match"),
        ("a", ("articles",), "contains"),
    ],
)
def test_a_target_that_normalisation_takes_away_is_refused(jsonl, builds, target, normalise, score):
    path = str(jsonl([{"key": "k", "prompt": "Which?", "target": target}]))
    with pytest.raises(ConfigError, match=r"item 'k'.*nothing is left of the target '(A|a|\?!)'.*leave that out"):
        builds(Prompted, items=path, score=score, normalise=normalise)


def test_several_scores_share_an_answer_and_the_first_is_primary(jsonl, builds, grades):
    suite = builds(Prompted, items=str(jsonl([{"key": "k", "prompt": "?", "target": "4"}])), score=("numeric", "exact_match"))
    assert grades(suite, lambda _: "It is 4")["k"].scores == {"numeric": 1.0, "exact_match": 0.0}
    assert suite.primary == "numeric"


@pytest.mark.parametrize(("score", "target"), [("numeric", 4), ("json_equal", {"a": 1})])
def test_an_answer_that_cannot_be_parsed_is_wrong_and_flagged(jsonl, builds, grades, score, target):
    suite = builds(Prompted, items=str(jsonl([{"key": "k", "prompt": "?", "target": target}])), score=score)
    sample = grades(suite, lambda _: "I would rather not say")["k"]
    assert sample.scores == {score: 0.0}
    assert sample.flags == ("unparsable",)
    assert grades(suite, lambda _: '{"a": 4}')["k"].flags == ()


def test_unparsable_is_watched_where_something_is_parsed(jsonl, builds):
    path = str(jsonl([{"prompt": "?", "target": "4"}]))
    assert "unparsable" not in builds(Prompted, items=path).watched
    assert "unparsable" in builds(Prompted, items=path, score="numeric").watched
    assert "unparsable" in builds(Prompted, items=path, after="A:").watched


def test_a_missing_marker_makes_the_answer_unparsable(jsonl, builds, grades):
    suite = builds(Prompted, items=str(jsonl([{"key": "k", "prompt": "?", "target": "yes"}])), after="Answer:")
    assert grades(suite, lambda _: "Thinking…\nAnswer: yes")["k"].scores == {"exact_match": 1.0}
    assert grades(suite, lambda _: "yes")["k"].flags == ("unparsable",)


def test_messages_are_sent_as_they_are(jsonl, builds, converses):
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes?"}, {"role": "user", "content": "2+2?"}]
    suite = builds(Prompted, items=str(jsonl([{"messages": turns, "target": 4}])), score="numeric")
    item = next(iter(suite.items()))
    _, asked = converses(suite, item, lambda _: "4")
    assert [(m.role, m.content) for m in asked[0].messages] == [(t["role"], t["content"]) for t in turns]
    assert "assistant: yes?" in next(suite.grade([converses(suite, item, lambda _: "4")[0]], {}, {})).prompt


def test_the_fingerprint_moves_with_contents_and_not_with_paths(jsonl, builds):
    one = builds(Prompted, items=str(jsonl(ROWS, "items.jsonl")))
    moved = builds(Prompted, items=str(jsonl([{**row, "task": row.get("task", "items")} for row in ROWS], "elsewhere.jsonl")))
    assert [item.task for item in one.items()] == [item.task for item in moved.items()]
    assert one.fingerprint() == builds(Prompted, seed=8, items="items.jsonl").fingerprint()
    assert one.fingerprint() != builds(Prompted, items="items.jsonl", max_tokens=5).fingerprint()
    assert one.fingerprint() != builds(Prompted, items=str(jsonl(ROWS[:1], "items.jsonl"))).fingerprint()


def test_compressed_items_with_a_byte_order_mark_are_read(tmp_path: Path, builds):
    (tmp_path / "qa.jsonl.gz").write_bytes(gzip.compress('\ufeff{"prompt": "?", "target": 1}\n\n'.encode()))
    (item,) = builds(Prompted, items="qa.jsonl.gz", score="numeric").items()
    assert item.task == "qa"


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "holds no items"),
        (["{"], "line 1: is not JSON"),
        (["[1]"], "expected a JSON object"),
        ([{"prompt": "?"}], "line 1: the item has no target. Every scored item needs one (it has 'prompt'; 'fields' maps"),
        ([{"prompt": "?", "targt": 1}], "did you mean 'target'"),
        ([{"target": 1}], "neither 'prompt' nor 'messages'"),
        ([{"q": "?", "target": 1}], "(it has 'q', 'target'; 'fields' maps columns of other names)"),
        ([{"promt": "?", "target": 1}], "did you mean 'prompt'"),
        ([{"prompt": "?", "messages": [], "target": 1}], "both 'prompt' and 'messages'"),
        ([{"prompt": "  ", "target": 1}], "non-empty text"),
        ([{"prompt": 3, "target": 1}], "non-empty text"),
        ([{"messages": [{"role": "bot", "content": "x"}], "target": 1}], "is not a turn"),
        ([{"messages": [{"role": "assistant", "content": "x"}], "target": 1}], "must be the user's"),
        ([{"key": "k", "prompt": "a", "target": 1}, "", {"key": "k", "prompt": "b", "target": 1}], "line 1 and again on line 3"),
        ([{"key": True, "prompt": "a", "target": 1}], "'key' is True"),
        ([{"prompt": "?", "target": 1, "task": "a/b"}], "without '/'"),
        ([{"prompt": "?", "target": 1, "weight": 0}], "above 0"),
        ([{"prompt": "?", "target": 1, "slices": "en"}], "slices is"),
        ([{"prompt": "?", "target": 1, "slices": {"a=b": "en"}}], "a slice is called 'a=b'"),
        ([{"prompt": "?", "target": True}], "exact_match needs"),
    ],
)
def test_bad_items_are_named_before_anything_is_asked(jsonl, builds, rows, says):
    with pytest.raises(ConfigError, match=r"suites\[0\]\.options\.items") as error:
        builds(Prompted, items=str(jsonl(rows)))
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"score": "numeric"}, "in which there is no number"),
        ({"score": "json_equal"}, "is not JSON"),
        ({"score": "regex"}, "not a regular expression"),
        ({"score": ()}, "expected one score"),
        ({"score": ("contains", "contains")}, "expected one score"),
        ({"max_tokens": 0}, "at least 1"),
        ({"temperature": -1.0}, "0 (greedy) or above"),
        ({"top_p": 0.0}, "above 0"),
        ({"draws": 3}, "all the same answer"),
        ({"stop": ("",)}, "empty stop"),
        ({"after": ""}, "empty marker"),
        ({"tolerance": 2.0}, "below 1"),
    ],
)
def test_bad_options_are_named(jsonl, builds, options, says):
    path = jsonl([{"prompt": "?", "target": "ba(d"}])
    with pytest.raises(ConfigError) as error:
        builds(Prompted, items=str(path), **options)
    assert says in str(error.value)


def test_a_pattern_that_could_take_for_ever_is_refused_and_its_possessive_twin_is_not(jsonl, builds):
    with pytest.raises(ConfigError, match="repeat stands inside a repeat"):
        builds(Prompted, items=str(jsonl([{"prompt": "?", "target": "(a+)+b"}])), score="regex")
    builds(Prompted, items=str(jsonl([{"prompt": "?", "target": "(a++)+b"}])), score="regex")


def test_a_missing_file_suggests_its_sibling(jsonl, builds):
    jsonl(ROWS, "items.jsonl")
    with pytest.raises(ConfigError, match=r"Did you mean 'items\.jsonl'"):
        builds(Prompted, items="itmes.jsonl")


def test_binary_items_are_refused(tmp_path: Path, builds):
    (tmp_path / "items.jsonl").write_bytes(b"\xff\xfe\x00{")
    with pytest.raises(ConfigError, match="not UTF-8"):
        builds(Prompted, items="items.jsonl")


def test_a_system_prompt_may_not_meet_another(jsonl, builds):
    turns = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    with pytest.raises(ConfigError, match="system turn of its own"):
        builds(Prompted, items=str(jsonl([{"messages": turns, "target": 1}])), system="mine")


@pytest.mark.parametrize("score", ["exact_match", "contains", "regex", "json_equal", "numeric"])
def test_hostile_answers_are_scored_and_never_crash(jsonl, builds, grades, hostile, score):
    suite = builds(Prompted, items=str(jsonl([{"key": "k", "prompt": "?", "target": "12345"}])), score=score)
    started = time.perf_counter()
    assert grades(suite, lambda _: hostile)["k"].scores == {score: 0.0}
    assert time.perf_counter() - started < 5
