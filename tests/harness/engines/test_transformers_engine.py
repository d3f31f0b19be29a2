"""The transformers engine: rows that share a batch do not disturb one another, and it serves what vLLM refuses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from harness.engines import transformers_engine
from harness.engines.sampling import Row, decode
from harness.engines.scoring import Scorer, Way
from harness.engines.scoring_round import Round, Scoring
from harness.engines.transformers_engine import Transformers
from harness.errors import ConfigError, EngineError, ProbeError
from harness.records import Candidate, Completion, Message, Request
from tests.harness.engines.asking import SHOWN, answers, ask, shown
from tests.harness.engines.conftest import Tiny

pytestmark = pytest.mark.models

CHAT = (Message(role="user", content="what is 7 plus 5?"),)


def _family(tiny: Tiny, *names: str) -> list[Candidate]:
    base = Candidate(name="base", engine="transformers", model=str(tiny.base))
    return [
        base,
        *(Candidate(name=name, engine="transformers", model=str(tiny.base), adapter=str(tiny.adapters[name])) for name in names),
    ]


@pytest.fixture(scope="module")
def engine(tiny: Tiny) -> Iterator[Transformers]:
    with Transformers(_family(tiny, "one", "two")) as engine:
        yield engine


def test_a_sampled_answer_depends_on_its_seed_and_not_on_its_batch(engine: Transformers) -> None:
    def sampled(seed: int, prompt: str = "The capital") -> Request:
        return Request(prompt=prompt, max_tokens=12, temperature=1.5, top_p=0.95, top_k=50, min_p=0.01, seed=seed)

    alone = [answers(engine, [("one", sampled(seed))])[0].token_ids for seed in range(3)]
    others = [("one", sampled(9, "a much longer prompt that pads all the others in this batch")), ("base", sampled(0))]
    crowd = answers(engine, [*(("one", sampled(seed)) for seed in range(3)), *others])
    assert [answer.token_ids for answer in crowd[:3]] == alone
    assert len(set(alone)) > 1


def test_the_prompt_that_is_shown_has_the_tokens_that_were_asked(engine: Transformers, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[Request, list[int]] = {}

    def decoded(model: object, rows: list[Row], *, pad: int) -> None:
        asked.update({row.request: row.prompt for row in rows})
        decode(model, rows, pad=pad)

    def planned(scorer: Scorer, who: str, way: Way, jobs: list[Scoring]) -> Round:
        asked.update({job.request: job.pairs[0].context for job in jobs})
        return Round(scorer, who, way, jobs)

    monkeypatch.setattr(transformers_engine, "decode", decoded)
    monkeypatch.setattr(transformers_engine, "Round", planned)
    found = answers(engine, [("one", request) for request in SHOWN])
    tokens = engine._tokens["one"]
    for request, completion in zip(SHOWN, found, strict=True):
        text = shown(request, completion)
        assert tokens.encode(text.rstrip() if request.kind == "score" else text, False) == asked[request]


def test_a_context_shorter_than_the_probes_is_no_hindrance(tiny: Tiny) -> None:
    family = [msgspec.structs.replace(candidate, options={"max_model_len": 32}) for candidate in _family(tiny, "one")]
    with Transformers(family) as engine:
        assert answers(engine, [("one", Request(kind="score", prompt="a", continuation="b"))])[0].logprob is not None


def test_scores_do_not_depend_on_the_batch(engine: Transformers) -> None:
    short = Request(kind="score", prompt="a", continuation="b")
    long = Request(kind="score", prompt="The capital of France is Paris, and", continuation=" it lies on the river Seine.")
    alone = answers(engine, [("two", short)])[0].logprob
    together = answers(engine, [("two", long), ("two", short)])[1].logprob
    assert together == pytest.approx(alone, abs=1e-5)


@pytest.mark.parametrize(
    ("filters", "kept"),
    [({"top_k": 1}, 1), ({"top_p": 1e-6}, 1), ({"min_p": 1.0}, 1)],
)
def test_a_filter_that_leaves_one_token_is_greedy(engine: Transformers, filters: dict[str, float], kept: int) -> None:
    greedy = Request(prompt="red green", max_tokens=8)
    narrow = Request(prompt="red green", max_tokens=8, temperature=1.0, seed=7, **filters)  # type: ignore[arg-type]
    left, right = answers(engine, [("base", greedy), ("base", narrow)])
    assert left.token_ids == right.token_ids


def test_one_bad_request_spoils_no_other(engine: Transformers) -> None:
    asked = [
        ("base", Request(prompt="word " * 2000)),
        ("nobody", Request(prompt="x")),
        ("base", Request(kind="score", prompt="x", continuation="")),
        ("base", Request(prompt="x", max_tokens=0)),
        ("base", Request(prompt="x", schema={"type": "no such type"})),
        ("one", Request(messages=CHAT, max_tokens=4)),
    ]
    *errors, fine = ask(engine, asked)
    words = ["context of 256", "'nobody'", "no continuation", "max_tokens", "schema"]
    for error, word in zip(errors, words, strict=True):
        assert isinstance(error, EngineError)
        assert word in str(error)
    assert isinstance(fine, Completion)


def test_a_failure_in_a_batch_is_an_error_for_each_of_its_requests(engine: Transformers, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr("harness.engines.transformers_engine.decode", broken)
        results = ask(engine, [("base", Request(prompt="a")), ("base", Request(prompt="b"))])
    assert all(isinstance(result, EngineError) and "out of memory" in str(result) for result in results)
    assert answers(engine, [("base", Request(prompt="a", max_tokens=2))])[0].tokens_out == 2


def test_an_adapter_that_changes_nothing_is_refused_unless_declared(tiny: Tiny) -> None:
    dead = Candidate(name="dead", engine="transformers", model=str(tiny.base), adapter=str(tiny.noop))
    with pytest.raises(ProbeError, match="'dead' is not live"), Transformers([*_family(tiny), dead]):
        pass
    declared = Candidate(name="dead", engine="transformers", model=str(tiny.base), adapter=str(tiny.noop), options={"noop": True})
    with Transformers([*_family(tiny), declared]) as engine:
        assert answers(engine, [("dead", Request(prompt="a", max_tokens=2))])


def test_a_dora_that_vllm_refuses_is_served_here(tiny: Tiny, tmp_path: Path) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(3)
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM", use_dora=True)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny.base, dtype=torch.float32), config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.08)
    model.save_pretrained(tmp_path / "dora")
    dora = Candidate(name="dora", engine="transformers", model=str(tiny.base), adapter=str(tmp_path / "dora"))
    with Transformers([*_family(tiny, "one"), dora]) as engine:
        found = answers(engine, [(name, Request(kind="score", prompt="a", continuation="b c")) for name in ("base", "one", "dora")])
    assert len({round(answer.logprob or 0.0, 4) for answer in found}) == 3


def test_wrong_options_and_weights_that_do_not_load_are_told(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="batch_size"):
        Transformers.check(Candidate(name="a", model=str(tiny.base), resources={"batch": 5}), where="candidates[0]")
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in tiny.base.iterdir():
        (broken / file.name).write_bytes(file.read_bytes()[: 200 if file.suffix == ".safetensors" else None])
    with pytest.raises(EngineError, match="broken"), Transformers([Candidate(name="a", engine="transformers", model=str(broken))]):
        pass
