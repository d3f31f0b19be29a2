"""Model folders are found and checked before any device time is spent."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.checkpoints import (
    chat_template,
    check_candidate,
    is_adapter,
    read_adapter_config,
    resolve_model,
    source,
    tensor_shapes,
    weight_files,
)
from harness.errors import ConfigError
from harness.records import Candidate

PROJECTION = "model.layers.0.self_attn.q_proj"


def safetensors(path: Path, shapes: Mapping[str, tuple[int, ...]], *, fill: int = 0) -> None:
    """Write a real safetensors file of bytes (dtype U8)."""
    header, offset = {}, 0
    for name, shape in shapes.items():
        size = 1
        for length in shape:
            size *= length
        header[name] = {"dtype": "U8", "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes([fill]) * offset)


def model(folder: Path, *, width: int = 8, fill: int = 0, name: str = f"{PROJECTION}.weight") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"hidden_size": width}))
    safetensors(folder / "model.safetensors", {name: (width, width)}, fill=fill)
    return folder


def adapter(folder: Path, *, width: int = 8, base: str = "", stem: str = PROJECTION) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps({"r": 2, "base_model_name_or_path": base}))
    names = {f"base_model.model.{stem}.lora_A.weight": (2, width), f"base_model.model.{stem}.lora_B.weight": (width, 2)}
    safetensors(folder / "adapter_model.safetensors", names)
    return folder


def check(**fields: Any) -> None:
    texts: dict[str, Any] = {key: str(value) for key, value in fields.items()}
    check_candidate(Candidate(name="c", **texts), where="candidates[1]")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path / "hub"
    cache.mkdir()
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    return cache


def cached(hub: Path, name: str, commit: str, reference: str = "main") -> Path:
    folder = hub / f"models--{name.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True, exist_ok=True)
    (folder / "refs" / reference).write_text(commit)
    snapshot = folder / "snapshots" / commit
    snapshot.mkdir(parents=True)
    return snapshot


# --------------------------------------------------------------------------------------------------------- finding


def test_a_folder_is_its_own_model(tmp_path: Path) -> None:
    assert resolve_model(str(tmp_path)) == tmp_path


def test_a_hub_name_is_looked_up_in_the_local_cache(hub: Path) -> None:
    snapshot = cached(hub, "Qwen/Qwen2.5-7B-Instruct", "abc123")
    assert resolve_model("Qwen/Qwen2.5-7B-Instruct") == snapshot
    assert resolve_model("Qwen/Qwen2.5-7B-Instruct", "abc123") == snapshot


def test_the_cache_is_found_through_hf_home_too(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_CACHE")
    monkeypatch.setenv("HF_HOME", str(hub.parent))
    snapshot = cached(hub, "org/name", "c0")
    assert resolve_model("org/name") == snapshot


def test_another_revision_is_another_snapshot(hub: Path) -> None:
    cached(hub, "org/name", "aaa")
    second = cached(hub, "org/name", "bbb", reference="v2")
    assert resolve_model("org/name", "v2") == second
    with pytest.raises(ConfigError, match=r"at revision 'v3'.*hf download org/name --revision v3"):
        resolve_model("org/name", "v3")


def test_a_model_that_is_not_here_says_how_to_get_it(hub: Path) -> None:
    cached(hub, "Qwen/Qwen2.5-7B-Instruct", "abc")
    with pytest.raises(
        ConfigError, match=r"^candidates\[0\]\.model: .*hf download Qwen/Qwen2.5-7B.*Did you mean 'Qwen/Qwen2.5-7B-Instruct'"
    ):
        resolve_model("Qwen/Qwen2.5-7B", where="candidates[0].model")


def test_a_mistyped_folder_names_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "week47").mkdir()
    with pytest.raises(ConfigError, match=r"does not exist.*Did you mean 'week47'"):
        resolve_model(str(tmp_path / "week74"))


def test_a_file_is_not_a_model_folder(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ConfigError, match="is a file; expected the folder"):
        resolve_model(str(tmp_path / "model.safetensors"))


def test_no_name_at_all_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="no model is given"):
        resolve_model("")


def test_what_stands_behind_a_candidate_follows_from_its_engine(tmp_path: Path) -> None:
    assert source(Candidate(name="c", engine="vllm")) == "weights"
    assert source(Candidate(name="c", engine="openai")) == "endpoint"
    assert source(Candidate(name="c", engine="recorded")) == "recorded"
    assert source(Candidate(name="c", engine="fake")) == "fake"
    assert source(Candidate(name="c", engine="mylab:Engine", model=str(tmp_path))) == "weights"
    assert source(Candidate(name="c", engine="mylab:Engine", model="served/elsewhere/x")) == "endpoint"


# -------------------------------------------------------------------------------------------------------- checking


def test_a_complete_model_with_its_own_adapter_passes(tmp_path: Path) -> None:
    base = model(tmp_path / "m")
    check(model=base)
    check(model=base, adapter=adapter(tmp_path / "a", base=str(base)))


def test_an_adapter_whose_base_has_moved_passes_by_its_shapes(tmp_path: Path) -> None:
    check(model=model(tmp_path / "m"), adapter=adapter(tmp_path / "a", base="/gone/since/long"))


def test_an_adapter_whose_base_was_copied_passes_by_its_contents(tmp_path: Path) -> None:
    check(model=model(tmp_path / "copy"), adapter=adapter(tmp_path / "a", base=str(model(tmp_path / "m"))))


def test_a_model_folder_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"candidates\[1\]\.model: .* has no weights"):
        check(model=tmp_path)


def test_a_model_folder_without_config_is_refused(tmp_path: Path) -> None:
    safetensors(tmp_path / "model.safetensors", {"w": (2,)})
    with pytest.raises(ConfigError, match=r"has no 'config.json'"):
        check(model=tmp_path)


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    folder = model(tmp_path / "m")
    index = {"weight_map": {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ConfigError, match=r"lacks 1 of 2 weight files: model-00002-of-00002.safetensors"):
        check(model=folder)


@pytest.mark.parametrize("content", [b"", b"abc", b"\xff" * 40, struct.pack("<Q", 2) + b"[]", struct.pack("<Q", 9) + b'{"a": {}}'])
def test_a_file_that_is_no_safetensors_is_refused(tmp_path: Path, content: bytes) -> None:
    folder = model(tmp_path / "m")
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ConfigError, match="cut short or is no safetensors"):
        check(model=folder)


def test_a_truncated_download_is_refused(tmp_path: Path) -> None:
    folder = model(tmp_path / "m")
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ConfigError, match="cut short"):
        check(model=folder)


def test_a_git_lfs_pointer_says_how_to_fetch_it(tmp_path: Path) -> None:
    folder = model(tmp_path / "m")
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(ConfigError, match="git lfs pull"):
        check(model=folder)


def test_a_damaged_config_is_named(tmp_path: Path) -> None:
    folder = model(tmp_path / "m")
    (folder / "config.json").write_text('{"hidden_size": ')
    with pytest.raises(ConfigError, match=r"config\.json' is not JSON"):
        check(model=folder)


def test_an_adapter_given_as_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is an adapter, not a model"):
        check(model=adapter(tmp_path / "a"))


def test_a_model_given_as_an_adapter_is_refused(tmp_path: Path) -> None:
    folder = model(tmp_path / "m")
    with pytest.raises(ConfigError, match=r"candidates\[1\]\.adapter: .*has no 'adapter_config.json'"):
        check(model=folder, adapter=folder)


def test_an_adapter_without_weights_is_refused(tmp_path: Path) -> None:
    folder = adapter(tmp_path / "a")
    (folder / "adapter_model.safetensors").unlink()
    with pytest.raises(ConfigError, match=r"has no 'adapter_model.safetensors'"):
        check(model=model(tmp_path / "m"), adapter=folder)


@pytest.mark.parametrize("start", ["pissa_niter_16", "corda", "loftq"])
def test_an_adapter_that_loads_differently_every_time_is_refused(tmp_path: Path, start: str) -> None:
    folder = adapter(tmp_path / "adapter")
    (folder / "adapter_config.json").write_text(json.dumps({"r": 2, "init_lora_weights": start}))
    with pytest.raises(ConfigError, match="path_initial_model_for_weight_conversion") as caught:
        check(model=model(tmp_path / "base"), adapter=folder)
    assert start in str(caught.value)
    assert caught.value.where == "candidates[1].adapter"


def test_an_adapter_for_a_wider_base_is_refused_by_its_shapes(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"belongs to another base.*16 × 16.*8 × 8"):
        check(model=model(tmp_path / "m"), adapter=adapter(tmp_path / "a", width=16))


def test_an_adapter_for_another_architecture_is_refused_by_its_names(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="belongs to another base: it changes"):
        check(model=model(tmp_path / "m"), adapter=adapter(tmp_path / "a", stem="transformer.h.0.attn.c_attn"))


def test_an_adapter_for_a_sister_of_the_same_shape_is_refused_by_its_contents(tmp_path: Path) -> None:
    sister = model(tmp_path / "sister", fill=1)
    with pytest.raises(ConfigError, match="whose weights are not those of"):
        check(model=model(tmp_path / "m"), adapter=adapter(tmp_path / "a", base=str(sister)))


def test_a_chat_template_that_is_not_there_is_refused(tmp_path: Path) -> None:
    candidate = Candidate(name="c", model=str(model(tmp_path / "m")), options={"chat_template": str(tmp_path / "none.jinja")})
    with pytest.raises(ConfigError, match=r"candidates\[1\]\.options\.chat_template: .* cannot be read"):
        check_candidate(candidate, where="candidates[1]")


def test_recorded_answers_must_be_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"candidates\[1\]\.model: recorded answers .* are not a file"):
        check(model=tmp_path, engine="recorded")


def test_fakes_and_endpoints_need_nothing_on_disk() -> None:
    check(engine="fake")
    check(engine="openai", model="served-name")


# --------------------------------------------------------------------------------------------------------- reading


def test_shapes_come_from_the_header_alone(tmp_path: Path) -> None:
    safetensors(tmp_path / "f.safetensors", {"a": (2, 3), "b": (4,)})
    assert tensor_shapes(tmp_path / "f.safetensors") == {"a": (2, 3), "b": (4,)}


def test_an_adapters_weights_are_not_the_models(tmp_path: Path) -> None:
    adapter(tmp_path)
    (tmp_path / "training_args.bin").write_bytes(b"x")
    assert weight_files(tmp_path) == []
    assert is_adapter(tmp_path)
    assert read_adapter_config(tmp_path)["r"] == 2


def test_the_chat_template_is_found_where_transformers_finds_it(tmp_path: Path) -> None:
    assert chat_template(tmp_path) is None
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": [{"name": "default", "template": "named"}]}))
    assert chat_template(tmp_path) == "named"
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": "plain"}))
    assert chat_template(tmp_path) == "plain"
    (tmp_path / "chat_template.jinja").write_text("file")
    assert chat_template(tmp_path) == "file"
