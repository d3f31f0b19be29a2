"""A model against itself, and against damage done on purpose, over engines that are known to be noisy or not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.cli import main
from harness.config import load
from harness.engines import ENGINES
from harness.engines.fake import Fake
from harness.engines.recorded import asked_text
from harness.fingerprint import draw_seed
from harness.pipeline import conclude, measure, prepare
from harness.pipeline.concluding import read_measured
from harness.pipeline.planting import shuffled
from harness.protocols import Asked
from harness.records import Answer, Completion, Item, Request, SelfTest
from harness.store import Store
from tests.harness.pipeline.test_pipeline import candidate, write

ORDER: list[str] = []


class Dice(Fake):
    """A fake engine that is right as its dice fall: in ``share`` of all cases, by prompt and seed."""

    share = 0.9

    def submit(self, asked: Sequence[Asked]) -> None:
        ORDER.extend(asked_text(entry.request) for entry in asked)
        super().submit(asked)

    def _answer(self, name: str, request: Request) -> Completion:
        right = super()._answer(name, request)
        lucky = draw_seed(request.seed, asked_text(request), 7) < self.share * 2**31
        return right if lucky else msgspec.structs.replace(right, text="no idea")


class Sour(Dice):
    """Right with the first seeds, wrong with all others: what it knows cannot be told from luck."""

    def _answer(self, name: str, request: Request) -> Completion:
        right = super(Dice, self)._answer(name, request)
        first = draw_seed(0, f"q{int(asked_text(request).split()[-1]):03d}", 0)
        return right if request.seed == first else msgspec.structs.replace(right, text="no idea")


@pytest.fixture
def dice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "fake", f"{__name__}:Dice")


@pytest.fixture
def sour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "fake", f"{__name__}:Sour")


def config(folder: Path, *, rules: list[dict[str, Any]] | None = None, **more: Any) -> Path:
    path = write(
        folder,
        candidate("old", set()),
        candidate("new", {3}),
        rules=rules or [{"metric": "qa/*/exact_match", "require": "non_inferior", "margin": 0.05}],
    )
    raw = json.loads(path.read_text())
    for key, value in more.items():
        raw["suites"][0]["options"][key] = value
    path.write_text(json.dumps(raw))
    return path


def aa(path: Path, *flags: str) -> tuple[int, SelfTest]:
    code = main(["aa-test", str(path), *flags])
    folder = path.parent / "runs" / ("smoke" if "--smoke" in flags else "")
    return code, msgspec.json.decode((folder / "aa.json").read_bytes(), type=SelfTest)


def test_an_engine_without_noise_answers_the_same_and_the_gate_is_silent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = aa(config(tmp_path))
    said = capsys.readouterr().out
    assert code == 0
    assert "no noise at all: 120 answers identical" in said
    assert [(each.candidate, each.outcome, each.identical) for each in found.repetitions] == [("old", "pass", {"qa": (120, 120)})]
    floor = next(noise for noise in found.repetitions[0].noise if noise.metric == "qa/items/exact_match")
    assert (floor.value, floor.repeat, floor.differ, floor.sd) == (1.0, 1.0, 0, 0.0)
    assert floor.low is not None
    assert floor.low < 0 < (floor.high or 0)


def test_a_repetition_is_a_run_of_its_own_that_nothing_selects(tmp_path: Path) -> None:
    path = config(tmp_path)
    loaded = load(path)
    measure(prepare(loaded))
    before = (tmp_path / "runs" / "current.json").read_bytes()
    _, found = aa(path)
    assert (tmp_path / "runs" / "current.json").read_bytes() == before
    store = Store(loaded.store)
    first, second = found.repetitions[0].runs["qa"]
    again = store.find("qa", "old#2", second)
    assert again is not None
    assert store.read(again).run.replicate == 1
    assert store.read(again).run.sent_requests == 120  # not answered from what the first run was answered
    assert first != second
    assert store.find("qa", "old", first) is not None
    assert {name for _, name in read_measured(loaded)} == {"old", "new"}


@pytest.mark.usefixtures("dice")
def test_the_second_time_has_other_dice_and_another_order_but_the_same_prompts(tmp_path: Path) -> None:
    ORDER.clear()
    code, found = aa(config(tmp_path, temperature=0.7))
    assert code == 0
    repetition = found.repetitions[0]
    same, items = repetition.identical["qa"]
    assert 60 < same < items == 120
    assert ORDER[:120] == [f"question {index}" for index in range(120)]
    assert sorted(ORDER[120:]) == sorted(ORDER[:120])
    assert ORDER[120:] != ORDER[:120]
    floor = next(noise for noise in repetition.noise if noise.metric == "qa/items/exact_match")
    assert floor.differ == floor.lost + floor.gained == items - same
    assert floor.sd is not None
    assert 0.2 < floor.sd < 0.7
    assert floor.low is not None
    assert floor.low < 0
    store = Store(tmp_path / "runs")
    runs = [store.find("qa", name, graded) for name, graded in zip(("old", "old#2"), repetition.runs["qa"], strict=True)]
    hashes = [{s.key: s.prompt_hash for s in store.read(run).samples} for run in runs if run is not None]
    assert hashes[0] == hashes[1]


@pytest.mark.usefixtures("dice")
def test_a_second_aa_test_asks_nothing_again_and_finds_the_same(tmp_path: Path) -> None:
    path = config(tmp_path, temperature=0.7)
    _, before = aa(path)
    ORDER.clear()
    _, after = aa(path)
    assert not ORDER
    assert after.repetitions == before.repetitions


@pytest.mark.usefixtures("sour")
def test_a_gate_that_fires_on_nothing_is_an_evaluation_that_cannot_be_believed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = aa(config(tmp_path, temperature=0.7))
    assert code == 13
    assert found.repetitions[0].outcome == "fail"
    assert "The gate fires on old against itself" in capsys.readouterr().out


def test_a_claim_of_a_gain_is_not_proven_as_it_should_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = [
        {"metric": "qa/*/exact_match", "require": "superior", "margin": 0.25},
        {"metric": "qa/*/exact_match", "require": "non_inferior", "margin": 0.05},
    ]
    code, found = aa(config(tmp_path, rules=rules))
    assert code == 0
    assert "not proven, as it should be" in capsys.readouterr().out
    assert found.repetitions[0].outcome == "pass"


def test_rules_that_equal_weights_cannot_pass_are_no_failure_but_are_said(tmp_path: Path) -> None:
    code, found = aa(config(tmp_path, rules=[{"metric": "qa/*/exact_match", "require": "non_inferior", "margin": 0.001}]))
    assert code == 0
    assert found.repetitions[0].outcome == "inconclusive"
    assert "could not let even the same weights pass" in found.repetitions[0].sentence


# -------------------------------------------------------------------------------------------------- above the noise


def lost_rule(**more: Any) -> list[dict[str, Any]]:
    return [{"metric": "qa/*/lost", "require": "at_most", "value": 0.05, "against": "reference", "above_noise": True, **more}]


def gate(path: Path) -> tuple[str, str]:
    loaded = load(path)
    measure(prepare(loaded))
    conclusion = conclude(loaded, read_measured(loaded))
    finding = next(f for f in conclusion.verdicts[0].findings if f.metric.endswith("/lost"))
    return finding.outcome, finding.reason


def above(folder: Path, **more: Any) -> Path:
    """Both sides are equally noisy; only the words of their wrong answers differ."""
    path = config(folder, rules=lost_rule(**more), temperature=0.7)
    raw = json.loads(path.read_text())
    raw["candidates"] = [{**raw["candidates"][0], "name": name} for name in ("old", "new")]
    raw["candidates"][1] |= {"reference": "old", "options": {**raw["candidates"][0]["options"], "behaviour": "refuse"}}
    path.write_text(json.dumps(raw))
    return path


@pytest.mark.usefixtures("dice")
def test_a_rule_above_the_noise_asks_for_an_aa_test_and_then_decides(tmp_path: Path) -> None:
    path = above(tmp_path)
    outcome, reason = gate(path)
    assert outcome == "no_baseline"
    assert "sftgate aa-test" in reason
    aa(path)
    outcome, reason = gate(path)
    assert outcome in {"pass", "inconclusive"}
    assert "only what is above the noise counts" in reason
    assert {name for _, name in read_measured(load(path))} == {"old", "new", "second run of old"}


@pytest.mark.usefixtures("dice")
def test_a_noise_floor_of_other_answers_does_not_count(tmp_path: Path) -> None:
    path = above(tmp_path)
    aa(path)
    assert gate(path)[0] != "no_baseline"
    raw = json.loads(path.read_text())
    raw["candidates"][0]["options"]["answers"]["question 3"] = "another answer"
    path.write_text(json.dumps(raw))
    assert gate(path)[0] == "no_baseline"


@pytest.mark.usefixtures("dice")
def test_the_noise_floor_stands_beside_what_is_lost(tmp_path: Path) -> None:
    path = above(tmp_path, above_noise=False)
    assert "noise floor" not in gate(path)[1]
    aa(path)
    assert "noise floor: " in gate(path)[1]


def test_only_what_is_lost_can_be_above_the_noise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = config(tmp_path, rules=[{"metric": "qa/*/exact_match", "require": "not_regressed", "above_noise": True}])
    assert main(["gate", str(path)]) in {2, 12}
    assert main(["aa-test", str(path)]) == 2
    assert "above_noise" in capsys.readouterr().err


# --------------------------------------------------------------------------------------------------- planted damage


def test_shuffled_answers_are_noticed_without_any_model(tmp_path: Path) -> None:
    path = config(tmp_path)
    aa(path)
    code, found = aa(path, "--planted")
    assert code == 0
    (plant,) = found.plants
    assert (plant.how, plant.outcome, plant.sight) == ("shuffled", "fail", {"qa": "noticed"})


def test_a_suite_whose_grader_says_yes_to_everything_is_named_and_the_gate_is_insensitive(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"key": f"q{index}", "prompt": f"question {index}", "target": "answer"} for index in range(120)]
    path = config(tmp_path, score="contains", rules=[{"metric": "qa/*/contains", "require": "not_regressed"}])
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, found = aa(path, "--planted")
    assert code == 11
    assert found.plants[0].sight == {"qa": "missed"}
    assert found.plants[0].outcome == "insensitive"
    assert "NOT NOTICED" in capsys.readouterr().out


def test_where_nothing_can_be_planted_nothing_is_known_of_the_gate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = aa(config(tmp_path), "--planted", "--smoke", "1")
    said = capsys.readouterr().out
    assert (code, found.plants[0].outcome, found.plants[0].sight) == (11, "inconclusive", {"qa": "not planted"})
    assert "not planted No damage could be planted in any suite" in said
    assert "NOT NOTICED" not in said


def test_a_policy_that_only_warns_notices_nothing(tmp_path: Path) -> None:
    rules = [{"metric": "qa/*/exact_match", "require": "non_inferior", "margin": 0.05, "severity": "warn"}]
    code, found = aa(config(tmp_path, rules=rules), "--plant", "shuffled")
    assert code == 11
    assert found.plants[0].sight == {"qa": "no rule"}


def test_a_gate_of_nothing_but_a_claim_notices_a_proven_loss(tmp_path: Path) -> None:
    wrong = set(range(0, 120, 2))
    path = config(tmp_path, rules=[{"metric": "qa/*/exact_match", "require": "superior", "margin": 0.0}])
    raw = json.loads(path.read_text())
    raw["candidates"][0] = candidate("old", wrong)
    path.write_text(json.dumps(raw))
    code, found = aa(path, "--planted")
    assert (code, found.plants[0].outcome) == (0, "fail")


def test_answers_go_to_another_item_of_the_same_task_never_to_their_own() -> None:
    items = [Item(key=f"{task}{index}", task=task) for task in "ab" for index in range(7)] + [Item(key="lonely", task="c")]
    answers = {item.key: Answer(key=item.key, completions=(Completion(text=item.key),)) for item in items}
    answers["a3"] = Answer(key="a3", error="the engine gave up")
    moved = shuffled(items, answers, seed=1)
    assert moved is not None
    texts = {key: answer.completions[0].text for key, answer in moved.items() if answer.error is None}
    assert all(key == moved[key].key for key in moved)
    assert all(texts[key] != key and texts[key][0] == key[0] for key in texts if key != "lonely")
    assert texts["lonely"] == "lonely"
    assert moved["a3"].error
    assert sorted(texts.values()) == sorted(texts)
    assert shuffled(items, answers, seed=2) != moved == shuffled(items, answers, seed=1)


def test_items_are_exchanged_only_where_they_have_as_many_choices() -> None:
    counts = {"two": 2, "four": 4, "also four": 4}
    items = [Item(key=key, task="t") for key in counts]
    answers = {key: Answer(key=key, completions=(Completion(text=key, logprob=-1.0),) * count) for key, count in counts.items()}
    moved = shuffled(items, answers, seed=0)
    assert moved is not None
    assert {key: answer.completions[0].text for key, answer in moved.items()} == {
        "two": "two", "four": "also four", "also four": "four",
    }  # fmt: skip
    assert shuffled(items[:2], {key: answers[key] for key in ("two", "four")}, seed=0) is None


# -------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--plant", "noised"], "weights"),
        (["--strength", "0"], "more than 0"),
        (["--strength", "nan"], "more than 0"),
        (["--smoke", "0"], "at least 1"),
    ],
)
def test_what_cannot_be_asked_for_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], said: str
) -> None:
    assert main(["aa-test", str(config(tmp_path)), *flags]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "runs" / "aa.json").exists()


def test_one_item_is_no_suite_to_shuffle(tmp_path: Path) -> None:
    path = config(tmp_path)
    (tmp_path / "items.jsonl").write_text('{"key": "q", "prompt": "question 1", "target": "answer 1"}\n')
    code, found = aa(path, "--planted")
    assert code == 11
    assert found.plants[0].sight == {"qa": "not planted"}
    assert "exchanged" in found.plants[0].why["qa"]
    assert found.repetitions[0].noise[0].sd is None


@pytest.mark.usefixtures("dice")
def test_a_smoke_run_is_no_noise_floor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = above(tmp_path)
    code, found = aa(path, "--smoke", "7")
    assert (code, found.limit) == (0, 7)
    assert "smoke run" in capsys.readouterr().err
    assert gate(path)[0] == "no_baseline"


def test_items_that_fail_make_it_an_evaluation_error(tmp_path: Path) -> None:
    path = config(tmp_path)
    raw = json.loads(path.read_text())
    raw["candidates"][0]["options"]["fail"] = ["question 7"]
    path.write_text(json.dumps(raw))
    code, found = aa(path, "--planted")
    assert code == 13
    assert found.repetitions[0].outcome == "invalid"


def test_a_damaged_noise_file_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = config(tmp_path)
    aa(path)
    measure(prepare(load(path)))
    (tmp_path / "runs" / "aa.json").write_text("{")
    assert main(["gate", str(path)]) == 13
    assert "aa.json" in capsys.readouterr().err


def test_the_references_of_candidates_are_repeated_too(tmp_path: Path) -> None:
    path = config(tmp_path, rules=lost_rule())
    raw = json.loads(path.read_text())
    raw["candidates"].append({**candidate("base", {5}), "engine": "fake"})
    for entry in raw["candidates"][:2]:
        entry["reference"] = "base"
    path.write_text(json.dumps(raw))
    code, found = aa(path)
    assert code == 0
    assert [repetition.candidate for repetition in found.repetitions] == ["old", "base"]
    lost = next(noise for noise in found.repetitions[1].noise if noise.metric == "qa/items/lost")
    assert (lost.value, lost.repeat) == (0.0, 0.0)


def test_no_candidate_can_be_named_like_a_repetition(tmp_path: Path) -> None:
    for name in ("old#2", "second run of old"):
        path = write(tmp_path, candidate("old", set()), candidate(name, set()))
        assert main(["aa-test", str(path)]) == 2


def recorded(folder: Path) -> Path:
    path = config(folder)
    raw = json.loads(path.read_text())
    (folder / "answers.jsonl").write_text(
        "".join(json.dumps({"key": f"q{index:03d}", "response": f"answer {index}"}) + "\n" for index in range(120))
    )
    raw["candidates"][0] = {"name": "old", "engine": "recorded", "model": "answers.jsonl"}
    path.write_text(json.dumps(raw))
    return path


def test_recorded_answers_are_no_noise_floor_but_can_be_shuffled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = recorded(tmp_path)
    assert main(["aa-test", str(path)]) == 2
    assert "says nothing about noise" in capsys.readouterr().err
    code, found = aa(path, "--plant", "shuffled")
    assert code == 0
    assert not found.repetitions
    assert found.plants[0].outcome == "fail"


def test_answers_of_an_endpoint_have_no_weights_to_noise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = config(tmp_path)
    raw = json.loads(path.read_text())
    raw["candidates"][0] = {"name": "old", "engine": "openai", "model": "m", "options": {"base_url": "http://127.0.0.1:9/v1"}}
    path.write_text(json.dumps(raw))
    assert main(["aa-test", str(path), "--plant", "noised"]) == 2
    assert "not on this machine" in capsys.readouterr().err


def test_imported_scores_are_nobody_to_ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "scores.jsonl").write_text("".join(f'{{"key": "q{n}", "metric": "acc", "score": {n % 2}}}\n' for n in range(20)))
    path = config(tmp_path)
    raw = json.loads(path.read_text())
    raw["suites"].append({"name": "reading", "use": "scores"})
    path.write_text(json.dumps(raw))
    imported = ["import", "scores", str(tmp_path / "scores.jsonl"), "--suite", "reading", "--config", str(path), "--candidate"]
    assert [main([*imported, name]) for name in ("old", "new")] == [0, 0]
    code, found = aa(path, "--planted")
    assert code == 0
    assert set(found.repetitions[0].runs) == {"qa"}
    assert found.plants[0].sight == {"qa": "noticed", "reading": "not planted"}
    raw["suites"], raw["rules"] = raw["suites"][1:], []
    path.write_text(json.dumps(raw))
    assert main(["aa-test", str(path)]) == 2
    assert "imported scores" in capsys.readouterr().err


def test_a_pin_cannot_be_asked_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = config(tmp_path)
    assert main(["run", str(path)]) in {0, 10, 11}
    assert main(["baseline", "pin", str(path), "w46"]) == 0
    raw = json.loads(path.read_text()) | {"baseline": "pin:w46"}
    path.write_text(json.dumps(raw))
    for flags in ([], ["--planted"]):
        assert main(["aa-test", str(path), *flags]) == 2
        assert "--set baseline=NAME" in capsys.readouterr().err
