"""Graded: a judge grades every answer alone, and a grade is an ordinary metric of the baseline and of everybody else."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.errors import ConfigError
from harness.records import Answer, Completion, Item, Request, Sample
from judges.prompt import SHIPPED
from suites.asking import ItemOptions
from suites.bench import UNPARSABLE
from suites.graded import Graded, GradedOptions
from tests.judges.talks import hold, says

RUBRIC = """+++
kind = "rubric"
answer = "{answer}"
verdicts = {{ "1" = 1, "2" = 2, "3" = 3 }}
[criteria]
true = {{ about = "It is true.", weight = 3 }}
short = {{ about = "It is short." }}
+++
{{question}}|{{answer}}|{{{place}}}
"""


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def build(
    folder: Path, rows: Sequence[Mapping[str, Any]] = ({"key": "a", "prompt": "2+2?", "target": "4"},), **options: Any
) -> Graded:
    write(folder / "open.jsonl", rows)
    (folder / "json.md").write_text(RUBRIC.format(answer="json", place="criteria"), encoding="utf-8")
    (folder / "word.md").write_text(RUBRIC.format(answer="word", place="criterion"), encoding="utf-8")
    read = msgspec.convert({"items": "open.jsonl", "judge": "judge", **options}, GradedOptions)
    return Graded("open", read, seed=3, folder=folder, where="suites[0]")


def first(suite: Graded) -> Item:
    return next(iter(suite.items()))


def grade(
    suite: Graded, texts: Sequence[str], reply: Callable[[Request], Completion], jurors: Sequence[str] = ("judge",)
) -> Sample:
    """The first item's sample, answered by these texts (draw by draw, turn by turn)."""
    answer = Answer(key=first(suite).key, completions=tuple(Completion(text=text) for text in texts))
    judgments = [each for juror in jurors for each in hold(suite.hear(juror, first(suite), answer, None), reply)[0]]
    (sample,) = suite.grade([answer], {answer.key: judgments}, {})
    return sample


def verdict(word: str, reason: str = "so") -> str:
    return json.dumps({"reason": reason, "verdict": word})


# ------------------------------------------------------------------------------------------------------------- scales


@pytest.mark.parametrize(
    ("prompt", "word", "expected", "kind", "bounds"),
    [
        ("pointwise", "4", 4.0, "ordinal", (1.0, 5.0)),
        ("pointwise_10", "10", 10.0, "ordinal", (1.0, 10.0)),
        ("reference", "correct", 1.0, "binary", (0.0, 1.0)),
        ("refusal", "complied", 0.0, "binary", (0.0, 1.0)),
    ],
)
def test_a_verdict_is_a_grade_on_the_scale_of_the_prompt(
    tmp_path: Path, prompt: str, word: str, expected: float, kind: str, bounds: tuple[float, float]
) -> None:
    suite = build(tmp_path, prompt=prompt)
    sample = grade(suite, ["four"], says(verdict(word, "well said")))
    assert sample.scores == {"grade": expected}
    assert (suite.metrics["grade"].kind, suite.metrics["grade"].bounds, suite.primary) == (kind, bounds, "grade")
    assert [(each.score, each.reason, each.judge) for each in sample.judgments] == [(expected, "well said", "judge")]


def test_probabilities_of_verdict_words_make_the_expected_grade(tmp_path: Path) -> None:
    suite = build(tmp_path, prompt="lab_pointwise", probabilities=True)
    shares = {"[good]": 0.75, "[bad]": 0.25}
    sample = grade(suite, ["four"], lambda request: Completion(logprob=math.log(shares[str(request.continuation)]) - 3))
    assert sample.scores == {"grade": pytest.approx(0.75)}
    assert suite.metrics["grade"].kind == "bounded"


def test_the_baseline_is_graded_like_everybody(tmp_path: Path) -> None:
    suite = build(tmp_path)
    assert not suite.needs_baseline
    own = Answer(key="a", completions=(Completion(text="four"),))
    asked = [hold(suite.consult(first(suite), own, other), says(verdict("5")))[1] for other in (None, own)]
    assert asked[0] == asked[1]
    assert len(asked[0]) == 1


def test_the_judge_is_told_the_reference_where_its_prompt_has_a_place_for_it(tmp_path: Path) -> None:
    own = Answer(key="a", completions=(Completion(text="{reference}"),))
    _, asked = hold(build(tmp_path, prompt="reference").consult(first(build(tmp_path)), own, None), says(verdict("correct")))
    assert "<reference>\n4\n</reference>\n\n<answer>\n{reference}\n</answer>" in asked[0].messages[1].content
    _, asked = hold(build(tmp_path).consult(first(build(tmp_path)), own, None), says(verdict("1")))
    assert "4" not in asked[0].messages[1].content


# ------------------------------------------------------------------------------------------------------------- rubric


def test_a_rubric_keeps_every_criterion_and_its_grade_is_their_weighted_mean(tmp_path: Path) -> None:
    suite = build(tmp_path, use="rubric", prompt="json.md")
    sample = grade(suite, ["four"], says(json.dumps({"true": "3", "short": "1"})))
    assert sample.scores == {"grade": (3 * 3 + 1) / 4, "criterion_true": 3.0, "criterion_short": 1.0}
    assert [(each.criterion, each.score) for each in sample.judgments] == [("true", 3.0), ("short", 1.0)]
    assert {metric.bounds for metric in suite.metrics.values()} == {(1.0, 3.0)}


def test_all_criteria_are_in_one_question_or_each_is_asked_by_itself(tmp_path: Path) -> None:
    own = Answer(key="a", completions=(Completion(text="four"),))
    together = build(tmp_path, use="rubric", prompt="json.md")
    _, asked = hold(together.consult(first(together), own, None), says("{}"))
    assert [request.messages[0].content for request in asked] == ["2+2?|four|true: It is true.\nshort: It is short."]
    assert list((asked[0].schema or {})["properties"]) == ["true", "short"]
    apart = build(tmp_path, use="rubric", prompt="word.md")
    judgments, asked = hold(apart.consult(first(apart), own, None), says("2", "3"))
    assert [request.messages[0].content for request in asked] == ["2+2?|four|true: It is true.", "2+2?|four|short: It is short."]
    assert [(each.criterion, each.score) for each in judgments] == [("true", 2.0), ("short", 3.0)]


def test_probabilities_go_criterion_by_criterion(tmp_path: Path) -> None:
    suite = build(tmp_path, use="rubric", prompt="word.md", probabilities=True)
    likely = {("true", "3"): 0.5, ("true", "1"): 0.5, ("short", "2"): 1.0}

    def reply(request: Request) -> Completion:
        name = request.messages[0].content.split("|")[2].split(":")[0]
        share = likely.get((name, str(request.continuation)), 0.0)
        return Completion(logprob=math.log(share) if share else -math.inf)

    assert grade(suite, ["four"], reply).scores == {"grade": 2.0, "criterion_true": 2.0, "criterion_short": 2.0}


def test_a_criterion_that_cannot_be_read_leaves_no_grade(tmp_path: Path) -> None:
    sample = grade(build(tmp_path, use="rubric", prompt="json.md"), ["four"], says(json.dumps({"true": "3"})))
    assert (sample.scores, sample.error, sample.flags) == (None, UNPARSABLE, ("unparsable",))


def test_criteria_of_the_config_stand_in_place_of_those_of_the_prompt(tmp_path: Path) -> None:
    own = {"polite": {"about": "It is polite.", "weight": 2}, "warm": {"about": "It is warm."}}
    suite = build(tmp_path, use="rubric", criteria=own)
    assert list(suite.metrics) == ["grade", "criterion_polite", "criterion_warm"]
    assert suite.fingerprint() != build(tmp_path, use="rubric").fingerprint()
    other = build(tmp_path, use="rubric", criteria={**own, "warm": {"about": "It is warm.", "weight": 2}})
    assert suite.fingerprint() != other.fingerprint()
    assert grade(suite, ["four"], says(json.dumps({"reason": "", "polite": "5", "warm": "2"}))).scores == {
        "grade": 4.0,
        "criterion_polite": 5.0,
        "criterion_warm": 2.0,
    }


# ---------------------------------------------------------------------------------------------------- draws and turns


def test_a_grade_is_the_mean_over_draws_and_a_draw_without_a_verdict_is_left_out(tmp_path: Path) -> None:
    suite = build(tmp_path, draws=3, temperature=1.0)
    sample = grade(suite, ["a", "b", "c"], says(verdict("1"), "what?", verdict("4")))
    assert sample.scores == {"grade": 2.5}
    assert sample.draws == {"grade": [1.0, 4.0]}
    assert sample.flags == ("unparsable",)
    assert [each.draw for each in sample.judgments] == [0, 1, 2]


TURNS = {"key": "a", "turns": ["Name a river.", "Name another."]}


def test_of_several_turns_the_last_is_graded_with_the_conversation_before_it(tmp_path: Path) -> None:
    suite = build(tmp_path, [TURNS])
    answer = Answer(key="a", completions=(Completion(text="Rhine"), Completion(text="Rhône")))
    judgments, asked = hold(suite.consult(first(suite), answer, None), says(verdict("5")))
    assert len(judgments) == len(asked) == 1
    text = asked[0].messages[1].content
    assert "[user]\nName a river.\n\n[assistant]\nRhine\n\n[user]\nName another." in text
    assert "<answer>\nRhône\n</answer>" in text


def test_every_turn_may_be_graded_and_their_mean_counts(tmp_path: Path) -> None:
    suite = build(tmp_path, [TURNS], graded_turns="all")
    assert grade(suite, ["Rhine", "Rhine"], says(verdict("5"), verdict("2"))).scores == {"grade": 3.5}
    sample = grade(suite, ["Rhine", "Rhine"], says(verdict("5"), ""))
    assert (sample.scores, sample.error) == (None, UNPARSABLE)  # the mean of the other turn would be another grade


def test_an_answer_that_says_nothing_has_the_lowest_grade_and_nobody_is_asked(tmp_path: Path) -> None:
    sample = grade(build(tmp_path), [" \n"], says())
    assert sample.scores == {"grade": 1.0}
    assert sample.judgments[0].reason == "nothing was said"
    sample = grade(build(tmp_path, use="rubric", prompt="json.md"), [""], says())
    assert sample.scores == {"grade": 1.0, "criterion_true": 1.0, "criterion_short": 1.0}


def test_an_answer_that_nobody_judged_is_an_error(tmp_path: Path) -> None:
    (sample,) = build(tmp_path).grade([Answer(key="a", completions=(Completion(text="four"),))], {}, {})
    assert sample.error == "no judge was asked about this answer"


# --------------------------------------------------------------------------------------------------------------- jury


def test_a_jury_grades_by_the_weighted_mean_and_judges_far_apart_are_disputed(tmp_path: Path) -> None:
    suite = build(tmp_path, judge=["one", "two"])
    answer = Answer(key="a", completions=(Completion(text="four"),))
    judgments = [
        msgspec.structs.replace(hold(suite.hear(name, first(suite), answer, None), says(verdict(word)))[0][0], weight=weight)
        for name, word, weight in (("one", "5", 3.0), ("two", "1", 1.0))
    ]
    (sample,) = suite.grade([answer], {"a": judgments}, {})
    assert sample.scores == {"grade": 4.0}
    assert sample.flags == ("disputed",)
    assert [each.judge for each in sample.judgments] == ["one", "two"]
    close = grade(suite, ["four"], says(verdict("5"), verdict("4")), jurors=("one", "two"))
    assert (close.scores, close.flags) == ({"grade": 4.5}, ())


def test_a_juror_that_cannot_be_read_abstains(tmp_path: Path) -> None:
    sample = grade(build(tmp_path, judge=["one", "two"]), ["four"], says(verdict("2"), "?"), jurors=("one", "two"))
    assert (sample.scores, sample.flags) == ({"grade": 2.0}, ("unparsable",))


# ---------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("options", "where", "says"),
    [
        ({"use": "pairwise"}, "options.use", "each is graded alone"),
        ({"criteria": {"x": {"about": "y"}}}, "options.criteria", "has none"),
        ({"use": "rubric", "criteria": {}}, "options.prompt", "needs criteria"),
        ({"use": "rubric", "criteria": {"a/b": {"about": "y"}}}, "options.prompt", "'a/b'"),
        ({"use": "rubric", "criteria": {"a": {"about": " "}}}, "options.prompt", "what it is about"),
        ({"use": "rubric", "criteria": {"a": {"about": "y", "weight": 0}}}, "options.prompt", "above 0"),
        ({"use": "rubric", "probabilities": True}, "options.prompt", "asks for JSON"),
        ({"judge": []}, "options.judge", "judge's engine"),
        ({"judge": ["a", "a"]}, "options.judge", "one vote"),
        ({"graded_turns": "all"}, "options.graded_turns", "no item has further turns"),
        ({"limits": {"kappa": 0.5}}, "options.limits", "name labelled pairs"),
        ({"prompt": "reference", "admission": "judges:pairs.jsonl"}, "options.admission", "no 'reference'"),
    ],
)
def test_bad_options_are_refused_before_anything_is_asked(tmp_path: Path, options: dict[str, Any], where: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(tmp_path, **options)
    assert where in str(caught.value)
    assert says in str(caught.value)


def test_a_missing_reference_is_named_with_its_item(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"open\.jsonl: item 'b' has no target") as caught:
        build(tmp_path, [{"key": "a", "prompt": "2+2?", "target": "4"}, {"key": "b", "prompt": "3+3?"}], prompt="reference")
    assert "options.prompt" in str(caught.value)


# --------------------------------------------------------------------------------------------------------------- card

CARD = Path(__file__).parents[2] / "docs" / "suites" / "graded.md"


def test_what_the_card_shows_is_built_and_it_names_every_option_metric_and_prompt(tmp_path: Path) -> None:
    text = CARD.read_text(encoding="utf-8")
    (snippet,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    (declared,) = msgspec.toml.decode(snippet)["suites"]
    write(tmp_path / "open.jsonl", [{"key": "a", "prompt": "2+2?"}])
    suite = Graded("open", msgspec.convert(declared["options"], GradedOptions), seed=1, folder=tmp_path, where="suites[0]")
    assert suite.admit() is not None
    rows = " ".join(line.split("|")[1] for line in text.splitlines() if line.startswith("|"))
    named = set(re.findall(r"\w+", rows))
    assert set(GradedOptions.__struct_fields__) - set(ItemOptions.__struct_fields__) <= named
    assert {"grade", "criterion_NAME"} <= named
    own = {path.stem for path in SHIPPED.glob("*.md") if path.stem.split("_")[0] in ("pointwise", "reference", "rubric")}
    assert own <= named


def test_a_grader_is_examined_on_pairs_by_its_grades(tmp_path: Path) -> None:
    """One that grades by length is right about labels that want the longer, and its card says so."""
    rows = [
        {"key": str(index), "question": f"q{index}", "left": "long" * (1 + index % 2), "right": "long" * (2 - index % 2),
         "winner": ("right", "left")[index % 2]}
        for index in range(24)
    ]  # fmt: skip
    write(tmp_path / "labels.jsonl", rows)
    suite = build(tmp_path, admission="labels.jsonl", limits={"canaries": 0})
    examination = suite.admit()
    assert examination is not None

    def reply(request: Request) -> Completion:
        text = request.messages[1].content.split("<answer>\n")[1].split("\n</answer>")[0]
        return Completion(text=verdict(str(min(len(text) // 4 + 1, 5))))

    admission, _ = hold(examination, reply)
    assert (admission.admitted, admission.kappa, admission.pairs, admission.consistency) == (True, 1.0, 24, 1.0)
