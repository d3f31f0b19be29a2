"""Preference: the baseline ties with itself, a judge's failure is an error, and a win rate is an ordinary paired gain."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.engines.fake import Fake
from harness.errors import ConfigError
from harness.journal import Journal
from harness.protocols import Conversation, Judged, Suite
from harness.records import Answer, Candidate, Completion, Judgment, Request, Sample
from harness.schedule import Desk, Done, Talk, drive
from suites.bench import UNPARSABLE
from suites.preference import Preference, PreferenceOptions
from tests.judges import talks

ITEMS: list[dict[str, Any]] = [
    {"key": "a", "prompt": "Name a colour.", "slices": {"kind": "open"}},
    {"key": "b", "messages": [{"role": "user", "content": "Hi"}], "task": "chat", "cluster": "c1", "weight": 2},
    {"key": "c", "prompt": "Say {left}."},
]


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def build(folder: Path, **options: Any) -> Preference:
    write(folder / "pref.jsonl", ITEMS)
    read = msgspec.convert({"items": "pref.jsonl", "judge": "judge", "prompt": "lab_pairwise", **options}, PreferenceOptions)
    return Preference("pref", read, seed=3, folder=folder, where="suites[0]")


def hold(conversation: Conversation[Any], reply: Callable[[Request], str]) -> tuple[Any, list[Request]]:
    """With a judge that says plain text."""
    return talks.hold(conversation, lambda request: Completion(text=reply(request)))


def answer(key: str, text: str) -> Answer:
    return Answer(key=key, completions=(Completion(text=text),))


def graded(
    suite: Preference, texts: Mapping[str, str], baseline: Mapping[str, str], reply: Callable[[Request], str]
) -> dict[str, Sample]:
    others = {key: answer(key, text) for key, text in baseline.items()}
    answers = [answer(key, text) for key, text in texts.items()]
    items = {item.key: item for item in suite.items()}
    judgments = {own.key: hold(suite.consult(items[own.key], own, others[own.key]), reply)[0] for own in answers}
    return {sample.key: sample for sample in suite.grade(answers, judgments, others)}


def win(sample: Sample) -> float | None:
    return None if sample.scores is None else sample.scores["win"]


def longer(request: Request) -> str:
    """A judge that prefers the longer answer, whatever the order."""
    left, right = request.messages[0].content.split("[Answer A]\n")[1].removesuffix("\n[Verdict]").split("\n[Answer B]\n")
    return "tie" if len(left) == len(right) else "A" if len(left) > len(right) else "B"


def test_the_baseline_ties_with_itself_without_asking_anybody(tmp_path: Path) -> None:
    suite = build(tmp_path)
    own = answer("a", "red")
    judgments, asked = hold(suite.consult(next(iter(suite.items())), own, None), lambda request: "A")
    assert asked == []
    (sample,) = suite.grade([own], {"a": judgments}, {"a": own})
    assert win(sample) == 0.5
    assert sample.flags == ()


def test_a_better_answer_wins_a_worse_one_loses_an_equal_one_ties(tmp_path: Path) -> None:
    samples = graded(build(tmp_path), {"a": "dark red", "b": "", "c": "left"}, {"a": "red", "b": "hello", "c": "four"}, longer)
    assert {key: win(sample) for key, sample in samples.items()} == {"a": 1.0, "b": 0.0, "c": 0.5}
    assert samples["a"].judgments[0].judge == "judge"
    assert [judgment.order for judgment in samples["a"].judgments] == ["left", "right"]


def test_same_answers_tie_without_asking(tmp_path: Path) -> None:
    suite = build(tmp_path)
    judgments, asked = hold(suite.consult(next(iter(suite.items())), answer("a", "red\n"), answer("a", "red")), lambda request: "A")
    assert asked == []
    assert [judgment.score for judgment in judgments] == [0.5]


def test_the_judge_reads_no_more_than_it_can_of_an_answer_without_end(tmp_path: Path) -> None:
    suite = build(tmp_path)
    _, asked = hold(suite.consult(next(iter(suite.items())), answer("a", "x" * 1_000_000), answer("a", "red")), lambda request: "A")
    assert [request.messages[0].content.count("x") for request in asked] == [20_000, 20_000]


def test_orders_that_contradict_each_other_tie_and_are_flagged(tmp_path: Path) -> None:
    sample = graded(build(tmp_path), {"a": "red"}, {"a": "blue"}, lambda request: "A")["a"]
    assert win(sample) == 0.5
    assert sample.flags == ("conflict",)


def test_an_unparsable_verdict_is_an_error_and_never_a_tie(tmp_path: Path) -> None:
    sample = graded(build(tmp_path), {"a": "red"}, {"a": "blue"}, lambda request: "I cannot say")["a"]
    assert sample.scores is None
    assert sample.error == UNPARSABLE
    assert sample.flags == ("unparsable",)


def test_half_an_opinion_scores_and_is_flagged(tmp_path: Path) -> None:
    replies = iter(["A", "?"])
    sample = graded(build(tmp_path), {"a": "red"}, {"a": "blue"}, lambda request: next(replies))["a"]
    assert win(sample) == 1.0
    assert sample.flags == ("unparsable",)


def test_an_answer_that_nobody_judged_is_an_error(tmp_path: Path) -> None:
    (sample,) = build(tmp_path).grade([answer("a", "red")], {}, {})
    assert sample.error == "no judge was asked about this answer"


def test_samples_carry_what_the_comparison_needs(tmp_path: Path) -> None:
    samples = graded(build(tmp_path), {"a": "red", "b": "hey"}, {"a": "blue", "b": "hello"}, longer)
    assert (samples["a"].task, samples["a"].slices, samples["a"].prompt) == ("pref", {"kind": "open"}, "Name a colour.")
    assert (samples["b"].task, samples["b"].cluster, samples["b"].weight, samples["b"].outputs) == ("chat", "c1", 2, ("hey",))


def test_the_judge_reads_the_question_of_the_item_and_braces_in_it_are_text(tmp_path: Path) -> None:
    suite = build(tmp_path)
    item = {item.key: item for item in suite.items()}["c"]
    _, asked = hold(suite.consult(item, answer("c", "{question}"), answer("c", "x")), lambda request: "A")
    assert asked[0].messages[0].content == "[Question]\nSay {left}.\n[Answer A]\n{question}\n[Answer B]\nx\n[Verdict]"
    assert {request.to for request in asked} == {"judge"}


def test_candidates_are_asked_with_the_decoding_of_the_options(tmp_path: Path) -> None:
    suite = build(tmp_path, max_tokens=40, temperature=0.5, top_p=0.9, stop=["\n"])
    conversation = suite.ask(next(iter(suite.items())))
    (request,) = next(conversation)
    assert (request.max_tokens, request.temperature, request.top_p, request.stop, request.to) == (40, 0.5, 0.9, ("\n",), None)
    assert request.item == "a"


def test_the_pointwise_judge_works_through_the_same_door(tmp_path: Path) -> None:
    suite = build(tmp_path, use="pointwise", prompt="lab_pointwise")
    samples = graded(
        suite, {"a": "red"}, {"a": "blue"}, lambda request: "[good]" if request.messages[1].content == "red" else "[bad]"
    )
    assert win(samples["a"]) == 1.0
    assert [judgment.order for judgment in samples["a"].judgments] == ["alone"]


def test_it_is_a_judged_suite_and_says_what_it_measures(tmp_path: Path) -> None:
    suite = build(tmp_path)
    as_suite: Suite = suite
    assert isinstance(as_suite, Judged)
    assert (suite.judge, suite.needs_baseline, suite.primary) == ("judge", True, "win")
    assert suite.metrics["win"].kind == "bounded"
    assert suite.watched == ("truncated", "empty")


# --------------------------------------------------------------------------------------------------------- admission


def labels(folder: Path, count: int = 30) -> str:
    winners = ("left", "right", "tie")
    texts = {"left": ("a long answer", "short"), "right": ("short", "a long answer"), "tie": ("here", "same")}
    rows = [
        {"key": index, "question": f"q{index}", "left": texts[winner][0], "right": texts[winner][1], "winner": winner}
        for index in range(count)
        for winner in [winners[index % 3]]
    ]
    return str(write(folder / "labels.jsonl", rows))


def test_the_examination_admits_a_judge_that_agrees_with_the_labels(tmp_path: Path) -> None:
    suite = build(tmp_path, admission=labels(tmp_path))
    conversation = suite.admit()
    assert conversation is not None

    def reply(request: Request) -> str:
        known = ("a long answer", "short", "here", "same")
        left, right = request.messages[0].content.split("[Answer A]\n")[1].removesuffix("\n[Verdict]").split("\n[Answer B]\n")
        return longer(request) if {left, right} <= set(known) else "A" if left in known else "B"

    admission, asked = hold(conversation, reply)
    assert admission.admitted
    assert admission.judge == "judge"
    assert admission.pairs == 30
    assert len(asked) == 2 * (30 + admission.canaries)


def test_the_examination_rejects_a_judge_that_always_says_the_same(tmp_path: Path) -> None:
    conversation = build(tmp_path, admission=labels(tmp_path), limits={"kappa": 0.3}).admit()
    assert conversation is not None
    admission, _ = hold(conversation, lambda request: "B")
    assert not admission.admitted
    assert any("below 0.30" in reason for reason in admission.reasons)
    assert admission.first_slot == 0.0


def test_without_labels_there_is_no_examination(tmp_path: Path) -> None:
    assert build(tmp_path).admit() is None


# ---------------------------------------------------------------------------------------------------------- identity


def test_the_fingerprint_moves_with_what_decides_the_grades_and_not_with_names(tmp_path: Path) -> None:
    first = build(tmp_path).fingerprint()
    assert first == build(tmp_path, judge="other").fingerprint()
    assert first != build(tmp_path, max_tokens=7).fingerprint()
    assert first != build(tmp_path, probabilities=True).fingerprint()
    assert first != build(tmp_path, prompt="pairwise").fingerprint()
    assert first != build(tmp_path, admission=labels(tmp_path)).fingerprint()
    elsewhere = tmp_path / "copied"
    elsewhere.mkdir()
    assert first == build(elsewhere).fingerprint()


# --------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("options", "where", "says"),
    [
        ({"items": "absent.jsonl"}, "suites[0].options.items", "absent.jsonl"),
        ({"use": "pairwize"}, "suites[0].options.use", "Did you mean 'pairwise'"),
        ({"use": "pointwise"}, "suites[0].options.prompt", "is a pairwise prompt"),
        ({"prompt": "nothing"}, "suites[0].options.prompt", "no judge prompt 'nothing'"),
        ({"admission": "absent.jsonl"}, "suites[0].options.admission", "absent.jsonl"),
        ({"limits": {"kappa": 2}}, "suites[0].options.limits", "between 0 and 1"),
        ({"draws": 2, "temperature": 1.0}, "suites[0].options.draws", "one answer per item"),
        ({"max_tokens": 0}, "suites[0].options.max_tokens", "at least 1"),
        ({"judge": ""}, "suites[0].options.judge", "judge's engine"),
        ({"judge_max_tokens": -1}, "suites[0].options.prompt", "at least 1"),
    ],
)
def test_bad_options_are_refused_before_anything_is_asked(tmp_path: Path, options: dict[str, Any], where: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(tmp_path, **options)
    assert where in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([{"question": "q", "left": "a", "right": "b", "winner": "middle"}], "winner must be"),
        ([{"question": "q", "left": "a", "right": "b", "winner": "tie"}] * 3, "all 3 pairs have the winner 'tie'"),
        ([{"question": "q", "left": "a", "winner": "tie"}], "'right' is missing"),
    ],
)
def test_bad_labels_are_refused_before_anything_is_asked(tmp_path: Path, rows: list[dict[str, Any]], says: str) -> None:
    write(tmp_path / "labels.jsonl", rows)
    with pytest.raises(ConfigError, match=r"suites\[0\]\.options\.admission") as caught:
        build(tmp_path, admission="labels.jsonl")
    assert says in str(caught.value)


def test_empty_items_and_unknown_options_are_refused(tmp_path: Path) -> None:
    (tmp_path / "none.jsonl").write_text("\n", encoding="utf-8")
    with pytest.raises(ConfigError):
        build(tmp_path, items="none.jsonl")
    with pytest.raises(msgspec.ValidationError, match="jduge"):
        msgspec.convert({"items": "x", "judge": "j", "jduge": "k"}, PreferenceOptions)


def test_a_judge_of_ones_own_is_named_by_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_judges.py").write_text(
        "from harness.records import Judgment\n"
        "class Shorter:\n"
        "    version = '1'\n"
        "    def __init__(self, to, **options): self.to = to\n"
        "    def fingerprint(self): return 'shorter-1'\n"
        "    def prefer(self, question, answer, other):\n"
        "        return (Judgment(score=1.0 if len(answer) < len(other) else 0.0, judge='ruler'),)\n"
        "        yield\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    sample = graded(build(tmp_path, use="my_judges:Shorter"), {"a": "red"}, {"a": "crimson"}, longer)["a"]
    assert win(sample) == 1.0
    assert isinstance(sample.judgments[0], Judgment)
    assert sample.judgments[0].judge == "ruler"


def test_the_scheduler_drives_judge_and_examination_and_the_journal_answers_the_second_time(tmp_path: Path) -> None:
    suite = build(tmp_path, admission=labels(tmp_path), limits={"canaries": 0})
    item = next(iter(suite.items()))
    texts = {"a long answer": "A", "short": "B"}
    questions = [f"q{index}" for index in range(30)]
    shown = {
        f"[Question]\n{question}\n[Answer A]\n{left}\n[Answer B]\n{right}\n[Verdict]": texts.get(left, "tie")
        for question in [*questions, "Name a colour."]
        for left, right in (("a long answer", "short"), ("short", "a long answer"), ("here", "same"), ("same", "here"))
    }
    judge = Candidate(name="judge", engine="fake", options={"answers": shown, "behaviour": "refuse"})

    def run(journal: Journal) -> dict[Any, Done]:
        examination = suite.admit()
        assert examination is not None
        opinion = suite.consult(item, answer("a", "a long answer"), answer("a", "short"))
        talks = [
            Talk(id="exam", candidate="judge", conversation=examination),
            Talk(id="a", candidate="judge", conversation=opinion),
        ]
        with Desk({"judge": lambda: Fake([judge])}) as desk:
            return {done.id: done for done in drive(talks, desk, journal=journal, asked={"judge": "f" * 64})}

    with Journal(tmp_path / "journal.sqlite") as journal:
        first, second = run(journal), run(journal)
    opinions: Any = first["a"].value
    admission: Any = first["exam"].value
    assert [judgment.score for judgment in opinions] == [1.0, 1.0]
    assert (admission.kappa, admission.canaries_beaten, admission.admitted) == (1.0, 0, True)
    assert admission == second["exam"].value
    assert second["exam"].sent == 0
    assert second["exam"].reused == first["exam"].sent + first["exam"].reused


# --------------------------------------------------------------------------------------------- juries and several turns


def test_a_jury_wins_by_weight_and_opposite_winners_are_disputed(tmp_path: Path) -> None:
    suite = build(tmp_path, judge=["one", "two"])
    item = next(iter(suite.items()))
    said: list[Judgment] = []
    for name, words, weight in (("one", "AB", 3.0), ("two", "BA", 1.0)):  # one says the candidate, two the baseline
        replies = iter(words)
        opinions, asked = hold(suite.hear(name, item, answer("a", "red"), answer("a", "blue")), lambda request, r=replies: next(r))
        assert {request.to for request in asked} == {name}
        said += [msgspec.structs.replace(opinion, weight=weight) for opinion in opinions]
    (sample,) = suite.grade([answer("a", "red")], {"a": said}, {})
    assert win(sample) == 0.75
    assert sample.flags == ("disputed",)


def test_a_juror_that_cannot_be_read_abstains_and_one_that_contradicts_itself_ties(tmp_path: Path) -> None:
    suite = build(tmp_path, judge=["one", "two", "three"])
    item = next(iter(suite.items()))
    said: list[Judgment] = []
    for name, words in (("one", "AB"), ("two", "??"), ("three", "AA")):
        replies = iter(words)
        said += hold(suite.hear(name, item, answer("a", "red"), answer("a", "blue")), lambda request, r=replies: next(r))[0]
    (sample,) = suite.grade([answer("a", "red")], {"a": said}, {})
    assert win(sample) == 0.75
    assert sample.flags == ("unparsable", "conflict")


def test_of_several_turns_both_conversations_are_read_to_their_end(tmp_path: Path) -> None:
    write(tmp_path / "turns.jsonl", [{"key": "a", "turns": ["Name a river.", "Another?"]}])
    suite = build(tmp_path, items="turns.jsonl")
    own, other = (
        Answer(key="a", completions=tuple(Completion(text=text) for text in texts)) for texts in (("Rhine", "Po"), ("Po", "?"))
    )
    _, asked = hold(suite.consult(next(iter(suite.items())), own, other), lambda request: "A")
    text = asked[0].messages[0].content
    assert text.startswith(
        "[Question]\nName a river.\n[Answer A]\n[assistant]\nRhine\n\n[user]\nAnother?\n\n[assistant]\nPo\n[Answer B]"
    )


def test_thinking_is_kept_beside_the_answer_it_led_to_turn_by_turn_of_a_conversation(tmp_path: Path) -> None:
    write(tmp_path / "turns.jsonl", [{"key": "a", "turns": ["Name a river.", "Another?"]}, {"key": "b", "prompt": "Name one."}])
    suite = build(tmp_path, items="turns.jsonl")
    rhine, po = Completion(text="Rhine", reasoning="hm"), Completion(text="Po", reasoning="well")
    for thoughts, kept in (((rhine, po), "[turn 1]\nhm\n\n[turn 2]\nwell"), ((Completion(text="?"), po), "[turn 2]\nwell")):
        (sample,) = suite.grade([Answer(key="a", completions=thoughts)], {}, {})
        assert sample.thinking == (kept,)
    (sample,) = suite.grade([Answer(key="b", completions=(po,))], {}, {})
    assert (sample.outputs, sample.thinking) == (("Po",), ("well",))
    (sample,) = suite.grade([answer("b", "Po")], {}, {})
    assert sample.thinking == ()


def test_a_pairwise_judge_may_be_told_the_right_answer(tmp_path: Path) -> None:
    front = '+++\nkind = "pairwise"\nanswer = "word"\nverdicts = { A = "left", B = "right" }\n+++\n'
    (tmp_path / "told.md").write_text(front + "{question}|{reference}|{left}|{right}", encoding="utf-8")
    write(tmp_path / "known.jsonl", [{"key": "a", "prompt": "2+2?", "target": 4}])
    suite = build(tmp_path, items="known.jsonl", prompt="told.md")
    _, asked = hold(suite.consult(next(iter(suite.items())), answer("a", "four"), answer("a", "five")), lambda request: "A")
    assert [request.messages[0].content for request in asked] == ["2+2?|4|four|five", "2+2?|4|five|four"]
    with pytest.raises(ConfigError, match="item 'a' has no target"):
        build(tmp_path, prompt="told.md")
