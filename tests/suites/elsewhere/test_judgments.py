"""Judgments of other tools: read strictly, counted by our own code, once each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.errors import UsageError
from harness.records import Conclusion, Measured
from harness.store import Store
from suites.elsewhere import arranged, read_judgments, renamed


def write(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """JSON lines, or one list for ``.json``."""
    listed = list(rows)
    text = json.dumps(listed) if path.suffix == ".json" else "".join(json.dumps(row) + "\n" for row in listed)
    path.write_text(text, encoding="utf-8")
    return path


def alpaca(number: int, preference: float | None, *, switched: bool = False, text: str = "good", **more: Any) -> dict[str, Any]:
    return {
        "instruction": f"Question {number}?", "output_1": "base", "generator_1": "gpt4_turbo",
        "output_2": text, "generator_2": "mine", "annotator": "weighted",
        "preference": preference, "is_switched_outputs": switched, "dataset": "helpful_base", **more,
    }  # fmt: skip


def pair(question: int, first: str, second: str, g1: str, g2: str, *, turn: int = 1) -> dict[str, Any]:
    return {
        "question_id": question, "model_1": first, "model_2": second, "g1_winner": g1, "g2_winner": g2,
        "judge": ["gpt-4", "pair-v2"],
        "g1_user_prompt": "…", "g1_judgment": "[[A]]", "g2_user_prompt": "…", "g2_judgment": "[[B]]", "turn": turn, "tstamp": 1.0,
    }  # fmt: skip


def single(question: int, model: str, score: float, *, turn: int = 1) -> dict[str, Any]:
    return {"question_id": question, "model": model, "judge": ["gpt-4", "single-v1"], "user_prompt": "…", "judgment": "[[7]]",
            "score": score, "turn": turn, "tstamp": 1.0}  # fmt: skip


def vote(question: Any, first: str, second: str, winner: str, **more: Any) -> dict[str, Any]:
    """As lmsys/chatbot_arena_conversations and lmsys/mt_bench_human_judgments have them, and fields that say nothing here."""
    return {"question_id": question, "model_a": first, "model_b": second, "winner": winner, "judge": "arena_user_973",
            "turn": 1, "anony": True, "language": "English", "tstamp": 1682351591.1, "toxic_chat_tag": {}, **more}  # fmt: skip


def talk(*said: str) -> list[dict[str, str]]:
    return [{"content": text, "role": ("user", "assistant")[at % 2]} for at, text in enumerate(said)]


def import_(folder: Path, path: Path, *flags: str) -> int:
    return main(["import", "judgments", str(path), "--suite", "pref", "--store", str(folder / "runs"), *flags])


def stored(folder: Path, name: str) -> Measured:
    store = Store(folder / "runs")
    return store.read(store.current()["pref", name])


def wins(measured: Measured) -> list[float | None]:
    return [None if sample.scores is None else sample.scores.get("win") for sample in measured.samples]


# -------------------------------------------------------------------------------------------------------- alpaca_eval


def test_preferences_of_alpaca_eval_are_about_the_second_model_and_sides_are_not_turned_twice(tmp_path: Path) -> None:
    """The rows are written after sides were exchanged back: ``is_switched_outputs`` only says who stood first."""
    rows = [
        alpaca(0, 2),
        alpaca(1, 1),
        alpaca(2, 1.5),
        alpaca(3, 0),
        alpaca(4, 1.25),
        alpaca(5, None),
        alpaca(6, 2.0, switched=True),
    ]
    read = read_judgments(write(tmp_path / "annotations.json", rows))
    assert read.format == "alpaca_eval"
    found = arranged(read, baseline="gpt4_turbo")
    samples = found.candidates["mine"]
    assert [None if each.scores is None else each.scores["win"] for each in samples] == [1.0, 0.0, 0.5, 0.5, 0.25, None, 1.0]
    assert samples[5].error == "judge verdict unparsable"
    assert [each.judgments[0].order for each in samples] == ["right"] * 6 + ["left"]
    assert samples[0].outputs == ("good",)
    assert found.baseline[0].outputs == ("base",)
    assert samples[0].slices == {"dataset": "helpful_base"}
    assert all((each.scores or {})["win"] == 0.5 for each in found.baseline)


def test_the_same_judgments_from_the_other_side_give_the_other_win_rate(tmp_path: Path) -> None:
    read = read_judgments(write(tmp_path / "a.json", [alpaca(0, 2), alpaca(1, 1.25, switched=True)]))
    samples = arranged(read, baseline="mine").candidates["gpt4_turbo"]
    assert [(each.scores or {})["win"] for each in samples] == [0.0, 0.75]
    assert [each.judgments[0].order for each in samples] == ["left", "right"]


def test_an_instruction_with_an_input_is_another_item_than_without(tmp_path: Path) -> None:
    read = read_judgments(write(tmp_path / "a.json", [alpaca(0, 2), alpaca(0, 1, input="of this text")]))
    assert len(arranged(read, baseline="gpt4_turbo").candidates["mine"]) == 2


# ---------------------------------------------------------------------------------------------------------- mt_bench


def test_pairs_of_mt_bench_are_read_in_both_orders_and_turns_of_a_question_belong_together(tmp_path: Path) -> None:
    rows = [
        pair(81, "mine", "base", "model_1", "model_1"),
        pair(81, "mine", "base", "model_1", "model_2", turn=2),
        pair(82, "base", "mine", "model_1", "model_1"),
        pair(83, "mine", "base", "tie", "error"),
        pair(84, "mine", "base", "error", "error"),
        pair(85, "mine", "third", "model_1", "model_1"),
    ]
    read = read_judgments(write(tmp_path / "gpt-4_pair.jsonl", rows))
    found = arranged(read, baseline="base")
    samples = {each.key: each for each in found.candidates["mine"]}
    assert {key: None if each.scores is None else each.scores["win"] for key, each in samples.items()} == {
        "81/1": 1.0, "81/2": 0.5, "82/1": 0.0, "83/1": 0.5, "84/1": None,
    }  # fmt: skip
    assert samples["81/2"].flags == ("conflict",)
    assert samples["83/1"].flags == ("unparsable",)
    assert samples["82/1"].judgments[0].order == "right"  # model_1 stood first, and it is the baseline
    assert samples["81/1"].judgments[0].judge == "gpt-4/pair-v2"
    assert {each.cluster for each in samples.values()} == {"81", "82", "83", "84"}
    assert samples["81/2"].slices == {"turn": "2"}
    assert [key for key, each in samples.items() if "win_consistent" in (each.scores or {})] == ["81/1", "82/1"]
    assert (found.apart, list(found.candidates)) == (2, ["mine"])


def test_single_grades_are_a_metric_and_the_better_one_wins(tmp_path: Path) -> None:
    rows = [
        *(single(81, name, score) for name, score in (("base", 7), ("mine", 9), ("other", 7))),
        *(single(82, name, score) for name, score in (("base", -1), ("mine", 3), ("other", -1))),
        *(single(83, name, score) for name, score in (("base", 8), ("mine", 2.5))),
    ]
    found = arranged(read_judgments(write(tmp_path / "gpt-4_single.jsonl", rows)), baseline="base")
    scores = {name: {each.key: each.scores for each in samples} for name, samples in found.candidates.items()}
    assert scores["mine"] == {
        "81/1": {"grade": 9.0, "win": 1.0, "win_consistent": 1.0},
        "82/1": {"grade": 3.0},
        "83/1": {"grade": 2.5, "win": 0.0, "win_consistent": 0.0},
    }
    assert scores["other"] == {"81/1": {"grade": 7.0, "win": 0.5, "win_consistent": 0.5}, "82/1": None}
    assert [each.scores for each in found.baseline][1] == {"win": 0.5, "win_consistent": 0.5}
    assert found.metrics["grade"].range == (1.0, 10.0)


def test_mean_grades_are_told_without_what_could_not_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows as a public file has them: a judge with a prompt for each kind of question, and -1 where no rating was found."""
    rows = [
        {**single(143, name, -1, turn=2), "judge": ["gpt-4", "single-v1-multi-turn"]} for name in ("granite-7b-lab", "base")
    ] + [
        {**single(117, name, score), "judge": ["gpt-4", "single-math-v1"]} for name, score in (("granite-7b-lab", 10), ("base", 7))
    ]
    assert import_(tmp_path, write(tmp_path / "gpt-4_single.jsonl", rows), "--baseline", "base") == 0
    told = capsys.readouterr().out
    assert "granite-7b-lab: mean grade 10.00 of 10, over 1 items" in told
    assert "base: mean grade 7.00 of 10, over 1 items" in told
    assert "granite-7b-lab: 1 items, 1 without a readable verdict" in told


# ------------------------------------------------------------------------------------------------------------- arena


def test_votes_of_an_arena_are_about_the_left_model_and_both_bad_is_a_tie(tmp_path: Path) -> None:
    rows = [
        vote("q1", "mine", "base", "model_a", conversation_a=talk("?", "long answer"), conversation_b=talk("?", "short")),
        vote("q2", "base", "mine", "model_a", language="German"),
        vote("q3", "mine", "base", "tie (bothbad)"),
        vote("q4", "base", "mine", "tie"),
        vote("q5", "mine", "third", "model_b"),
    ]
    read = read_judgments(write(tmp_path / "votes.jsonl", rows))
    assert read.format == "arena"
    found = arranged(read, baseline="base")
    samples = found.candidates["mine"]
    assert [(each.scores or {})["win"] for each in samples] == [1.0, 0.0, 0.5, 0.5]
    assert [each.judgments[0].order for each in samples] == ["left", "right", "left", "right"]
    assert (samples[0].prompt, samples[0].outputs, found.baseline[0].outputs) == ("?", ("long answer",), ("short",))
    assert (samples[1].outputs, samples[1].slices) == ((), {"turn": "1", "language": "German"})
    assert found.apart == 1


def test_a_vote_about_the_first_turn_is_about_no_more_than_that(tmp_path: Path) -> None:
    """MT-bench's human judgments hold both turns in every row; ``turn`` says how many of them were seen."""
    both = {"conversation_a": talk("one?", "1", "two?", "22"), "conversation_b": talk("one?", "a", "two?", "bb")}
    rows = [vote(81, "mine", "base", "model_a", **both), vote(81, "mine", "base", "model_b", **both, turn=2, judge="expert_4")]
    first, second = arranged(read_judgments(write(tmp_path / "h.jsonl", rows)), baseline="base").candidates["mine"]
    assert (first.key, first.prompt, first.outputs, first.cluster) == ("81/1", "one?", ("1",), "81")
    assert (second.key, second.prompt, second.outputs, second.cluster) == ("81/2", "one?\n\ntwo?", ("1\n\n22",), "81")


# ------------------------------------------------------------------------------------------------------------- plain


def test_plain_rows_say_where_the_candidate_stood_and_who_won(tmp_path: Path) -> None:
    rows = [
        {"key": "a", "order": "left", "verdict": "candidate", "slice.language": "zh"},
        {"key": "a", "order": "right", "verdict": "baseline", "slice.language": "zh"},
        {"key": "b", "order": "alone", "verdict": 0.8, "output": "x", "other": "y", "judge": "j", "cluster": 3},
        {"key": "c", "order": "left", "verdict": "none"},
    ]
    read = read_judgments(write(tmp_path / "a.jsonl", rows), candidate="new", baseline="base")
    samples = arranged(read, baseline="base").candidates["new"]
    assert [None if each.scores is None else each.scores["win"] for each in samples] == [0.5, 0.8, None]
    assert samples[0].flags == ("conflict",)
    assert samples[0].slices == {"language": "zh"}
    assert (samples[1].cluster, samples[1].outputs) == ("3", ("x",))


BAD: Sequence[tuple[str, list[dict[str, Any]], str]] = (
    ("nothing fits", [{"key": "a", "score": 1}], "found the fields key, score; expected those of one of these: alpaca_eval"),
    ("a row of another kind", [alpaca(0, 2), pair(1, "a", "b", "tie", "tie")], "row 2: 'instruction' is missing"),
    ("beyond the scale", [alpaca(0, 3)], "preference is 3; expected a number from 1 to 2"),
    ("true is no preference", [alpaca(0, True)], "preference is True"),
    ("a word", [alpaca(0, 2, is_switched_outputs="no")], "is_switched_outputs is 'no'; expected true or false"),
    ("a winner's name", [pair(1, "a", "b", "a", "tie")], "g1_winner is 'a'; expected model_1, model_2, tie, error"),
    ("an arena's winner", [vote(1, "a", "b", "a")], "winner is 'a'; expected model_a, model_b, tie, tie (bothbad)"),
    ("a turn", [vote(1, "a", "b", "tie", turn=0)], "turn is '0'; expected a whole number from 1 on"),
    ("a talk", [vote(1, "a", "b", "tie", conversation_a="?")], "conversation_a is no list of messages"),
    ("itself", [pair(1, "a", "a", "tie", "tie")], "'a' is compared with itself"),
    ("a grade of 11", [single(1, "a", 11)], "score is 11; expected a number from 1 to 10, or -1"),
    ("twice", [alpaca(0, 2), alpaca(0, 1)], "judged item"),
    ("twice, turned", [pair(1, "a", "base", "tie", "tie"), pair(1, "base", "a", "tie", "tie")], "a judgment counts once"),
    ("graded twice", [single(1, "a", 3), single(1, "a", 4)], "a judgment counts once"),
    ("an order", [{"key": "a", "order": "first", "verdict": "tie"}], "order is 'first'; expected left, right or alone"),
    ("a verdict", [{"key": "a", "order": "left", "verdict": "win"}], "verdict is 'win'; expected a number from 0 to 1"),
    ("a field", [{"key": "a", "order": "left", "verdict": "tie", "clutser": "x"}], "nothing is known of 'clutser'"),
    ("half of the answers", [{"key": "a", "order": "left", "verdict": "tie", "output": "x"}], "expected both, or neither"),
    ("a name that controls", [pair(1, "a\x1b[31m", "b", "tie", "tie")], "model_1 is 'a\\x1b[31m'"),
)  # fmt: skip


@pytest.mark.parametrize(("rows", "said"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_what_does_not_fit_is_said_with_its_place(tmp_path: Path, rows: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(UsageError) as error:
        read_judgments(write(tmp_path / "a.json", rows), candidate="new", baseline="base")
    assert said in str(error.value)
    assert "a.json, row" in str(error.value)


def test_rows_that_contradict_each_other_about_an_item_or_an_answer_are_refused(tmp_path: Path) -> None:
    two = [alpaca(0, 2, annotator="a"), alpaca(0, 1, annotator="b", text="another answer")]
    with pytest.raises(UsageError, match=r"'mine' answers item .* otherwise than at .*row 1"):
        arranged(read_judgments(write(tmp_path / "a.json", two)), baseline="gpt4_turbo")
    sliced = [alpaca(0, 2, annotator="a"), alpaca(0, 1, annotator="b", dataset="other")]
    with pytest.raises(UsageError, match=r"slices of item .*; expected the same"):
        arranged(read_judgments(write(tmp_path / "b.json", sliced)), baseline="gpt4_turbo")


def test_names_that_nobody_has_or_two_would_share_are_refused(tmp_path: Path) -> None:
    read = read_judgments(write(tmp_path / "a.json", [alpaca(0, 2)]))
    with pytest.raises(UsageError, match="nothing is said of the baseline 'base'"):
        arranged(read, baseline="base")
    with pytest.raises(UsageError, match="nobody in the file is called so"):
        renamed(read, {"gpt4": "base"})
    with pytest.raises(UsageError, match="two models of the file would both be called 'mine'"):
        renamed(read, {"gpt4_turbo": "mine"})


# ------------------------------------------------------------------------------------------------------- the command


def test_a_model_whose_name_no_candidate_can_have_is_called_otherwise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "a.json", [alpaca(0, 2, generator_2="org/my model")])
    assert import_(tmp_path, path, "--baseline", "gpt4_turbo") == 2
    assert "Call it otherwise: --named 'org/my model=NAME'" in capsys.readouterr().err
    assert import_(tmp_path, path, "--baseline", "gpt4_turbo", "--named", "org/my model=mine") == 0


def annotations(won: int, lost: int, **more: Any) -> list[dict[str, Any]]:
    """Judged in one order each; the winner's answers are the longer ones, but for every fourth."""
    longer = [(number < won) != (number % 4 == 0) for number in range(won + lost)]
    return [
        alpaca(number, 2 if number < won else 1, switched=number % 2 == 0, text="x" * (8 + number % 5 if long else 2), **more)
        for number, long in enumerate(longer)
    ]


def test_the_command_counts_by_our_own_code_and_importing_again_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "annotations.json", [*annotations(40, 20), alpaca(99, None)])
    flags = ("--baseline", "base", "--named", "gpt4_turbo=base")
    assert import_(tmp_path, path, *flags) == 0
    told = capsys.readouterr().out
    assert "61 judgments (alpaca_eval) by weighted" in told
    assert "mine: 60 items, 1 without a readable verdict; win rate 66.7 %" in told
    assert "all intervals 90 %" in told
    assert "at equal length" in told
    mine, base = stored(tmp_path, "mine"), stored(tmp_path, "base")
    assert wins(mine).count(1.0) == 40
    assert (mine.run.failed, mine.run.scores["win"]) == (1, pytest.approx(2 / 3))
    assert set(mine.run.metrics) == {"win", "win_length", "win_style"}
    assert (base.run.use, base.run.judge_hash) == ("scores", mine.run.judge_hash)
    assert import_(tmp_path, write(tmp_path / "turned.json", reversed([*annotations(40, 20), alpaca(99, None)])), *flags) == 0
    assert stored(tmp_path, "mine").run.graded == mine.run.graded


def test_one_file_after_another_shares_the_baseline_and_another_baseline_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--baseline", "gpt4_turbo")
    assert import_(tmp_path, write(tmp_path / "a.json", annotations(8, 4)), *flags) == 0
    more = [{**row, "generator_2": "second"} for row in annotations(5, 15)]
    assert import_(tmp_path, write(tmp_path / "b.json", more), *flags) == 0
    assert len(stored(tmp_path, "gpt4_turbo").samples) == 20
    assert len(stored(tmp_path, "mine").samples) == 12
    other = [{**row, "output_1": "another", "generator_2": "third"} for row in annotations(5, 5)]
    assert import_(tmp_path, write(tmp_path / "c.json", other), *flags) == 2
    assert "two baselines are no baseline" in capsys.readouterr().err


def test_several_models_have_strengths_and_several_judges_an_agreement(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """a beats b on 20 of 30, b beats base on 20 of 30, a beats base on 24 of 30."""
    said = [("a", "b", 20), ("b", "base", 20), ("a", "base", 24)]
    rows = [
        pair(number, first, second, *(("model_1", "model_1") if number < won else ("model_2", "model_2")))
        for first, second, won in said for number in range(30)
    ]  # fmt: skip
    rows += [{**row, "judge": ["other"]} for row in rows if row["question_id"] < 25]
    assert import_(tmp_path, write(tmp_path / "p.jsonl", rows), "--baseline", "base") == 0
    told = capsys.readouterr().out
    order = [line.rsplit(" ", 1)[1] for line in told.splitlines() if line.startswith("strength")]
    assert order == ["a", "b", "base"]
    assert "120 judgments are about two others" in told or "110 judgments are about two others" in told
    assert "raw agreement" in told.lower()
    assert "of 2 judges: 1.00" in told


def test_of_many_people_few_are_named_and_only_those_who_saw_the_same_are_held_against_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As MT-bench has one judge under a name for each kind of question: who never met has no agreement, not an undefined one."""
    alone = [vote(number, "mine", "base", "model_a", judge=f"user {number}") for number in range(8)]
    assert import_(tmp_path, write(tmp_path / "a.jsonl", alone), "--baseline", "base") == 0
    told = capsys.readouterr().out
    assert "8 judgments (arena) by user 0, user 1, user 2, user 3, user 4 and 3 more;" in told
    assert "agreement" not in told.lower()
    met = [*alone, *({**row, "judge": "another", "winner": "model_b" if at < 2 else "model_a"} for at, row in enumerate(alone[:6]))]
    assert import_(tmp_path, write(tmp_path / "b.jsonl", met), "--baseline", "base") == 0
    told = capsys.readouterr().out
    assert "raw agreement of 7 judges: 0.67" in told
    assert "over 6 comparisons" in told


def test_a_gate_reads_imported_judgments_and_does_not_let_an_unexamined_judge_decide(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "gate.toml"
    config.write_text(
        'store = "runs"\nbaseline = "base"\ncandidates = [{ name = "base", model = "m", engine = "none" }, '
        '{ name = "mine", model = "m2", engine = "none" }]\nsuites = [{ name = "pref", use = "scores" }]\n'
        'rules = [{ metric = "pref/win", require = "superior" }, '
        '{ metric = "pref/win_length", require = "superior", severity = "warn" }]\n'
    )
    path = write(tmp_path / "annotations.json", [*annotations(70, 30), *({**row, "generator_2": "x"} for row in annotations(5, 5))])
    flags = ["--suite", "pref", "--config", str(config)]
    assert main(["import", "judgments", str(path), *flags, "--named", "gpt4_turbo=base"]) == 0
    assert "not in the config, and not imported: x" in capsys.readouterr().out
    assert main(["gate", str(config)]) == 11
    (verdict,) = (tmp_path / "runs").glob("**/verdict.json")
    import msgspec

    found = msgspec.json.decode(verdict.read_bytes(), type=Conclusion)
    assert found.win_rates[0].rate == pytest.approx(0.7)
    assert "never examined" in found.verdicts[0].findings[0].reason or "may not gate" in found.verdicts[0].findings[0].reason
    assert main(["import", "judgments", str(path), *flags]) == 2
    assert "nothing is said of the baseline 'base'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ((), "--baseline is missing"),
        (("--baseline", "gpt4_turbo", "--candidate", "x"), "rows of alpaca_eval say themselves who answered"),
        (("--baseline", "gpt4_turbo", "--lower", "win"), "--lower belongs to scores"),
        (("--baseline", "gpt4_turbo", "--format", "alpaca"), "--format 'alpaca' is not known"),
        (("--baseline", "gpt4_turbo", "--named", "mine"), "expected MODEL=NAME"),
        (("--baseline", "gpt4_turbo", "--named", "mine=a b"), "cannot be the name"),
    ],
)
def test_flags_that_mean_nothing_here_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], said: str
) -> None:
    assert import_(tmp_path, write(tmp_path / "a.json", [alpaca(0, 2)]), *flags) == 2
    assert said in capsys.readouterr().err
