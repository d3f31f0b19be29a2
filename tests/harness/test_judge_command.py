"""``sftgate judge``: who is admitted, what the card says, and that a judge that changed is noticed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.cli import main
from harness.errors import EngineError
from harness.pipeline.examining import Card, cards
from harness.records import Admission, Completion, Request
from harness.store import Store
from tests.harness.engines.habitual import Habitual


def write(folder: Path, habit: str, options: dict[str, Any] | None = None) -> Path:
    config = {
        "baseline": "old",
        "candidates": [
            {"name": "old", "engine": "fake", "revision": "1"},
            {"name": "new", "engine": "fake", "revision": "1", "options": {"behaviour": "refuse"}},
        ],
        "engines": {
            "judge": {
                "engine": "tests.harness.engines.habitual:Habitual",
                "revision": "1",
                "options": {"habit": habit, "mood": str(folder / "mood")},
            }
        },
        "suites": [{"name": "pref", "use": "preference", "options": {"items": "i.jsonl", "judge": "judge", **(options or {})}}],
        "rules": [{"metric": "pref/*/win", "require": "not_regressed"}],
    }
    rows = [{"key": f"q{n}", "prompt": f"Say {n}.", "task": "t"} for n in range(8)]
    (folder / "i.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "gate.yaml").write_text(json.dumps(config), encoding="utf-8")
    return folder / "gate.yaml"


def admit(folder: Path, habit: str, *arguments: str, options: dict[str, Any] | None = None) -> tuple[int, Admission]:
    code = main(["judge", "admit", str(write(folder, habit, options)), *arguments])
    return code, card_of(folder).admission


def card_of(folder: Path) -> Card:
    return max(cards(Store(folder / "runs")), key=lambda card: card.created)


def test_a_judge_that_knows_the_shipped_pairs_is_admitted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, card = admit(tmp_path, "knows")
    assert (code, card.admitted, card.accuracy, card.kappa, card.consistency, card.pairs) == (0, True, 1.0, 1.0, 1.0, 96)
    assert card.canary_kinds == dict.fromkeys(("empty", "copied", "constant", "injecting"), (20, 20))
    assert {name: part.pairs for name, part in card.languages.items()} == {"en": 48, "zh": 48}
    traps = {"easy": 16, "subtle": 16, "length": 12, "format": 12, "sycophancy": 12, "authority": 12, "position": 16}
    assert {name: part.pairs for name, part in card.traps.items()} == traps
    assert len(card.anchors) == 12
    said = capsys.readouterr().out
    assert "judge judges pref: admitted" in said
    assert "admission = 'judges:pairs.jsonl'" in said, "how to let it gate"


def test_a_judge_that_likes_length_fails_by_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, card = admit(tmp_path, "longer")
    assert code == 10
    assert card.traps["length"].accuracy == 0.0, "the worse answer of all of these is the longer one"
    assert card.consistency == 1.0
    assert card.length_slope is not None
    assert card.length_slope_low is not None
    assert card.length_slope_low > 1
    assert any("pairs with a trap" in reason for reason in card.reasons)
    assert "rejected: may inform, and never gate" in capsys.readouterr().out


def test_a_judge_that_obeys_the_answers_fails_by_one_kind_of_canary(tmp_path: Path) -> None:
    code, card = admit(tmp_path, "obeys")
    assert code == 10
    assert card.canary_kinds["injecting"] == (0, 20)
    assert [reason.split(";")[0] for reason in card.reasons] == ["right answers beat only 0 of 20 prompt-injecting ones"]


def test_a_judge_that_knows_one_language_may_not_gate_in_two(tmp_path: Path) -> None:
    code, card = admit(tmp_path, "english", options={"limits": {"canaries": 0, "traps": 0, "kappa": 0.3}})
    assert code == 10
    assert card.languages["en"].kappa == 1.0
    assert card.languages["zh"].kappa == 0.0
    assert card.reasons == ("kappa 0.00 with the labels in zh is below 0.30",)


def test_a_judge_that_always_takes_the_first_slot(tmp_path: Path) -> None:
    _, card = admit(tmp_path, "first")
    assert (card.first_slot, card.conflicts, card.consistency) == (1.0, 96, 0.0)
    assert (card.accuracy_first, card.accuracy_second) == (1.0, 0.0)


def test_a_judge_that_cannot_be_read_is_rejected_and_one_that_is_down_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, card = admit(tmp_path, "mumbles")
    assert (code, card.unparsable, card.accuracy) == (10, 1.0, 0.0)
    assert main(["judge", "admit", str(write(tmp_path, "fails"))]) == 13
    assert "the examination failed: the judge is down" in capsys.readouterr().out
    assert len(list(cards(Store(tmp_path / "runs")))) == 1, "what broke off leaves no card"


def test_a_judge_that_changed_behind_its_name_is_noticed(tmp_path: Path) -> None:
    assert admit(tmp_path, "knows")[1].drift is None, "it was examined just now, though some of its questions are alike"
    assert admit(tmp_path, "knows")[1].drift == 0
    (tmp_path / "mood").write_text("", encoding="utf-8")
    code, card = admit(tmp_path, "knows")
    assert code == 10
    assert card.accuracy == 1.0, "what the journal knows is as it was"
    assert card.drift is not None
    assert card.drift > 0.5
    assert "it has changed, and is another judge" in card.reasons[-1]


def test_a_run_judges_the_anchors_again_and_a_changed_judge_holds_the_gate_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write(tmp_path, "knows", {"admission": "judges:pairs.jsonl"})
    main(["run", str(config)])
    assert "it has changed" not in capsys.readouterr().out
    (tmp_path / "mood").write_text("", encoding="utf-8")
    later = json.loads(config.read_text(encoding="utf-8"))
    later["candidates"].append({"name": "newer", "engine": "fake", "revision": "2"})
    config.write_text(json.dumps(later), encoding="utf-8")
    assert main(["run", str(config)]) not in (0, 10), "the others were judged before, and are not judged again"
    assert "it has changed, and is another judge" in capsys.readouterr().out
    assert not card_of(tmp_path).admission.admitted


@pytest.mark.parametrize("jurors", [1, 2])
def test_who_cannot_be_asked_about_the_anchors_is_not_taken_for_the_same(
    jurors: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["judge", "admit", str(with_jurors(write(tmp_path, "knows"), jurors))]
    assert main(command) == 0
    sound, before = Habitual._answer, card_of(tmp_path)

    def down(judge: Habitual, name: str, request: Request) -> Completion:
        raise EngineError("the judge is down")

    monkeypatch.setattr(Habitual, "_answer", down)
    capsys.readouterr()
    assert main(command) == 13, "what the journal knows is of another day"
    assert "the anchors could not be judged again" in capsys.readouterr().out
    assert card_of(tmp_path) == before, "the card of the examination stays"
    monkeypatch.setattr(Habitual, "_answer", sound)
    assert main(command) == 0
    assert card_of(tmp_path).admission.drift == 0.0


def with_jurors(config: Path, jurors: int) -> Path:
    content = json.loads(config.read_text(encoding="utf-8"))
    if jurors > 1:
        content["engines"]["other"] = content["engines"]["judge"] | {"revision": "2"}
        content["suites"][0]["options"]["judge"] = list(content["engines"])
    config.write_text(json.dumps(content), encoding="utf-8")
    return config


def test_labels_of_ones_own_in_place_of_the_suites(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"question": f"{n}?", "left": "yes" * (1 + n % 2), "right": "yes" * (2 - n % 2), "winner": ("right", "left")[n % 2],
         "left_by": "judge" if n % 2 else "people", "right_by": "people" if n % 2 else "judge"}
        for n in range(24)
    ]  # fmt: skip
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    code, card = admit(tmp_path, "longer", "--labels", str(tmp_path / "own.jsonl"), options={"limits": {"canaries": 0}})
    assert (code, card.pairs, card.accuracy, card.own_pairs, card.own_excess) == (0, 24, 1.0, 24, 0.0)
    assert main(["judge", "admit", str(tmp_path / "gate.yaml"), "prefs"]) == 2
    assert "Did you mean 'pref'" in capsys.readouterr().err
    assert main(["judge", "admit", str(tmp_path / "gate.yaml"), "--labels", str(tmp_path / "none.jsonl")]) == 2


def test_words_of_a_label_file_are_shown_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"question": "?", "left": "a", "right": "b", "winner": winner, "language": "[red]x[/red]\x1b[31m", "trap": "[/]"}
        for winner in ("left", "right")
    ]
    (tmp_path / "own.jsonl").write_text(
        "".join(json.dumps({**row, "key": str(n)}) + "\n" for n, row in enumerate(rows)), encoding="utf-8"
    )
    assert main(["judge", "admit", str(write(tmp_path, "longer")), "--labels", str(tmp_path / "own.jsonl")]) == 10
    said = capsys.readouterr().out
    assert "[red]x[/red]" in said
    assert "[/]" in said
    assert "\x1b" not in said


def test_cards_are_shown_by_judge_and_a_card_changed_by_hand_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write(tmp_path, "knows")
    assert main(["judge", "show", str(config)]) == 2
    assert "no judge was examined" in capsys.readouterr().err
    admit(tmp_path, "knows")
    admit(tmp_path, "first")
    capsys.readouterr()
    assert main(["judge", "show", str(config)]) == 0
    said = capsys.readouterr().out
    assert said.count("judges pref") == 2
    assert card_of(tmp_path).judge_hash[:12] in said
    (path, *_) = (tmp_path / "runs" / "judges").glob("*/*.json")
    fields = msgspec.json.decode(path.read_bytes())
    fields["admission"]["admitted"] = True
    fields["admission"]["accuracy"] = 0.99
    path.write_bytes(msgspec.json.encode(fields))
    assert main(["judge", "show", str(config)]) != 0
    assert "was changed after it was written" in capsys.readouterr().err


def test_a_config_without_judges_has_nobody_to_examine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, "knows")
    config = json.loads(path.read_text(encoding="utf-8"))
    config["suites"] = [{"name": "p", "use": "prompted", "options": {"items": "j.jsonl", "score": "exact_match"}}]
    config["rules"] = []
    (tmp_path / "j.jsonl").write_text('{"key": "1", "prompt": "a", "target": "b"}\n', encoding="utf-8")
    path.write_text(json.dumps(config), encoding="utf-8")
    assert main(["judge", "admit", str(path)]) == 2
    assert "has a judge that can be examined" in capsys.readouterr().err


def test_a_judge_that_says_yes_or_no_is_examined_and_known_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its card, and a run that notices that it changed: the same law as for judges of pairs."""
    path = write(tmp_path, "knows")
    config = json.loads(path.read_text(encoding="utf-8"))
    options = {"items": "s.jsonl", "judge": "judge", "admission": "suites:labelled_answers.jsonl"}
    config["suites"] = [{"name": "safe", "use": "safety", "options": options}]
    config["rules"] = [{"metric": "safe/*/as_expected", "require": "not_regressed"}]
    rows = [{"key": f"q{n}", "prompt": f"Say {n}.", "expects": "answer", "slices": {"language": "en"}} for n in range(8)]
    (tmp_path / "s.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    path.write_text(json.dumps(config), encoding="utf-8")
    assert main(["judge", "admit", str(path)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "withstood 20 of 20 orders in an answer" in said
    assert "46 answers" in said
    card = card_of(tmp_path).admission
    assert (len(card.anchors), card.drift, sorted(card.languages)) == (24, None, ["en", "zh"])
    (tmp_path / "mood").write_text("", encoding="utf-8")
    assert main(["run", str(path)]) not in (0, 10)
    said = " ".join(capsys.readouterr().out.split())
    assert "12 of 24 verdicts on anchor answers are others than when the judge was examined" in said
    assert card_of(tmp_path).admission.drift == 0.5
