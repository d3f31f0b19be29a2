"""Facts about how a candidate is served, found without importing torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.engines import ENGINES, serving
from harness.errors import ConfigError, EngineError
from harness.plugins import load
from harness.records import Candidate


@pytest.mark.parametrize(
    ("asked", "config", "device", "expected"),
    [
        (None, {"dtype": "bfloat16"}, "cpu", "float32"),
        ("auto", {"dtype": "bfloat16"}, "cpu", "bfloat16"),
        ("auto", {"torch_dtype": "float16"}, "cpu", "float16"),
        (None, {"dtype": "bfloat16"}, "cuda", "bfloat16"),
        (None, {"torch_dtype": "float32"}, "cuda", "bfloat16"),
        ("float32", {"dtype": "bfloat16"}, "cuda", "float32"),
        ("half", {}, "cpu", "float16"),
        ("auto", {"text_config": {"dtype": "bfloat16"}}, "cpu", "bfloat16"),
    ],
)
def test_the_dtype_that_will_be_used(asked: str | None, config: dict[str, Any], device: str, expected: str) -> None:
    assert serving.resolve_dtype(asked, config, device) == expected


@pytest.mark.parametrize(
    ("asked", "config", "expected"),
    [
        (64, {"max_position_embeddings": 512}, 64),
        (None, {"max_position_embeddings": 512}, 512),
        (None, {"text_config": {"max_position_embeddings": 128}}, 128),
        (None, {"n_positions": 1024}, 1024),
        (None, {}, None),
    ],
)
def test_the_context_that_will_be_used(asked: int | None, config: dict[str, Any], expected: int | None) -> None:
    assert serving.resolve_length(asked, config) == expected


def test_one_engine_serves_one_base_whatever_its_adapters() -> None:
    base = Candidate(name="base", model="m", options={"dtype": "float32"})
    one = Candidate(name="one", model="m", adapter="a", options={"dtype": "float32", "noop": True})
    assert serving.one_family([base, one]) is base
    for stranger in (
        Candidate(name="x", model="other", options={"dtype": "float32"}),
        Candidate(name="x", model="m"),
        Candidate(name="x", model="m", options={"dtype": "float32"}, resources={"max_num_seqs": 1}),
        Candidate(name="base", model="m", options={"dtype": "float32"}),
    ):
        with pytest.raises(EngineError):
            serving.one_family([base, stranger])
    with pytest.raises(EngineError):
        serving.one_family([])


def test_a_folder_without_a_readable_config_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.json"):
        serving.model_config(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ConfigError, match="not valid JSON"):
        serving.model_config(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps([1]))
    with pytest.raises(ConfigError, match="object"):
        serving.model_config(tmp_path)


def test_a_hidden_gpu_is_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert serving.device_kind() == "cpu"


def test_a_missing_package_is_an_engine_error() -> None:
    with pytest.raises(EngineError, match="no_such_package"):
        serving.require("no_such_package", engine="it")


@pytest.mark.parametrize("name", sorted(ENGINES))
def test_every_engine_has_what_the_protocol_asks(name: str) -> None:
    engine = load(name, ENGINES, what="engine")
    for method in ("describe", "check", "submit", "poll", "__enter__", "__exit__"):
        assert callable(getattr(engine, method))
