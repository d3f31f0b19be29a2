"""A candidate that is another one now does not ship on the answers of what lay there before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.cli import main
from harness.errors import ComparabilityError
from harness.fingerprint import candidate_fingerprints
from harness.pipeline.contents import contents_of, refuse_other_contents
from harness.records import Candidate, Run
from tests.harness.runs import measured, right


@pytest.fixture
def checkpoint(tmp_path: Path) -> Candidate:
    """A model and an adapter of a few bytes each, and a template of the user's."""
    model, adapter = tmp_path / "model", tmp_path / "adapter"
    model.mkdir()
    adapter.mkdir()
    (model / "config.json").write_text('{"hidden_size": 8}')
    (model / "model.safetensors").write_bytes(b"weights")
    (model / "tokenizer.json").write_text('{"model": {}}')
    (model / "chat_template.jinja").write_text("{{ messages }}")
    (adapter / "adapter_config.json").write_text('{"r": 4}')
    (adapter / "adapter_model.safetensors").write_bytes(b"adapter")
    (tmp_path / "own.jinja").write_text("own {{ messages }}")
    return Candidate(name="week47", model=str(model), adapter=str(adapter))


def run_of(candidate: Candidate) -> Run:
    run = measured(candidate.name, right(9, 1)).run
    return msgspec.structs.replace(run, fingerprints=candidate_fingerprints(candidate, {}, nonce=""))


CHANGES = {
    "weights": ("model/model.safetensors", "other"),
    "adapter": ("adapter/adapter_config.json", '{"r": 8}'),
    "tokenizer": ("model/tokenizer.json", '{"model": {"unk": 1}}'),
    "chat template": ("model/chat_template.jinja", "{{ messages }} "),
}


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_of_a_checkpoint_changed_is_named(checkpoint: Candidate, tmp_path: Path, what: str) -> None:
    run = run_of(checkpoint)
    refuse_other_contents(run, contents_of(checkpoint), "Again.")
    file, text = CHANGES[what]
    (tmp_path / file).write_text(text)
    with pytest.raises(ComparabilityError, match=f"the {what} of 'week47' changed since suite 'facts' was measured. Again."):
        refuse_other_contents(run, contents_of(checkpoint), "Again.")


def test_a_template_of_the_users_own_is_looked_at_in_its_file(checkpoint: Candidate, tmp_path: Path) -> None:
    own = msgspec.structs.replace(checkpoint, options={"chat_template": str(tmp_path / "own.jinja")})
    run = run_of(own)
    (tmp_path / "model" / "chat_template.jinja").write_text("nobody is served with this one")
    refuse_other_contents(run, contents_of(own), "")
    (tmp_path / "own.jinja").write_text("another")
    with pytest.raises(ComparabilityError, match="chat template"):
        refuse_other_contents(run, contents_of(own), "")
    (tmp_path / "own.jinja").unlink()
    assert "template" not in contents_of(own)


def test_what_is_not_on_this_machine_is_not_asked_for(checkpoint: Candidate, tmp_path: Path) -> None:
    for name in ("adapter", "model"):
        (tmp_path / name).rename(tmp_path / f"moved {name}")
        found = contents_of(checkpoint)
        refuse_other_contents(run_of(Candidate(name="week47", engine="fake")), found, "")
        assert not {"adapter", "template"} & found.keys()
    assert found == {}


@pytest.mark.parametrize(
    "candidate",
    [
        Candidate(name="a", engine="fake"),
        Candidate(name="a", engine="none", model="."),
        Candidate(name="a", engine="openai", model="gpt"),
        Candidate(name="a", engine="recorded", model="absent.jsonl"),
        Candidate(name="a", engine="lm_eval_results", model="absent"),
    ],
)
def test_a_candidate_without_files_here_has_no_contents(candidate: Candidate) -> None:
    assert contents_of(candidate) == {}


def test_answers_that_were_recorded_again_are_measured_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def answers(name: str, wrong: int) -> None:
        rows = [{"key": f"q{index}", "response": "no" if index < wrong else "yes"} for index in range(60)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def does(verb: str, code: int) -> str:
        assert main([verb, str(tmp_path / "gate.yaml")]) == code, capsys.readouterr()
        captured = capsys.readouterr()
        return " ".join((captured.out + captured.err).split())

    items = [{"key": f"q{index}", "prompt": f"question {index}", "target": "yes"} for index in range(60)]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    config: dict[str, Any] = {
        "baseline": "old",
        "candidates": [{"name": name, "engine": "recorded", "model": f"{name}.jsonl"} for name in ("old", "new")],
        "suites": [{"name": "qa", "use": "prompted", "options": {"items": "items.jsonl"}}],
        "rules": [{"metric": "qa/*/exact_match", "require": "not_regressed"}],
    }
    (tmp_path / "gate.yaml").write_text(json.dumps(config))
    answers("old", 3)
    answers("new", 3)
    does("run", 0)
    answers("new", 30)
    assert "the recorded answers of 'new' changed since suite 'qa' was measured" in does("gate", 12)
    does("run", 10)
    does("gate", 10)
