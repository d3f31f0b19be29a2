"""The transformers engine scores the base and its adapters packed, and its numbers are those of each request asked plainly."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.engines import serving, transformers_engine
from harness.engines.encoder import Encoder
from harness.engines.scoring import score_pairs
from harness.engines.tokens import Pair, Tokens, fit_pair
from harness.engines.transformers_engine import Transformers
from harness.errors import ConfigError, EngineError, ProbeError
from harness.protocols import Asked
from harness.records import Candidate, Completion, Message, Request
from tests.harness.engines.asking import answers, ask
from tests.harness.engines.conftest import Tiny
from trainers.lab import LabPaths

pytestmark = pytest.mark.models

EXAMPLES = "Question: what is 7 plus 5?\nAnswer: 12\n" * 3
QUESTION = (Message(role="user", content="List the words in reverse order: red green blue."),)


def score(prompt: str, *continuations: str) -> list[Request]:
    return [Request(kind="score", prompt=prompt, continuation=continuation) for continuation in continuations]


def requests() -> list[Request]:
    """Everything that a benchmark asks for: what shares much, little, or nothing."""
    found = score("The capital of France is", " Paris", " Paris, and it lies on the river", " Rome", " P", " Paris")
    found += [request for name in ("red", "blue", "a green") for request in score(f"{EXAMPLES}Question: {name}?\nAnswer:", *"ABCD")]
    found += score(f"{EXAMPLES}Question: what?\nAnswer:", " 12, or", " it lies", " 12, or 7 plus 5")
    found += score("", "The capital of France", "The", "一个语言模型")
    found += score("用户：请用一句话介绍你自己。\n助手：", "我是一个语言模型", "可以回答问题。", "我是")
    found += score("The capital of France is Paris, and ", "it lies", "the river")
    found += score("The capital of France is Par", "is, and", "is, and it lies")
    found += [Request(kind="score", messages=QUESTION, continuation=text) for text in ("blue green red", "blue", "red green blue")]
    found += [
        Request(kind="score", prompt="red xq green zebra. " * 80, continuation=text, overlong="truncate_left")
        for text in (" blue", " the answer is 12.")
    ]
    found += [Request(kind="score_rolling", prompt=text) for text in ("The capital of France.", "red xq green blue zebra. " * 60)]
    return found


def alone(engine: Transformers, name: str, request: Request) -> tuple[float, bool]:
    """The request scored plainly, by itself, every token through the head."""
    tokens = engine._tokens[name]
    if request.kind == "score_rolling":
        pairs = tokens.windows(request, engine.length)
    else:
        pairs = [fit_pair(tokens.pair(request), request, engine.length)]
    engine._serve(name)
    scores = [score_pairs(engine._model, [pair])[0] for pair in pairs]
    return sum(score.logprob for score in scores), all(score.greedy for score in scores)


def check(engine: Transformers, asked: Sequence[tuple[str, Request]]) -> None:
    for (name, request), answer in zip(asked, answers(engine, asked), strict=True):
        logprob, greedy = alone(engine, name, request)
        assert answer.logprob == pytest.approx(logprob, abs=1e-4, rel=2e-6)
        assert answer.greedy == greedy
        assert answer.tokens
        assert answer.bytes == len(str(request.prompt if request.kind == "score_rolling" else request.continuation).encode())


def family(tiny: Tiny, *names: str) -> list[Candidate]:
    adapters = {name: str(tiny.adapters[name]) for name in names}
    return [
        Candidate(name="base", engine="transformers", model=str(tiny.base)),
        *(Candidate(name=name, engine="transformers", model=str(tiny.base), adapter=path) for name, path in adapters.items()),
    ]


@pytest.fixture(scope="module")
def engine(tiny: Tiny) -> Iterator[Transformers]:
    with Transformers(family(tiny, "one", "two")) as engine:
        yield engine


def test_the_base_and_its_adapters_asked_together(engine: Transformers) -> None:
    check(engine, [(name, request) for request in requests() for name in ("base", "one", "two")])
    assert {found.way for found in engine._ways.values()} == {"packed"}
    assert not any("without sharing" in note for note in engine.notes)


def test_one_request_and_no_request(engine: Transformers) -> None:
    check(engine, [("one", requests()[1])])
    assert engine.poll(1.0) == []


def test_the_lab_and_its_own_questions(lab_test: LabPaths) -> None:
    chats = [json.loads(line)["messages"] for line in (lab_test.data / "general.validation.jsonl").read_text().splitlines()[:8]]
    endings = list(dict.fromkeys(chat[-1]["content"] for chat in chats))[:4]
    asked = [
        ("lab", Request(kind="score", messages=tuple(Message(**turn) for turn in chat[:-1]), continuation=ending))
        for chat in chats
        for ending in endings
    ]
    with Transformers([Candidate(name="lab", engine="transformers", model=str(lab_test.base))]) as engine:
        check(engine, asked)
        assert engine._ways[""].way == "packed"


def test_generating_and_scoring_take_turns(engine: Transformers) -> None:
    engine.submit([Asked(ticket=0, candidate="one", request=Request(prompt="red", max_tokens=3))])
    engine.submit([Asked(ticket=1, candidate="base", request=requests()[0])])
    assert [answered.ticket for answered in engine.poll(1.0)] == [0]
    engine.submit([Asked(ticket=2, candidate="one", request=Request(prompt="red", max_tokens=3))])
    assert engine.poll(0.0) == [], "with a timeout of 0 nothing is run"
    assert [answered.ticket for answered in engine.poll(1.0)] == [1]
    assert [answered.ticket for answered in engine.poll(1.0)] == [2]


def test_a_poll_is_one_batch(tiny: Tiny) -> None:
    candidate = Candidate(name="a", engine="transformers", model=str(tiny.base), resources={"batch_tokens": 64})
    with pytest.raises(ConfigError, match="batch_tokens"):
        Transformers.check(msgspec.structs.replace(candidate, resources={"batch_tokens": 0}), where="candidates[0]")
    with Transformers([candidate]) as engine:
        asked = [request for letter in "abcdefghijkl" for request in score(letter + " red green blue" * 5, " 12", " Paris")]
        engine.submit([Asked(ticket=ticket, candidate="a", request=request) for ticket, request in enumerate(asked)])
        first = engine.poll(1.0)
        assert 0 < len(first) < len(asked)


def test_texts_are_tokenised_once_and_templates_rendered_once(engine: Transformers, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    rendered: list[Request] = []
    own, render = engine._tokens["base"].encode.learn, Tokens.render

    def learn(self: Encoder, texts: Any) -> None:
        new = [entry for entry in dict.fromkeys(texts) if entry not in self._known]
        seen.extend(text for text, _ in new)
        own(new)

    def watched(self: Tokens, request: Request) -> str:
        rendered.append(request)
        return render(self, request)

    monkeypatch.setattr(Encoder, "learn", learn)
    monkeypatch.setattr(Tokens, "render", watched)
    choices = [Request(kind="score", messages=QUESTION, continuation=text) for text in ("one by one", "all at once", "one by one")]
    answers(engine, [(name, request) for name in ("base", "one", "two") for request in choices])
    assert len(seen) == len(set(seen)) == 2, "two whole texts; the context is known from other tests"
    assert len(rendered) == 3, "once a candidate, which may have a template of its own"


def test_a_text_is_encoded_as_if_alone(tiny: Tiny) -> None:
    tokens = Tokens(tiny.base)
    texts = ["The capital", "", "一个语言模型", " leading", "trailing ", "The capital"]
    tokens.encode.learn((text, special) for text in texts for special in (True, False))
    for text in texts:
        for special in (True, False):
            assert tokens.encode(text, special) == tokens.tokenizer.encode(text, add_special_tokens=special)
    tokens.encode("The capital", True).clear()
    assert tokens.encode("The capital", True), "what is remembered is not handed out"


def test_an_encoder_forgets_what_it_met_first(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Tokens(tiny.base).encode
    monkeypatch.setattr("harness.engines.encoder.KEPT_TOKENS", 40)
    for number in range(100):
        assert encoder(f"red {number}", True) == encoder.tokenizer.encode(f"red {number}")
    assert 1 < len(encoder._known) < 20
    assert encoder._held == sum(len(ids) + 1 for ids in encoder._known.values())


def test_many_requests_split_as_one_does(tiny: Tiny) -> None:
    tokens = Tokens(tiny.base)
    asked = [request for request in requests() if request.kind == "score"] + score("x", "") + [Request(kind="score")]
    for request, found in zip(asked, tokens.pairs(asked), strict=True):
        try:
            expected: Pair | EngineError = tokens.pair(request)
        except EngineError as error:
            expected = error
        assert str(found) == str(expected)
        assert type(found) is type(expected)


def _copy(tiny: Tiny, folder: Path, **config: Any) -> Path:
    shutil.copytree(tiny.base, folder)
    own = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**own, **config}))
    return folder


@pytest.mark.parametrize("settings", [{"bias": "all"}, {"init_lora_weights": "pissa"}])
def test_an_adapter_that_changes_its_base_shares_it_with_nobody(
    tiny: Tiny, tmp_path: Path, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trained biases and PiSSA's remainder stay in the base when the adapter is switched off."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny.base, dtype=torch.float32)
    adapted = get_peft_model(model, LoraConfig(r=4, target_modules=["q_proj"], task_type="CAUSAL_LM", **settings))
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if weight.requires_grad and "lora_A" not in name:
                weight.add_(torch.randn_like(weight))
    adapted.save_pretrained(tmp_path / "changing")
    base, one = family(tiny, "one")
    changing = Candidate(name="changing", engine="transformers", model=str(tiny.base), adapter=str(tmp_path / "changing"))
    assert serving.family(base) == serving.family(one) != serving.family(changing)
    with Transformers([changing]) as engine:
        check(engine, [("changing", request) for request in requests()[:3]])
    monkeypatch.setattr(serving, "loads_alone", lambda config: False)
    with pytest.raises(ProbeError, match="loading the adapters changed the base"), Transformers([base, changing]):
        pass


def test_adapters_that_peft_cannot_hold_together_are_measured_together(tiny: Tiny, tmp_path: Path) -> None:
    """One engine for LoRA, one for each of the others; in one PeftModel none of these would load."""
    from peft import IA3Config, LoraConfig, PromptTuningConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    kinds = {
        "ia3": IA3Config(target_modules=["v_proj", "down_proj"], feedforward_modules=["down_proj"], task_type="CAUSAL_LM"),
        "prompt": PromptTuningConfig(num_virtual_tokens=4, task_type="CAUSAL_LM"),
        "tokens": LoraConfig(r=4, target_modules=["q_proj"], trainable_token_indices=[5, 300], task_type="CAUSAL_LM"),
    }
    base, one = family(tiny, "one")
    listed = [serving.family(base)]
    assert serving.family(one) == listed[0]
    for name, config in kinds.items():
        get_peft_model(AutoModelForCausalLM.from_pretrained(tiny.base), config).save_pretrained(tmp_path / name)
        candidate = Candidate(name=name, engine="transformers", model=str(tiny.base), adapter=str(tmp_path / name))
        assert serving.family(candidate) not in listed
        listed.append(serving.family(candidate))


def test_a_text_longer_than_the_window_of_the_model(tiny: Tiny, tmp_path: Path) -> None:
    layers = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 24, "use_sliding_window": True}
    model = _copy(tiny, tmp_path / "sliding", **layers)
    with Transformers([Candidate(name="a", engine="transformers", model=str(model))]) as engine:
        check(engine, [("a", request) for request in requests() if request.kind == "score"])
        assert engine._scorer._limits.window == 24


def test_weights_that_are_not_numbers_are_an_error_of_every_request(tiny: Tiny, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny.base)
    with torch.no_grad():
        model.model.norm.weight[0] = float("nan")
    shutil.copytree(tiny.base, tmp_path / "broken")
    model.save_pretrained(tmp_path / "broken")
    broken = Candidate(name="a", engine="transformers", model=str(tmp_path / "broken"))
    with Transformers([broken]) as engine:
        for result in ask(engine, [("a", request) for request in requests()]):
            assert isinstance(result, EngineError)
            assert "not a finite number" in str(result)
    adapted = Candidate(name="b", engine="transformers", model=str(tmp_path / "broken"), adapter=str(tiny.adapters["one"]))
    with pytest.raises(EngineError, match="not a finite number"), Transformers([adapted]):
        pass


def test_what_is_not_packed_and_what_shares_a_token_is_noted(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.engines.scoring_way.not_packed", lambda model: "its attention, other, takes no mask of our own")
    with Transformers(family(tiny, "one")) as engine:
        asked = [(name, request) for request in requests() for name in ("base", "one")]
        check(engine, asked)
        found = answers(engine, asked)
        shared = sum(answer.boundary for answer in found)
        assert shared
        first, *others = engine.notes
        assert first == (
            "transformers scores base, one one by one, without sharing contexts: its attention, other, takes no mask of our own"
        )
        assert others == [
            f"{2 * shared} continuations share a token with their context: scored, as lm-eval does, from the first token that is "
            "all theirs"
        ]
    assert engine.notes == [first, *others], "they can be read when the engine is closed"


def test_prefix_tuning_is_scored_and_refuses_to_generate(tiny: Tiny, tmp_path: Path) -> None:
    """PEFT drops the keys and values of what was generated: the answer would be silently wrong."""
    from peft import PrefixTuningConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    config = PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=5)
    get_peft_model(AutoModelForCausalLM.from_pretrained(tiny.base), config).save_pretrained(tmp_path / "prefix")
    candidate = Candidate(name="prefix", engine="transformers", model=str(tiny.base), adapter=str(tmp_path / "prefix"))
    with Transformers([candidate]) as engine:
        check(engine, [("prefix", request) for request in requests()[:8]])
        (refused,) = ask(engine, [("prefix", Request(prompt="red", max_tokens=3))])
    assert isinstance(refused, EngineError)
    assert "prefix-tuning" in str(refused)


def test_a_model_that_cannot_be_probed_says_so(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr("harness.engines.scoring.score_pairs", broken)
    with Transformers(family(tiny)) as engine, pytest.raises(EngineError, match="probe prompts: out of memory"):
        ask(engine, [("base", requests()[0])])


def test_a_closed_engine_answers_with_errors(tiny: Tiny) -> None:
    engine = Transformers(family(tiny))
    (result,) = ask(engine, [("base", requests()[0])])
    assert isinstance(result, EngineError)
    assert not isinstance(result, Completion)
    assert engine.capacity >= transformers_engine.QUEUE
