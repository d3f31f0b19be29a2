"""Facts about how a candidate is served, found without importing torch."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.engines import ENGINES, serving
from harness.engines.reasoning import Tags
from harness.errors import ConfigError, EngineError
from harness.fingerprint import candidate_fingerprints
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
    thinks = Candidate(name="thinks", model="m", options={"dtype": "float32", "reasoning": "off", "template_date": "2024-07-26"})
    assert serving.one_family([base, one, thinks]) is base
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


def test_options_of_thinking_tools_and_dates_are_read_and_fingerprinted(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(b"weights")
    text = 'reasoning = { start = "<t>", end = "</t>" }\ntool_parser = "hermes"\ntemplate_date = 2024-07-26\n'
    options = msgspec.toml.decode(text)

    def candidate(**options: object) -> Candidate:
        return Candidate(name="a", engine="transformers", model=str(model), options=options)

    found = serving.read_options(candidate(**options), serving.ModelOptions)
    assert found.reasoning == Tags(start="<t>", end="</t>")
    assert (found.tool_parser, found.template_date) == ("hermes", datetime.date(2024, 7, 26))
    facts = serving.facts(candidate(**options), found, name="transformers", version="1")
    assert (facts["reasoning"], facts["tool_parser"], facts["template_date"]) == ("<t> </t>", "hermes", "2024-07-26")

    def asked(**options: object) -> str:
        return candidate_fingerprints(candidate(**options), {}, nonce="").asked

    assert len({asked(), *(asked(**{name: value}) for name, value in options.items())}) == 4
    assert asked(template_date="2024-07-26") == asked(template_date=datetime.date(2024, 7, 26))
    for wrong in ({"reasoning": "on"}, {"reasoning": {"start": "<t>"}}, {"template_date": "soon"}, {"tool_parser": 1}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            serving.read_options(candidate(**wrong), serving.ModelOptions)


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
