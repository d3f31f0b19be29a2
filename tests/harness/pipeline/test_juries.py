"""One judge and several, through the command line: who is asked, how much each counts, and what may gate."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.pipeline.examining import cards
from harness.records import Measured
from harness.store import Store
from tests.harness.pipeline.gated import Gate

PROMPT = """+++
kind = "{kind}"
answer = "word"
verdicts = {verdicts}
+++
{{question}}|{places}
"""
LABELS, ITEMS = 40, 24
GOOD, BAD = "good", "bad"


def judge(name: str, wrong: int = 0, *, of: int = LABELS, **more: Any) -> dict[str, Any]:
    """A fake that says yes of good answers and no of bad ones, but for the first ``wrong`` of each ``of`` questions."""
    answers = {}
    for word, count in (("label", LABELS), ("question", ITEMS)):
        for index in range(count):
            right = index % of >= wrong
            answers[f"{word} {index}|{GOOD}"] = "yes" if right else "no"
            answers[f"{word} {index}|{BAD}"] = "no" if right else "yes"
    return {"engine": "fake", "options": {"answers": answers}, **more}


@pytest.fixture
def gate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Gate:
    found = Gate(tmp_path, capsys)
    found.items([{"key": f"k{index}", "prompt": f"question {index}", "cluster": f"c{index}"} for index in range(ITEMS)])
    (tmp_path / "alone.md").write_text(PROMPT.format(kind="pointwise", verdicts="{ yes = 1, no = 0 }", places="{answer}"))
    rows = [
        {"key": index, "question": f"label {index}", "left": texts[0], "right": texts[1], "winner": ("left", "right")[index % 2]}
        for index in range(LABELS)
        for texts in [(GOOD, BAD) if index % 2 == 0 else (BAD, GOOD)]
    ]
    (tmp_path / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for candidate, step in zip(found.config["candidates"], (3, 5), strict=True):
        candidate["options"] = {"answers": {f"question {index}": said(index, step) for index in range(ITEMS)}}
    found.config["suites"] = [
        {"name": "open", "use": "graded", "options": {
            "items": "items.jsonl", "judge": ["one", "two", "three"], "prompt": "alone.md", "admission": "labels.jsonl",
            "limits": {"canaries": 0},
        }}
    ]  # fmt: skip
    found.config["engines"] = {"one": judge("one"), "two": judge("two"), "three": judge("three")}
    found.config["rules"] = [{"metric": "open/*/grade", "require": "non_inferior", "margin": 0.3}]
    return found


def said(index: int, step: int) -> str:
    return BAD if index % step == step - 1 else GOOD


def read(gate: Gate, candidate: str) -> Measured:
    store = Store(gate.folder / "runs")
    return store.read(store.current()["open", candidate])


def test_a_jury_that_is_right_gates_and_every_opinion_is_kept(gate: Gate) -> None:
    gate.does("run")
    new = read(gate, "new")
    assert [sample.scores for sample in new.samples] == [{"grade": float(said(index, 5) == GOOD)} for index in range(ITEMS)]
    assert [each.judge for each in new.samples[0].judgments] == ["one", "two", "three"]
    admission = new.run.admission
    assert admission is not None
    assert admission.admitted, admission.reasons
    assert (admission.judge, admission.pairs, admission.jury_accuracy) == ("one + two + three", LABELS, 1.0)
    assert [juror.accuracy for juror in admission.jurors] == [1.0, 1.0, 1.0]


def test_jurors_count_by_how_often_they_were_right(gate: Gate) -> None:
    gate.config["engines"] |= {"two": judge("two", 16), "three": judge("three", 40)}  # right in all, in 24, and in none of 40
    gate.does("run")
    run = read(gate, "new").run
    assert run.admission is not None
    weights = {juror.judge: juror.weight for juror in run.admission.jurors}
    # Of 120 verdicts 64 are right: all jurors together are (64 + 1)/(120 + 3); each is pulled there by ten labels' worth.
    common = 65 / 123
    alone = {"one": (40 + 10 * common) / 50, "two": (24 + 10 * common) / 50}
    expected = {name: _log_odds(accuracy) for name, accuracy in alone.items()} | {"three": 0.0}
    assert weights == pytest.approx(expected)
    assert [juror.accuracy for juror in run.admission.jurors] == [1.0, 0.6, 0.0]
    sample = read(gate, "new").samples[0]
    assert [(each.judge, each.score) for each in sample.judgments] == [("one", 1.0), ("two", 0.0), ("three", 0.0)]
    assert [each.weight for each in sample.judgments] == pytest.approx(list(weights.values()))
    assert sample.scores == {"grade": pytest.approx(weights["one"] / (weights["one"] + weights["two"]))}
    assert sample.flags == ("disputed",)
    assert run.flags["disputed"] == 16  # where the two differ; the third is always wrong, not heard, and disputes nothing


def _log_odds(accuracy: float) -> float:
    return math.log(accuracy * 2 / (1 - accuracy))


def test_without_labels_all_jurors_count_alike_and_none_may_gate(gate: Gate) -> None:
    options = gate.config["suites"][0]["options"]
    del options["admission"], options["limits"]
    gate.config["engines"]["two"] = judge("two", 40)
    told = gate.does("run", code=11)
    assert "never examined" in told
    new = read(gate, "new")
    assert new.run.admission is None
    assert new.samples[0].scores == {"grade": pytest.approx(2 / 3)}


def test_a_jury_of_the_wrong_informs_and_never_gates(gate: Gate) -> None:
    gate.config["engines"] = {name: judge(name, 40) for name in ("one", "two", "three")}
    told = gate.does("run", code=11)
    assert "the judge one + two + three may not gate" in " ".join(told.split())
    assert read(gate, "new").samples[0].scores == {"grade": 0.0}  # heard alike, for want of anybody better than chance


def test_a_juror_that_fails_in_the_middle_is_an_error_of_these_items_and_nothing_else_is_asked_twice(gate: Gate) -> None:
    gate.config["engines"]["two"]["options"]["fail"] = ["question 3|", "question 5|"]
    told = gate.does("run", code=13)
    assert "Traceback" not in told
    new = read(gate, "new")
    errors = {sample.key: sample.error for sample in new.samples if sample.error is not None}
    assert set(errors) == {"k3", "k5"}
    assert all(str(error).startswith("the judge failed") for error in errors.values())
    assert new.samples[0].scores == {"grade": 1.0}


def test_a_second_run_asks_nobody(gate: Gate) -> None:
    gate.does("run")
    first = read(gate, "new")
    gate.does("run")
    assert read(gate, "new") == first


def test_the_order_of_jurors_is_not_another_jury_and_another_juror_is(gate: Gate) -> None:
    gate.does("run")
    first = read(gate, "new").run
    gate.config["suites"][0]["options"]["judge"] = ["three", "one", "two"]
    gate.does("run")
    assert read(gate, "new").run.graded == first.graded
    gate.config["suites"][0]["options"]["judge"] = ["three", "one"]
    gate.does("run")
    assert read(gate, "new").run.judge_hash != first.judge_hash


def test_jurors_with_prompts_of_their_own_are_of_the_kind_that_these_say(gate: Gate) -> None:
    """One grades apart, the other compares; the same answers, and the labels are the same for both."""
    (gate.folder / "both.md").write_text(
        PROMPT.format(kind="pairwise", verdicts='{ first = "left", second = "right", neither = "tie" }', places="{left}/{right}")
    )
    answers = {
        f"{word} {index}|{left}/{right}": "first" if left == GOOD else "second"
        for word, count in (("label", LABELS), ("question", ITEMS))
        for index in range(count)
        for left, right in ((GOOD, BAD), (BAD, GOOD))
    }
    gate.config["engines"]["two"] = {"engine": "fake", "options": {"answers": answers}}
    suite = gate.config["suites"][0]
    suite["use"] = "preference"
    suite["options"] |= {"judge": ["one", "two"], "use": "pointwise", "prompts": {"two": "both.md"}}
    gate.config["rules"] = [{"metric": "open/*/win", "require": "non_inferior", "margin": 0.3}]
    gate.does("run")
    first = read(gate, "new")
    index = next(index for index in range(ITEMS) if said(index, 5) != said(index, 3))
    opinions = first.samples[index].judgments
    assert [(each.judge, each.order) for each in opinions] == [("one", "alone"), ("two", "left"), ("two", "right")]
    assert {each.score for each in opinions} == {float(said(index, 5) == GOOD)}
    assert first.run.admission is not None
    assert (first.run.admission.admitted, first.run.admission.jury_accuracy) == (True, 1.0)
    suite["options"] |= {"prompts": {"two": "both.md", "one": "other.md"}}
    del suite["options"]["prompt"]
    (gate.folder / "other.md").write_text((gate.folder / "alone.md").read_text() + "!")
    gate.does("run", "--dry-run")
    suite["options"]["prompts"] = {"one": "alone.md", "two": "both.md"}
    gate.does("run")
    assert read(gate, "new").run.graded == first.run.graded, "the same prompts, named otherwise"


def test_jurors_may_list_their_criteria_in_any_order(gate: Gate) -> None:
    """Each criterion is read by its name."""
    for name, order in (("one", ("a", "b")), ("two", ("b", "a"))):
        (gate.folder / f"{name}.md").write_text(
            PROMPT.replace('"word"', '"json"').format(
                kind="rubric",
                verdicts='{ "1" = 1, "2" = 2 }\n[criteria]\n' + "\n".join(f'{each} = {{ about = "{each}" }}' for each in order),
                places="{answer}|{criteria}",
            )
        )
        gate.config["engines"][name] = {"engine": "fake", "options": {"answers": {
            f"question {index}|{said}|{first}: {first}\n{second}: {second}": '{"a": "1", "b": "2"}'
            for first, second in (order,) for index in range(ITEMS) for said in (GOOD, BAD)
        }}}  # fmt: skip
    gate.config["suites"][0]["options"] = {
        "items": "items.jsonl", "judge": ["one", "two"], "use": "rubric", "prompts": {"one": "one.md", "two": "two.md"},
    }  # fmt: skip
    gate.config["rules"] = [{"metric": "open/*/grade", "require": "non_inferior", "margin": 0.3, "severity": "warn"}]
    gate.does("run", code=11)
    assert read(gate, "new").samples[0].scores == {"grade": 1.5, "criterion_a": 1.0, "criterion_b": 2.0}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"prompts": {"tow": "alone.md"}}, "'tow' is no juror. Did you mean 'two'"),
        ({"judge": "one", "prompts": {"one": "alone.md"}}, "there is one judge; use prompt"),
        ({"prompts": {"two": "pairwise"}}, "its prompt compares two answers"),
        ({"prompts": {"two": "pointwise"}}, "the grades of one and two have no common mean"),
        ({"prompts": {"two": "none.md"}}, "no judge prompt 'none.md'"),
        ({"prompts": dict.fromkeys(("one", "two", "three"), "alone.md")}, "every juror has a prompt of its own"),
    ],
)
def test_prompts_that_do_not_fit_are_named_before_anything_is_asked(gate: Gate, options: dict[str, Any], says: str) -> None:
    gate.config["suites"][0]["options"] |= options
    assert says in " ".join(gate.does("run", code=2).split())


def test_the_plan_says_what_each_juror_will_be_asked(gate: Gate) -> None:
    told = " ".join(gate.does("run", "--dry-run").split())
    for name in ("one", "two", "three"):
        assert f"to judge: {name} judges open: up to {2 * ITEMS} requests, without its examination" in told
    gate.does("run")
    assert "to judge" not in gate.does("run", "--dry-run")
    gate.config["suites"][0] = {"name": "open", "use": "preference", "options": {"items": "items.jsonl", "judge": "one"}}
    gate.config["rules"] = [{"metric": "open/*/win", "require": "non_inferior", "margin": 0.3}]
    assert f"one judges open: up to {2 * ITEMS} requests" in " ".join(gate.does("run", "--dry-run").split())


def test_an_unknown_juror_is_named_before_anything_is_asked(gate: Gate) -> None:
    gate.config["suites"][0]["options"]["judge"] = ["one", "tow"]
    told = gate.does("run", code=2)
    assert "the judge 'tow' is not declared" in " ".join(told.split())
    assert "Did you mean 'two'" in " ".join(told.split())


def test_what_judges_read_and_wrote_is_counted_by_judge_and_not_as_the_candidates(gate: Gate) -> None:
    gate.config["engines"]["one"]["price"] = {"input": 2.0, "output": 4.0}
    gate.does("run")
    run = read(gate, "new").run
    assert [each.judge for each in run.judges] == ["one", "two", "three"]
    one, two = run.judges[:2]
    assert one.tokens_in > 0
    assert (one.tokens_in, one.tokens_out) == (two.tokens_in, two.tokens_out)
    assert one.money == pytest.approx((2 * one.tokens_in + 4 * one.tokens_out) / 1e6)
    assert two.money is None
    spent = {(each.candidate, each.judge): each for each in gate.conclusion().spent}
    assert spent["new", "one"].cost == one.money
    assert run.admission is not None
    (examined, *_) = run.admission.spent
    assert [each.judge for each in run.admission.spent] == ["one", "two", "three"]
    assert examined.tokens_in > one.tokens_in, "the labels and the canaries are more than the items"
    assert (spent["", "one"].tokens_in, spent["", "one"].cost) == (examined.tokens_in, examined.money)
    assert sum(each.judge == "one" and not each.candidate for each in gate.conclusion().spent) == 1, "once, for both candidates"
    assert spent["new", "two"].cost is None
    assert spent["new", ""].tokens_in == run.tokens_in
    assert "judge one: " in (gate.folder / "runs" / "summary.md").read_text()
    assert "one, being examined" in (gate.folder / "runs" / "report.html").read_text()
    assert "one, judging new" in (gate.folder / "runs" / "report.html").read_text()


def test_the_card_of_a_jury_names_every_juror(gate: Gate) -> None:
    gate.config["engines"]["two"] = judge("two", 16)
    gate.does("run")
    (card,) = cards(Store(gate.folder / "runs"))
    assert [juror.judge for juror in card.admission.jurors] == ["one", "two", "three"]
    assert card.admission.effective_jurors is not None
    assert card.admission.jurors[1].jury_without == 1.0
    report = (gate.folder / "runs" / "report.html").read_text()
    assert "accuracy of the jury without two" in report
    assert "independent jurors, of 3" in report
    assert main(["judge", "show", str(gate.folder / "gate.yaml")]) == 0
    assert "alone 60.0%; without it the jury is right on 100.0%" in " ".join(gate.capsys.readouterr().out.split())
