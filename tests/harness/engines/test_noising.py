"""A ruined copy: as much noise as asked for, the same every time, and nothing else changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import EngineError

torch = pytest.importorskip("torch", reason="noise is put on tensors")
pytest.importorskip("safetensors", reason="weights are safetensors")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SFTGATE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def tensors() -> dict[str, Any]:
    generator = torch.Generator().manual_seed(1)
    return {
        "wide": 3.0 * torch.randn(200, 100, generator=generator) + 5.0,
        "narrow": (0.01 * torch.randn(400, 50, generator=generator)).to(torch.bfloat16),
        "norm": torch.ones(64),
        "codes": torch.arange(12, dtype=torch.int32),
    }


def folder(place: Path) -> Path:
    from safetensors.torch import save_file

    place.mkdir()
    (place / "config.json").write_text(json.dumps({"r": 4}))
    save_file(tensors(), str(place / "model.safetensors"), metadata={"format": "pt"})
    return place


@pytest.mark.usefixtures("cache")
def test_every_tensor_gets_noise_in_proportion_to_its_own_spread(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    from harness.engines.noising import noised

    source = folder(tmp_path / "model")
    ruined = noised(source, strength=0.5, seed=7)
    name = "model.safetensors"
    found, before = load_file(str(ruined / name)), tensors()
    for key in ("wide", "narrow"):
        moved = (found[key].float() - before[key].float()).std() / before[key].float().std()
        assert abs(float(moved) - 0.5) < 0.02
        assert found[key].dtype == before[key].dtype
    assert torch.equal(found["norm"], before["norm"])  # no spread, no noise
    assert torch.equal(found["codes"], before["codes"])
    assert {file.name for file in ruined.iterdir()} == {file.name for file in source.iterdir()}


@pytest.mark.usefixtures("cache")
def test_the_same_noise_again_is_the_same_folder_and_other_noise_another(tmp_path: Path) -> None:
    from harness.engines.noising import noised
    from harness.fingerprint import weights_digest

    source = folder(tmp_path / "model")
    first = noised(source, strength=0.5, seed=7)
    print_before = weights_digest(first)
    assert noised(source, strength=0.5, seed=7) == first
    others = {noised(source, strength=strength, seed=seed) for strength, seed in ((0.5, 8), (0.6, 7))}
    assert first not in others
    assert len(others) == 2
    for file in first.iterdir():
        file.unlink()
    first.rmdir()
    assert weights_digest(noised(source, strength=0.5, seed=7)) == print_before


def test_weights_that_cannot_be_read_are_one_sentence_and_leave_nothing(tmp_path: Path, cache: Path) -> None:
    from harness.engines.noising import noised

    source = tmp_path / "model"
    source.mkdir()
    (source / "model.gguf").write_bytes(b"GGUF")
    with pytest.raises(EngineError, match="cannot be noised"):
        noised(source, strength=0.5, seed=0)
    assert not list((cache / "noised").iterdir())
