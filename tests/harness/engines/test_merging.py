"""An adapter that vLLM cannot serve as LoRA is merged into its base, and then answers as PEFT does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.config import load
from harness.engines import merging, serving
from harness.engines.merging import Merge, merged
from harness.engines.transformers_engine import Transformers
from harness.engines.vllm import Vllm
from harness.errors import EngineError, ProbeError
from harness.pipeline import measure, prepare
from harness.pipeline.concluding import read_measured
from harness.records import Candidate, Request
from tests.harness.engines.asking import answers
from tests.harness.engines.conftest import Tiny

pytestmark = pytest.mark.models

REQUESTS = [
    Request(kind="score", prompt="The capital of France", continuation=" is Paris, and it lies"),
    Request(kind="score", prompt="what is 7 plus 5? The answer", continuation=" is"),
    Request(kind="score_rolling", prompt="List the words in reverse order: red green blue."),
    Request(prompt="The capital of France", max_tokens=12),
]


def _dora() -> Any:
    from peft import LoraConfig

    return LoraConfig(r=4, lora_alpha=8, use_dora=True, target_modules="all-linear", task_type="CAUSAL_LM")


def _ia3() -> Any:
    from peft import IA3Config

    modules = ["k_proj", "v_proj", "down_proj"]
    return IA3Config(target_modules=modules, feedforward_modules=["down_proj"], task_type="CAUSAL_LM")


def _saved() -> Any:
    from peft import LoraConfig

    modules = ["embed_tokens", "lm_head", "norm"]
    return LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj"], modules_to_save=modules, task_type="CAUSAL_LM")


def _head() -> Any:
    from peft import LoraConfig

    return LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj"], modules_to_save=["lm_head"], task_type="CAUSAL_LM")


def _bias() -> Any:
    from peft import LoraConfig

    return LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], lora_bias=True, task_type="CAUSAL_LM")


def _tokens() -> Any:
    from peft import LoraConfig

    return LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj"], trainable_token_indices=[5, 300], task_type="CAUSAL_LM")


def _pissa() -> Any:
    from peft import LoraConfig

    return LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj"], init_lora_weights="pissa", task_type="CAUSAL_LM")


def _homeless_bias() -> Any:
    from peft import LoraConfig

    return LoraConfig(r=4, lora_alpha=8, target_modules=["o_proj"], lora_bias=True, task_type="CAUSAL_LM")


def _make(base: Path, folder: Path, config: Any, *, dead: bool = False) -> Path:
    """An adapter whose every trained weight is random, so that whatever is lost in merging shows."""
    import torch
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(7)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.requires_grad and "lora_A" not in name and not dead:
                weight.add_(0.1 * torch.randn_like(weight) * weight.abs().mean().clamp(min=0.5))
    model.save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SFTGATE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "merged"


# ------------------------------------------------------------------------------------- each of these starts an engine


@pytest.mark.vllm
@pytest.mark.parametrize("config", [_dora, _ia3, _saved, _bias])
def test_a_merged_adapter_answers_in_vllm_as_peft_does(tiny: Tiny, tmp_path: Path, config: Callable[[], Any]) -> None:
    pytest.importorskip("vllm")
    adapter = _make(tiny.base, tmp_path / "adapter", config())
    found = []
    for kind, engine in ((Vllm, "vllm"), (Transformers, "transformers")):
        candidate = Candidate(name="a", model=str(tiny.base), adapter=str(adapter), engine=engine)
        with kind([candidate]) as running:
            found.append(answers(running, [("a", request) for request in REQUESTS]))
            notes = running.notes if isinstance(running, Vllm) else notes  # noqa: F821
    for ours, theirs in zip(*found, strict=True):
        assert ours.token_ids == theirs.token_ids
        assert ours.greedy == theirs.greedy
        assert (ours.logprob or 0.0) == pytest.approx(theirs.logprob or 0.0, abs=1e-3)
    assert "served merged into its base" in notes[0]
    with Transformers([Candidate(name="base", model=str(tiny.base), engine="transformers")]) as running:
        plain = answers(running, [("base", request) for request in REQUESTS])
    assert abs((plain[0].logprob or 0.0) - (found[0][0].logprob or 0.0)) > 0.01


class _Notes:
    """A progress that remembers what was noted."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def stage(self, title: str, total: int) -> None: ...
    def advance(self, steps: int = 1) -> None: ...
    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.mark.vllm
def test_a_run_tells_of_the_merge_and_remembers_it(tiny: Tiny, tmp_path: Path) -> None:
    pytest.importorskip("vllm")
    items = [{"key": f"q{number}", "prompt": f"what is {number} plus 5?", "target": "12"} for number in range(3)]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    adapter = _make(tiny.base, tmp_path / "adapter", _dora())
    config = {
        "baseline": "base",
        "candidates": [
            {"name": "base", "model": str(tiny.base), "engine": "vllm"},
            {"name": "dora", "model": str(tiny.base), "engine": "vllm", "adapter": str(adapter)},
        ],
        "suites": [{"name": "qa", "use": "prompted", "options": {"items": "items.jsonl", "max_tokens": 6}}],
    }
    path = tmp_path / "gate.yaml"
    path.write_text(json.dumps(config))
    progress = _Notes()
    done = measure(prepare(load(path)), progress=progress)
    assert (done.engines, done.sent, done.failed) == (2, 6, 0)
    assert [note.partition(":")[0] for note in progress.notes] == ["dora"]
    runs = {name: found.run for (_, name), found in read_measured(load(path)).items()}
    assert (runs["base"].engine["served"], runs["dora"].engine["served"]) == ("weights", "merged")
    again = measure(prepare(load(path)), progress=progress)
    assert (again.engines, again.sent) == (0, 0)


# ---------------------------------------------------------------------------------------------- without any engine


@pytest.mark.parametrize("config", [_dora, _ia3, _saved, _head, _bias, _tokens, _pissa])
def test_merging_is_exact_and_casting_is_measured(tiny: Tiny, tmp_path: Path, cache: Path, config: Callable[[], Any]) -> None:
    adapter = _make(tiny.base, tmp_path / "adapter", config())
    folder, merge = merged(tiny.base, adapter, "bfloat16")
    assert merge.float32_error < 1e-4
    assert merge.float32_agreement == 1.0
    assert 1e-4 < merge.served_error < 1.0
    assert merge.moved > 0.01
    assert folder.parent == cache
    assert msgspec.json.decode((folder / "merge.json").read_bytes(), type=Merge) == merge
    assert json.loads((folder / "config.json").read_text())["dtype"] == "bfloat16"
    assert [path.name for path in cache.iterdir()] == [folder.name]


def test_what_is_merged_once_is_not_merged_again(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = _make(tiny.base, tmp_path / "adapter", _ia3())
    first = merged(tiny.base, adapter, "float32")
    elsewhere = tmp_path / "copy"
    elsewhere.mkdir()
    for path in adapter.glob("adapter_*"):
        (elsewhere / path.name).write_bytes(path.read_bytes())
    with monkeypatch.context() as patch:
        patch.setattr(merging, "_merge", None)
        assert merged(tiny.base, elsewhere, "float32") == first
    assert merged(tiny.base, adapter, "bfloat16")[0] != first[0]
    assert merged(tiny.base, _make(tiny.base, tmp_path / "other", _dora()), "float32")[0] != first[0]
    (first[0] / "merge.json").write_text("{")
    assert merged(tiny.base, adapter, "float32")[0] == first[0]


def test_a_faster_process_wins_and_nothing_is_left_behind(
    tiny: Tiny, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = _make(tiny.base, tmp_path / "adapter", _ia3())
    own = merging._merge

    def slow(*given: Any) -> Merge:
        monkeypatch.setattr(merging, "_merge", own)
        merged(tiny.base, adapter, "float32")
        return own(*given)

    monkeypatch.setattr(merging, "_merge", slow)
    folder, merge = merged(tiny.base, adapter, "float32")
    assert msgspec.json.decode((folder / "merge.json").read_bytes(), type=Merge) == merge
    assert [path.name for path in cache.iterdir()] == [folder.name]


def test_an_output_embedding_that_would_be_lost_is_noticed(
    tiny: Tiny, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PEFT 0.21 unties embeddings that an adapter parted. A release that did not would write another model."""
    adapter = _make(tiny.base, tmp_path / "adapter", _head())
    load = merging._load

    def forgetful(folder: Path, *given: Any) -> Any:
        model = load(folder, *given)
        if folder != tiny.base:
            model.get_output_embeddings().weight.data.copy_(model.get_input_embeddings().weight)
        return model

    monkeypatch.setattr(merging, "_load", forgetful)
    with pytest.raises(EngineError, match="read back from disk it answers differently") as caught:
        merged(tiny.base, adapter, "float32")
    assert "engine = 'transformers'" in str(caught.value)
    assert list(cache.iterdir()) == []


def test_a_merge_that_changes_the_model_is_refused(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = _make(tiny.base, tmp_path / "adapter", _dora())
    monkeypatch.setattr(merging, "UNFAITHFUL", -1.0)
    with pytest.raises(EngineError, match="merged in float32 it answers differently"):
        merged(tiny.base, adapter, "float32")


def test_a_cache_that_cannot_be_written_is_told(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = _make(tiny.base, tmp_path / "adapter", _ia3())
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SFTGATE_CACHE", str(tmp_path / "file"))
    with pytest.raises(EngineError, match="SFTGATE_CACHE"):
        merged(tiny.base, adapter, "float32")


def test_a_bias_that_the_base_has_no_place_for_is_found_before_the_run(tiny: Tiny, tmp_path: Path) -> None:
    adapter = _make(tiny.base, tmp_path / "adapter", _homeless_bias())
    with pytest.raises(EngineError, match=r"bias for 'model\.layers\.0\.self_attn\.o_proj'"):
        serving.served(Candidate(name="a", model=str(tiny.base), adapter=str(adapter)))


def test_a_merged_adapter_that_changes_nothing_is_refused_unless_declared(tiny: Tiny, tmp_path: Path) -> None:
    adapter = str(_make(tiny.base, tmp_path / "adapter", _ia3(), dead=True))
    with (
        pytest.raises(ProbeError, match="'dead' is not live"),
        Vllm([Candidate(name="dead", model=str(tiny.base), adapter=adapter)]),
    ):
        pass
    declared = Candidate(name="dead", model=str(tiny.base), adapter=adapter, options={"noop": True})
    assert Vllm([declared])._weights().is_dir()


def test_what_is_merged_has_an_engine_of_its_own(tiny: Tiny, tmp_path: Path) -> None:
    dora = str(_make(tiny.base, tmp_path / "adapter", _dora()))
    base, one = Candidate(name="base", model=str(tiny.base)), str(tiny.adapters["one"])
    lora = Candidate(name="lora", model=str(tiny.base), adapter=one)
    wished = Candidate(name="wished", model=str(tiny.base), adapter=one, options={"adapter_as": "merged"})
    merged_ones = [Candidate(name=name, model=str(tiny.base), adapter=dora) for name in ("dora", "again")]
    families = [serving.family(candidate) for candidate in (base, lora, wished, *merged_ones)]
    assert families[0] == families[1]
    assert families[3] == families[4]
    assert len(set(families)) == 3
    kinds = [Vllm.describe(candidate)["served"] for candidate in (base, lora, wished, *merged_ones)]
    assert kinds == ["weights", "lora", "merged", "merged", "merged"]
    other = msgspec.structs.replace(merged_ones[0], engine="transformers")
    assert serving.family(other) == serving.family(msgspec.structs.replace(base, engine="transformers"))
