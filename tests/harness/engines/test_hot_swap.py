"""An exchange of weights is used only after it was proved, and an engine that mixes weights is found out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import msgspec
import pytest

from harness.engines import serving
from harness.engines.hot_swap import Swaps, distance
from harness.engines.transformers_engine import Transformers
from harness.engines.vllm import Vllm
from harness.errors import ConfigError, EngineError
from harness.records import Candidate, Request
from tests.harness.engines.asking import answers
from tests.harness.engines.conftest import Tiny


class _Engine:
    """Scores are a function of the weights alone; every start and every exchange is written down."""

    log: ClassVar[list[str]] = []
    swaps = True
    notes: tuple[str, ...] = ()

    def __init__(self, *names: str, form: str = "qwen") -> None:
        self.candidates = tuple(Candidate(name=name, model=name) for name in names)
        self.form = form
        self.weights = self._of(self.candidates)

    @staticmethod
    def _of(candidates: Sequence[Candidate]) -> list[float]:
        number = float(ord(candidates[0].model[0]))
        return [-number, -2 * number, -0.5 * number]

    def fits(self, other: _Engine) -> bool:
        return self.form == other.form

    def exchange(self, candidates: Sequence[Candidate]) -> None:
        self.log.append(f"exchange {candidates[0].model}")
        self.candidates, self.weights = tuple(candidates), self._of(candidates)

    def testify(self) -> list[float]:
        return list(self.weights)

    def __enter__(self) -> Self:
        self.log.append(f"start {self.candidates[0].model}")
        self.weights = self._of(self.candidates)
        return self

    def __exit__(self, *_: object) -> None:
        self.log.append("end")


class _Mixing(_Engine):
    """As vLLM's CPU build: a layer of the old weights stays, and nothing is said."""

    def exchange(self, candidates: Sequence[Candidate]) -> None:
        old = self.weights
        super().exchange(candidates)
        self.weights = [old[0], *self.weights[1:]]


class _Forgetting(_Engine):
    """Exchanges well while it is proved, and then not at all."""

    exchanges = 0

    def exchange(self, candidates: Sequence[Candidate]) -> None:
        self.exchanges += 1
        if self.exchanges <= 2:
            super().exchange(candidates)


class _Refusing(_Engine):
    def exchange(self, candidates: Sequence[Candidate]) -> None:
        raise EngineError("no room for two")


@pytest.fixture(autouse=True)
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    written: list[str] = []
    monkeypatch.setattr(_Engine, "log", written)
    return written


def _serve(swaps: Swaps, *engines: Any) -> list[list[float]]:
    """What each family's engine scores while it is open."""
    found = []
    for engine in engines:
        with swaps.lend(engine) as open_engine:
            found.append(open_engine.testify())  # type: ignore[attr-defined]
    return found


def _true(names: str) -> list[list[float]]:
    return [_Engine(name).testify() for name in names]


def test_from_the_third_model_on_a_start_is_spared(log: list[str]) -> None:
    with Swaps() as swaps:
        assert _serve(swaps, *map(_Engine, "ABCD")) == _true("ABCD")
        assert swaps.trusted is True
    assert log == ["start A", "end", "start B", "exchange A", "exchange B", "exchange C", "exchange D", "end"]


def test_an_engine_that_mixes_weights_is_refused_and_started_afresh(log: list[str]) -> None:
    lent = []
    with Swaps() as swaps:
        found = []
        for name in "ABC":
            lent.append(swaps.lend(_Mixing(name)))
            with lent[-1] as engine:
                found.append(engine.testify())  # type: ignore[attr-defined]
        assert found == _true("ABC")
        assert swaps.trusted is False
    assert log == ["start A", "end", "start B", "exchange A", "exchange B", "end", "start B", "end", "start C", "end"]
    notes = [note for engine in lent for note in engine.notes]  # type: ignore[attr-defined]
    assert len(notes) == 1
    assert "up to 1 nats off" in notes[0]


def test_an_exchange_that_later_does_nothing_is_found_out(log: list[str]) -> None:
    with Swaps() as swaps:
        assert _serve(swaps, *map(_Forgetting, "ABCD")) == _true("ABCD")
        assert swaps.trusted is False
    assert log[-4:] == ["start C", "end", "start D", "end"]


def test_an_engine_that_cannot_exchange_goes_on_without(log: list[str]) -> None:
    with Swaps() as swaps:
        assert _serve(swaps, *map(_Refusing, "ABC")) == _true("ABC")
        assert swaps.trusted is False
    assert log.count("end") == 4


def test_two_models_that_score_alike_prove_nothing(log: list[str]) -> None:
    with Swaps() as swaps:
        _serve(swaps, _Mixing("A"), _Mixing("A"))
        assert swaps.trusted is None
        assert _serve(swaps, _Mixing("B")) == _true("B")
        assert swaps.trusted is False


def test_trust_ends_with_the_architecture(log: list[str]) -> None:
    with Swaps() as swaps:
        _serve(swaps, *map(_Engine, "ABC"))
        assert _serve(swaps, _Engine("D", form="llama")) == _true("D")
        assert swaps.trusted is None
    assert log[-3:] == ["end", "start D", "end"]


def test_an_engine_that_was_left_with_an_error_is_not_kept(log: list[str]) -> None:
    with Swaps() as swaps:
        with pytest.raises(KeyboardInterrupt), swaps.lend(_Engine("A")):  # type: ignore[arg-type]
            raise KeyboardInterrupt
        assert log == ["start A", "end"]
        _serve(swaps, _Engine("B"))
    assert log == ["start A", "end", "start B", "end"]


def test_who_does_not_ask_for_it_is_left_alone(log: list[str]) -> None:
    plain = _Engine("B")
    plain.swaps = False
    with Swaps() as swaps:
        _serve(swaps, _Engine("A"))
        assert swaps.lend(plain) is plain  # type: ignore[arg-type, comparison-overlap]
        assert log == ["start A", "end"]
        assert swaps.lend(object()) is not None  # type: ignore[arg-type]


def test_not_a_number_proves_nothing() -> None:
    assert distance([1.0], [float("nan")]) == float("inf")
    assert distance([1.0, 2.0], [1.5, 2.0]) == 0.5


def test_a_cpu_never_exchanges_weights(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "device_kind", lambda: "cpu")
    with pytest.raises(ConfigError, match="needs a GPU") as caught:
        Vllm.check(Candidate(name="a", model=str(tiny.base), resources={"hot_swap": True}), where="candidates[0]")
    assert caught.value.where == "candidates[0].resources.hot_swap"


@pytest.mark.models
def test_vllm_knows_which_models_could_take_turns(tiny: Tiny, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    monkeypatch.setattr(serving, "device_kind", lambda: "cuda")

    def engine(model: Any, **more: Any) -> Vllm:
        return Vllm([Candidate(name="a", model=str(model), resources={"hot_swap": True}, **more)])

    same, other = shutil.copytree(tiny.base, tmp_path / "same"), shutil.copytree(tiny.base, tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    (same / "config.json").write_text(json.dumps(config | {"transformers_version": "0.0"}))
    (other / "config.json").write_text(json.dumps(config | {"rope_theta": 5.0}))
    base = engine(tiny.base)
    assert base.swaps
    assert base.fits(engine(same))
    assert not base.fits(engine(other))
    assert not base.fits(engine(same, options={"dtype": "float16"}))
    assert not base.fits(engine(tiny.base, adapter=str(tiny.adapters["one"])))
    assert not base.fits(Vllm([Candidate(name="a", model=str(tiny.base))]))


@pytest.mark.full
@pytest.mark.models
@pytest.mark.vllm
def test_the_exchange_of_vllms_cpu_build_is_found_out(tiny: Tiny, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps packed copies of the old weights. Forbidden by the config, it is asked for here all the same."""
    pytest.importorskip("vllm")
    import shutil

    import torch
    from safetensors.torch import load_file, save_file

    other = shutil.copytree(tiny.base, tmp_path / "other")
    torch.manual_seed(5)
    weights = load_file(tiny.base / "model.safetensors")
    noisy = {name: weight + 1.0 * weight.abs().mean() * torch.randn_like(weight) for name, weight in weights.items()}
    save_file(noisy, other / "model.safetensors", metadata={"format": "pt"})
    monkeypatch.setattr(Vllm, "swaps", True)
    candidates = [Candidate(name="a", model=str(folder)) for folder in (tiny.base, other)]
    found, lent = [], []
    with Swaps() as swaps:
        for candidate in candidates:
            lent.append(swaps.lend(Vllm([candidate])))
            with lent[-1] as engine:
                found.append(answers(engine, [("a", request) for request in REQUESTS]))
        assert swaps.trusted is False
    notes = [note for engine in lent for note in engine.notes]  # type: ignore[attr-defined]
    assert len(notes) == 1
    assert "hot_swap is not used" in notes[0]
    for candidate, turns in zip(candidates, found, strict=True):
        with Transformers([msgspec.structs.replace(candidate, engine="transformers")]) as plain:
            own = answers(plain, [("a", request) for request in REQUESTS])
        assert turns[0].logprob == pytest.approx(own[0].logprob, abs=1e-3)
        assert turns[1].token_ids == own[1].token_ids
    assert abs((found[0][0].logprob or 0.0) - (found[1][0].logprob or 0.0)) > 0.1


REQUESTS = [
    Request(kind="score", prompt="The capital of France", continuation=" is Paris"),
    Request(prompt="The capital of France", max_tokens=8),
]
