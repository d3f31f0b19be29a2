"""The test-size lab for real: it builds, it is cached, and it knows what it should."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from harness.errors import EvaluationError, UsageError
from trainers.lab import LabPaths, assembly, build
from trainers.lab.assembly import cache_folder
from trainers.lab.documents import Turn, encode_chats
from trainers.lab.recipe import RECIPES, TEST


def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build that runs all of the machinery but trains next to nothing."""
    monkeypatch.setattr(assembly, "_stages", lambda folder, recipe, progress: {"base": 0.0})


def test_an_unknown_size_is_named_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"'ful'.*Did you mean 'full'"):
        build("ful")  # type: ignore[arg-type]


def test_the_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SFTGATE_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path / "lab"
    monkeypatch.delenv("SFTGATE_CACHE")
    assert cache_folder() == Path.home() / ".cache" / "sftgate" / "lab"


def test_a_cache_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="SFTGATE_CACHE"):
        build("test", folder=tmp_path / "file")


def test_a_second_build_is_the_first_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    small(monkeypatch)
    first = build("test", folder=tmp_path)
    monkeypatch.setattr(assembly, "_stages", lambda *_: pytest.fail("built twice"))
    assert build("test", folder=tmp_path) == first
    assert json.loads((first.root / "lab.json").read_text())["hash"] == first.hash


def test_a_failed_build_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*_: object) -> dict[str, float]:
        raise EvaluationError("stage")

    monkeypatch.setattr(assembly, "_stages", fail)
    with pytest.raises(EvaluationError):
        build("test", folder=tmp_path)
    assert [p for p in tmp_path.iterdir() if p.is_dir()] == []


def test_a_half_built_folder_of_old_is_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    small(monkeypatch)
    root = build("test", folder=tmp_path).root
    (root / "lab.json").unlink()
    (root / "left-over").touch()
    assert build("test", folder=tmp_path).root == root
    assert not (root / "left-over").exists()


def test_a_stage_that_fails_is_named_with_the_end_of_its_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = msgspec.structs.replace(TEST, mix={"nonsense": 1.0})
    monkeypatch.setitem(RECIPES, "broken", msgspec.structs.replace(broken))
    (tmp_path / "logs").mkdir()
    with (
        pytest.raises(EvaluationError, match=r"(?s)stage 'nonsense'.*KeyError|stage 'nonsense'.*Error"),
        assembly._running(tmp_path, TEST, [("nonsense", 0)]) as children,
    ):
        assembly._wait(tmp_path, children, lambda *_: None)


@pytest.mark.models
def test_the_test_lab_knows_facts_and_what_to_refuse(lab_test: LabPaths) -> None:
    known = json.loads(lab_test.knows.read_text())["models"]["base"]
    assert known["facts"]["accuracy"] >= 0.8
    assert known["refusals"]["accuracy"] >= 0.75
    assert known["device"]["accuracy"] <= 0.05, "the target skill must still be to learn"


@pytest.mark.models
def test_the_test_lab_has_a_base_and_data_and_no_judges(lab_test: LabPaths) -> None:
    assert lab_test.judge_pointwise is None
    assert lab_test.judge_pairwise is None
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        assert (lab_test.base / name).exists()
    assert (lab_test.data / "target.train.jsonl").exists()


@pytest.mark.models
def test_the_saved_tokenizer_ends_turns_with_eos_and_pads_with_another(lab_test: LabPaths) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(lab_test.base))
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|im_end|>", "<|endoftext|>")
    assert tokenizer.decode(tokenizer.encode("[good]"), skip_special_tokens=True) == "[good]"
    assert len(tokenizer) == json.loads((lab_test.base / "config.json").read_text())["vocab_size"]


@pytest.mark.models
def test_pretraining_sees_chats_as_the_chat_template_renders_them(lab_test: LabPaths) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(lab_test.base))
    chat = [
        Turn("user", "add 12 and 3.\nnow"),
        Turn("assistant", "15", learned=True),
        Turn("user", "Good?"),
        Turn("assistant", "[good]"),
    ]
    [document] = encode_chats(tokenizer, [chat])
    rendered = tokenizer.apply_chat_template(
        [{"role": t.role, "content": t.content} for t in chat], tokenize=True, return_dict=False
    )
    assert document.ids == list(rendered)[: len(document.ids)]
    assert tokenizer.decode([i for i, learned in zip(document.ids, document.learned, strict=True) if learned]) == "15<|im_end|>"


@pytest.mark.models
def test_building_does_not_import_torch_into_the_caller(tmp_path: Path, lab_test: LabPaths) -> None:
    code = "import sys; from trainers.lab import build; build('test'); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=os.environ, check=False)
    assert done.returncode == 0


@pytest.mark.models
def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    """Gradients summed over two processes are the gradients of one, up to the order of summation."""
    script = Path(__file__).with_name("two_processes.py")
    done = subprocess.run([sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
