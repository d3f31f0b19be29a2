"""The suite of tool calls: what is compared, how, and what is read out of raw text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import ConfigError, EvaluationError
from harness.records import Completion
from suites.calls import Call, met_by, wanted_calls
from suites.rows import SHIPPED
from suites.tools import Tools
from suites.tools.written import BOUND, calls_in

SET = {"type": "object", "properties": {"x": {}, "room": {}}, "required": ["x"]}
HOUSE = [{"type": "function", "function": {"name": "set", "parameters": SET}}, {"type": "function", "function": {"name": "now"}}]
ONE = {"name": "set", "arguments": {"x": 5}}
NOTHING = dict.fromkeys(("extra", "hallucinated", "malformed"), 0.0)
RIGHT = {"calls": 1.0, "names": 1.0, "arguments": 1.0, "missed": 0.0, **NOTHING}


def row(target, **fields):
    return {"key": "k", "prompt": "do it", "tools": HOUSE, "target": target, **fields}


def made(*calls, text=""):
    functions = [{"name": name, "arguments": arguments} for name, arguments in calls]
    return Completion(text=text, tool_calls=tuple({"type": "function", "function": function} for function in functions))


@pytest.fixture
def scores(jsonl, builds, grades):
    def run(target, said, **options):
        suite = builds(Tools, items=str(jsonl([row(target)])), **options)
        sample = grades(suite, lambda _: said)["k"]
        assert sample.error is None
        return sample.scores

    return run


TWO = [ONE, {"name": "set", "arguments": {"x": 6}}]


@pytest.mark.parametrize(
    ("target", "said", "differs"),
    [
        (ONE, made(("set", '{"x": 5}')), {}),
        (ONE, made(("set", '{"x": 5.0}')), {}),
        (ONE, made(("set", '{"x": "5"}')), {"calls": 0.0, "arguments": 0.0}),
        (ONE, made(("set", '{"x": true}')), {"calls": 0.0, "arguments": 0.0}),
        (ONE, made(("set", '{"x": 5, "room": "hall"}')), {"calls": 0.0, "arguments": 0.0}),
        (ONE, made(("set", "{}")), {"calls": 0.0, "arguments": 0.0}),
        (ONE, made(("now", '{"x": 5}')), {"calls": 0.0, "arguments": 0.0, "names": 0.0}),
        (ONE, made(("put", '{"x": 5}')), {"calls": 0.0, "arguments": 0.0, "names": 0.0, "hallucinated": 1.0}),
        (ONE, made(), {"calls": 0.0, "arguments": 0.0, "names": 0.0, "missed": 1.0}),
        (ONE, made(("set", '{"x": 5')), {"calls": 0.0, "arguments": 0.0, "names": 0.0, "malformed": 1.0}),
        (ONE, made(("set", '{"x": 5}'), ("set", '{"x": 5}')), {"calls": 0.0, "extra": 1.0}),
        (ONE, made(text='<tool_call>{"name": "set"'), {"calls": 0.0, "arguments": 0.0, "names": 0.0, "malformed": 1.0}),
        (TWO, made(("set", '{"x": 6}'), ("set", '{"x": 5}')), {}),
        (TWO, made(("set", '{"x": 6}')), {"calls": 0.0, "arguments": 0.5, "names": 0.5, "missed": 0.5}),
        (TWO, made(("set", '{"x": 6}'), ("set", '{"x": 6}')), {"calls": 0.0, "arguments": 0.5}),
        (TWO, made(("set", '{"x": 6}'), ("now", "")), {"calls": 0.0, "arguments": 0.5, "names": 0.5}),
    ],
)  # fmt: skip
def test_every_kind_of_mistake_has_its_metric(scores, target, said, differs):
    assert scores(target, said) == RIGHT | differs


def test_where_nothing_is_wanted_nothing_may_be_called(scores):
    assert scores([], Completion(text="Paris.")) == {"calls": 1.0, **NOTHING}
    assert scores([], made(("now", "{}"))) == {"calls": 0.0, **NOTHING, "extra": 1.0}
    assert scores([], made(text="<tool_call>")) == {"calls": 0.0, **NOTHING, "extra": 1.0, "malformed": 1.0}


def test_several_values_may_be_right_and_arguments_left_out(scores):
    target = {"name": "set", "arguments": {"x": 5}, "accepted": {"room": ["hall", "Hall", 3]}, "optional": ["room"]}
    for arguments, right in (
        ({"x": 5}, 1), ({"x": 5, "room": "Hall"}, 1), ({"x": 5, "room": 3}, 1), ({"x": 5, "room": "3"}, 0), ({"room": "hall"}, 0),
    ):  # fmt: skip
        assert scores(target, made(("set", json.dumps(arguments))))["calls"] == right
    assert scores({"name": "set", "arguments": {}, "accepted": {"x": [5, "5"]}}, made(("set", '{"x": "5"}')))["calls"] == 1


def test_the_best_pairing_counts_not_the_first_one():
    wide, narrow = ({"name": "f", "arguments": {}, "accepted": {"x": values}} for values in ([1, 2], [1]))
    calls = [Call("f", {"x": 1}), Call("f", {"x": 2})]
    for target in ([wide, narrow], [narrow, wide]):
        wanted = wanted_calls(target, place="here", where="there")
        assert met_by(calls, wanted) == met_by(calls[::-1], wanted) == 2
        assert met_by([Call("f", {"x": 2})] * 2, wanted) == 1


@pytest.mark.parametrize(
    ("form", "text", "calls", "malformed"),
    [
        ("hermes", 'Sure. <tool_call>\n{"name": "f", "arguments": {"x": 1}}\n</tool_call>', 1, 0),
        ("hermes", '<tool_call>{"name": "f", "arguments": {}}</tool_call>\n<tool_call>{"name": "g", "arguments": {}}', 2, 0),
        ("hermes", '<tool_call>{"name": "f", "arguments": {}}</tool_call><tool_call>{"name": "g"}</tool_call>', 1, 1),
        ("hermes", '<tool_call>{"name": "f", "arguments": {}} ok</tool_call>', 0, 1),
        ("hermes", '<tool_call>{"name": "f", "arguments": "{}"}</tool_call>', 0, 1),
        ("hermes", "<tool_call>{'name': 'f', 'arguments': {}}</tool_call>", 0, 1),
        ("hermes", '<tool_call>{"name": "f", "arguments": {"x": NaN}}</tool_call>', 0, 1),
        ("hermes", '{"name": "f", "arguments": {}}', 0, 0),
        ("llama3", '{"name": "f", "parameters": {"x": 1}}', 1, 0),
        ("llama3", '<|python_tag|>{"type": "function", "name": "f", "parameters": {}}; {"name": "g", "parameters": {}}', 2, 0),
        ("llama3", '{"name": "f", "parameters": {"o": {"name": "inside", "parameters": {}}}}', 1, 0),
        ("llama3", 'I call {"name": "f", "arguments": {}}', 1, 0),
        ("llama3", '{"name": "f", "parameters": {}}{"name": "g", "par', 1, 1),
        ("llama3", '{"city": "Rome"}', 0, 0),
        ("llama3", 'Here is one: {"name": "Ada", "age": 36}', 0, 0),
        ("llama3", '{"name": "Ada"} {"name": "f", "parameters": {}}', 1, 0),
        ("llama3", '<|python_tag|>{"name": "f"}', 0, 1),
        ("llama3", "<|python_tag|>brave_search.call(query='x')", 0, 1),
        ("mistral", '[TOOL_CALLS] [{"name": "f", "arguments": {"x": 1}}, {"name": "g", "arguments": {}}]', 2, 0),
        ("mistral", '[{"name": "f", "arguments": {}}]', 1, 0),
        ("mistral", '[TOOL_CALLS]f{"x": 1}[TOOL_CALLS]g[ARGS]{}', 2, 0),
        ("mistral", "[TOOL_CALLS]f[ARGS]{x: 1}", 0, 1),
        ("mistral", '[TOOL_CALLS] [{"name": "f", "argu', 0, 1),
        ("mistral", "[TOOL_CALLS] []", 0, 1),
        ("mistral", "[1, 2]", 0, 0),
        ("mistral", '[{"name": "Ada", "age": 36}]', 0, 0),
        ("mistral", '[TOOL_CALLS] [{"name": "f"}]', 0, 1),
        ("mistral", '[{"name": "f", "arguments": {}}, {"name": "g"}]', 1, 1),
    ],
)
def test_calls_are_read_as_models_write_them(form, text, calls, malformed):
    found = calls_in(text, form)
    assert (len(found.calls), found.malformed) == (calls, malformed)
    assert [call.name for call in found.calls] == ["f", "g"][:calls]


PIECES = (
    "<tool_call>",
    "<tool_call>{",
    '{"name"',
    '{"name":{"name"',
    "[TOOL_CALLS]",
    "[TOOL_CALLS]f{",
    "<|python_tag|>",
    '[{"name"',
)


@pytest.mark.parametrize("form", ["hermes", "llama3", "mistral"])
def test_hostile_text_is_read_in_linear_time(hostile, form):
    calls_in(hostile, form)
    for piece in PIECES:
        found = calls_in(piece * 50_000, form)
        assert not found.calls
    assert calls_in("x" * BOUND + '<tool_call>{"name": "f", "arguments": {}}</tool_call>', "hermes") == ((), 0)


def test_an_answer_is_never_an_error(scores, hostile):
    for form in ("parsed", "hermes", "llama3", "mistral"):
        assert scores(ONE, Completion(text=hostile), format=form)["calls"] == 0


def test_a_form_of_text_and_an_engine_that_has_read_it_do_not_go_together(jsonl, builds):
    suite = builds(Tools, items=str(jsonl([row(ONE)])), format="hermes")
    with pytest.raises(EvaluationError, match="set format = 'parsed'"):
        suite.score(next(iter(suite.items())), made(("set", '{"x": 5}')))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"target": {"name": "sett", "arguments": {}}}, "calls 'sett', and offered are 'set', 'now'"),
        (
            {"target": {"name": "set", "arguments": {"x": 1, "y": 2}}},
            "declares no argument 'y', which the target has; it has 'x'",
        ),
        ({"target": {"name": "set", "arguments": {}}}, "requires 'x', and the target has no value"),
        ({"target": {"name": "set", "arguments": {"x": 1}, "optional": ["x"]}}, "requires 'x', and the target makes it optional"),
        ({"target": {"name": "set", "arguments": {"x": 1}, "optional": ["room"]}}, "'room' is optional, but"),
        ({"target": {"name": "set", "arguments": {"x": 1}, "accepted": {"x": [1]}}}, "both in 'arguments' and in 'accepted'"),
        ({"target": {"name": "set", "arguments": {}, "accepted": {"x": []}}}, "no value of 'x' is accepted"),
        ({"target": {"name": "", "arguments": {}}}, "without a name"),
        ({"target": {"name": "set", "arguments": {"x": 1}, "any": 1}}, "a call needs"),
        ({"target": "set(x=1)"}, "a call needs"),
        ({"target": None}, "no target"),
        ({"tools": [*HOUSE, HOUSE[0]]}, "two tools have the same name"),
    ],
)
def test_what_cannot_be_meant_is_said_before_anything_is_asked(jsonl, builds, fields, says):
    with pytest.raises(ConfigError, match="items") as error:
        builds(Tools, items=str(jsonl([row(ONE) | fields])))
    assert says in str(error.value)


def test_a_row_without_tools_is_refused(jsonl, builds):
    with pytest.raises(ConfigError, match="offers no 'tools'"):
        builds(Tools, items=str(jsonl([{"key": "k", "prompt": "x", "target": []}])))


def written(call, form):
    if form == "hermes":
        return f"<tool_call>\n{json.dumps(call, ensure_ascii=False)}\n</tool_call>"
    return json.dumps({"name": call["name"], "parameters": call["arguments"]}, ensure_ascii=False)


def answer(item):
    """A right answer to an authored item: the first value of what is accepted, optional arguments left out."""
    calls = []
    for call in item.target:
        accepted = {name: values[0] for name, values in call.get("accepted", {}).items() if name not in call.get("optional", ())}
        calls.append({"name": call["name"], "arguments": {**call["arguments"], **accepted}})
    return calls


@pytest.mark.parametrize("form", ["parsed", "hermes", "llama3", "mistral"])
def test_the_authored_items_can_be_answered_right_and_wrong(builds, grades, form):
    suite = builds(Tools, items="suites:tools.jsonl", format=form)
    items = {item.key: item for item in suite.items()}
    assert {item.task for item in items.values()} == {"single", "parallel", "turns", "none"}
    assert {item.slices["language"] for item in items.values()} == {"en", "zh"}

    def right(request):
        calls = answer(items[request.item])
        if form == "parsed":
            return made(*((call["name"], json.dumps(call["arguments"])) for call in calls))
        text = f"[TOOL_CALLS]{json.dumps(calls)}" if form == "mistral" else ";".join(written(call, form) for call in calls)
        return Completion(text=text if calls else "No tool is needed.")

    samples = grades(suite, right)
    assert [key for key, sample in samples.items() if sample.scores["calls"] != 1] == []
    silent = grades(suite, lambda _: "I will do it.")
    assert {key for key, sample in silent.items() if sample.scores["calls"] == 1} == {key for key in items if not items[key].target}


def test_the_authored_file_has_its_licence():
    assert "Apache-2.0" in Path(SHIPPED / "tools.jsonl.LICENSE").read_text(encoding="utf-8")
