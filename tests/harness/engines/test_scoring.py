"""Scoring: however a model is asked, the numbers are those of plain scoring; and what it cannot take is not asked of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.engines import scoring
from harness.engines.scoring import Score, Scorer, Way, score_pairs, window
from harness.engines.scoring_round import Round, Scoring
from harness.engines.scoring_way import find_way
from harness.engines.tokens import Pair
from harness.errors import EngineError
from harness.records import Completion, Request

pytestmark = pytest.mark.models

VOCABULARY = 128
WIDTH = {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
GROUPED = {
    **WIDTH,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": 0,
}
WINDOWED = {**GROUPED, "head_dim": 8, "sliding_window": 96}
LONG_ROPE = {
    "rope_type": "longrope", "rope_theta": 10_000.0, "original_max_position_embeddings": 96,
    "short_factor": [1.0, 1.0, 1.0, 1.0], "long_factor": [1.5, 3.0, 6.0, 9.0],
}  # fmt: skip

PACKED: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", GROUPED),
    "qwen2": ("Qwen2Config", GROUPED),
    "qwen3": ("Qwen3Config", {**GROUPED, "head_dim": 8}),
    "gemma": ("GemmaConfig", {**GROUPED, "head_dim": 8}),
    "gemma2": ("Gemma2Config", {**WINDOWED, "final_logit_softcapping": 2.0, "attn_logit_softcapping": 5.0}),
    "gemma3": ("Gemma3TextConfig", WINDOWED),
    "mistral": ("MistralConfig", {**GROUPED, "sliding_window": 96}),
    "mixtral": ("MixtralConfig", {**GROUPED, "num_local_experts": 4}),
    "phi3": ("Phi3Config", {**GROUPED, "original_max_position_embeddings": 96, "rope_parameters": LONG_ROPE}),
    "cohere": ("CohereConfig", {**GROUPED, "logit_scale": 0.3}),
    "gpt2": ("GPT2Config", {"vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512}),
}
"""Learned and rotary positions, those that turn otherwise in long texts, grouped heads, sliding windows, logits that are capped or
scaled after the head."""

SEPARATE: dict[str, tuple[str, dict[str, Any], str]] = {
    "mamba": ("MambaConfig", {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2}, "recurrent"),
    "jamba": (
        "JambaConfig",
        {**GROUPED, "attn_layer_period": 2, "attn_layer_offset": 1, "num_experts": 2, "mamba_dt_rank": 4},
        "recurrent",
    ),
    "bloom": ("BloomConfig", {"vocab_size": VOCABULARY, "hidden_size": 32, "n_layer": 2, "n_head": 4}, "does not run"),
    "bart": (
        "BartConfig",
        {"vocab_size": VOCABULARY, "d_model": 32, "decoder_layers": 2, "decoder_attention_heads": 4, "decoder_ffn_dim": 64,
         "is_decoder": True, "is_encoder_decoder": False, "max_position_embeddings": 512},
        "moved by",
    ),
}  # fmt: skip
"""A state instead of attention, some of each, positions that come from the mask, positions that nobody can set."""


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def build(kind: str, settings: dict[str, Any], attention: str | None = None) -> Any:
    """A random model, its weights scaled up so that its answers are decisive."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = getattr(transformers, kind)(**settings)
    extra = {} if attention is None else {"attn_implementation": attention}
    model = transformers.AutoModelForCausalLM.from_config(config, **extra).float().eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 2:
                weight.mul_(5.0)
    return model


def _numbers(seed: int, count: int) -> list[int]:
    import random

    return [random.Random(f"{seed} {index}").randrange(1, VOCABULARY) for index in range(count)]


def _pairs() -> list[Pair]:
    """Choices of unequal length, one a beginning of another, single tokens, doubles, nested contexts, common examples."""
    examples, found = _numbers(0, 40), []
    for item in range(7):
        context = (examples if item < 6 else []) + _numbers(10 + item, 20 + item)
        choices = [_numbers(100 + 10 * item + choice, 1 + 3 * choice) for choice in range(4)]
        found += [Pair(context, choice) for choice in [*choices, choices[3][:4], choices[3], [7], [9]]]
        found += [Pair(context + choices[3][:5], choice) for choice in choices[:2]]
    found += [Pair([1], choice) for choice in ([5], [5, 6, 7], [8, 9])]
    found.append(Pair([1], _numbers(7, 150)))
    return found


def _probe() -> list[Pair]:
    contexts = [_numbers(50, 40) + _numbers(60 + item, 6) for item in range(3)] + [_numbers(63, 6)]
    return [Pair(context, _numbers(70 + choice, 3 + choice)) for context in contexts for choice in range(3)]


def scored(scorer: Scorer, pairs: Sequence[Pair], way: Way, who: str = "") -> list[Score]:
    found = dict(entry for batch in scorer.plan(who, pairs, way) for entry in scorer.score(who, batch, pairs, way))
    return [found[index] for index in range(len(pairs))]


def assert_equal(found: Sequence[Score], plain: Sequence[Score]) -> None:
    assert max(abs(a.logprob - b.logprob) for a, b in zip(found, plain, strict=True)) <= 1e-4
    assert [score.greedy for score in found] == [score.greedy for score in plain]


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_packed_scores_are_plain_scores(name: str, attention: str) -> None:
    model = build(*PACKED[name], attention)
    scorer, pairs = Scorer(model, tokens=256), _pairs()
    assert find_way(scorer, "", _probe(), "float32") == ("packed", "")
    assert any(batch.prefix for batch in scorer.plan("", pairs, "packed"))
    assert any(len(row.pairs) > 4 for batch in scorer.plan("", pairs, "packed") for row in batch.rows)
    assert_equal(scored(scorer, pairs, "packed"), [score for pair in pairs for score in score_pairs(model, [pair])])


@pytest.mark.parametrize("name", SEPARATE)
def test_a_model_that_cannot_branch_is_scored_one_text_a_row(name: str) -> None:
    kind, config, reason = SEPARATE[name]
    model = build(kind, config)
    scorer, pairs = Scorer(model, tokens=256), _pairs()
    found = find_way(scorer, "", _probe(), "float32")
    assert found.way == "separate"
    assert reason in found.reason
    assert_equal(scored(scorer, pairs, "separate"), score_pairs(model, pairs))


@pytest.fixture(scope="module")
def qwen() -> Any:
    return build(*PACKED["qwen2"])


short = st.lists(st.integers(0, 3), min_size=1, max_size=7)
contexts = st.one_of(short, short.map(lambda tail: [5] * 34 + tail))


@settings(deadline=None, max_examples=25)
@given(st.lists(st.builds(Pair, contexts, short), min_size=1, max_size=12), st.integers(1, 300))
def test_any_pairs_whatever_they_share(qwen: Any, pairs: list[Pair], tokens: int) -> None:
    assert_equal(scored(Scorer(qwen, tokens=tokens), pairs, "packed"), score_pairs(qwen, pairs))
    assert_equal(scored(Scorer(qwen, tokens=tokens), pairs, "separate"), score_pairs(qwen, pairs))


def test_one_pair_alone(qwen: Any) -> None:
    pair = Pair([3, 4, 5], [6, 7])
    assert_equal(scored(Scorer(qwen, tokens=64), [pair], "packed"), score_pairs(qwen, [pair]))
    assert Scorer(qwen, tokens=64).plan("", [], "packed") == []


@pytest.mark.parametrize("name", ["qwen2", "gemma2", "cohere"])
def test_the_head_in_several_goes_changes_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Capping and scaling after the head included: every go runs through the model's own forward."""
    model, pairs = build(*PACKED[name]), _pairs()
    monkeypatch.setattr(scoring, "HEAD_VALUES", 7 * VOCABULARY)
    seen: list[int] = []
    model.get_output_embeddings().register_forward_hook(lambda module, given, logits: seen.append(logits[..., 0].numel()))
    found = scored(Scorer(model, tokens=256), pairs, "packed")
    assert max(seen) <= 7
    assert_equal(found, score_pairs(model, pairs))


def test_the_head_sees_only_scored_tokens(qwen: Any) -> None:
    seen: list[int] = []
    pairs = [Pair(_numbers(1, 60), [choice, 4, 5]) for choice in range(4)]
    handle = qwen.get_output_embeddings().register_forward_hook(lambda module, given, logits: seen.append(logits[..., 0].numel()))
    scored(Scorer(qwen, tokens=256), pairs, "packed")
    handle.remove()
    assert sum(seen) == 1 + 4 * 2


def _forwards(model: Any, act: Callable[[], object]) -> int:
    """Tokens that went through the model."""
    seen: list[int] = []
    handle = model.get_input_embeddings().register_forward_hook(lambda module, given, found: seen.append(given[0].numel()))
    act()
    handle.remove()
    return sum(seen)


def test_a_prefix_is_computed_once_for_each_candidate_and_forgotten_when_there_is_no_room(
    qwen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = _numbers(5, 50)
    pairs = [Pair(prefix + _numbers(30 + item, 20), [choice, 3]) for item in range(40) for choice in (1, 2)]
    scorer = Scorer(qwen, tokens=128)
    own = _forwards(qwen, lambda: scored(scorer, pairs, "packed")) - 50
    assert own < 40 * 25
    assert _forwards(qwen, lambda: scored(scorer, pairs, "packed")) == own
    assert _forwards(qwen, lambda: scored(scorer, pairs, "packed", who="adapter")) == 50 + own
    monkeypatch.setattr(scoring, "PREFIX_BYTES", 1)
    scored(scorer, [pair._replace(context=[9] * 40 + pair.context[50:]) for pair in pairs], "packed")
    assert _forwards(qwen, lambda: scored(scorer, pairs, "packed")) == 50 + own


def test_adapters_of_every_kind(qwen: Any) -> None:
    """Those that put virtual tokens in front take no mask of ours, and some not even fewer rows in the head."""
    import torch
    from peft import LoraConfig, PrefixTuningConfig, PromptTuningConfig, get_peft_model

    kinds = {
        "packed": LoraConfig(r=4, target_modules=["q_proj", "lm_head"], task_type="CAUSAL_LM", use_dora=True),
        "separate": PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=5),
        "plain": PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=5),
    }
    pairs = _pairs()
    for way, config in kinds.items():
        torch.manual_seed(1)
        model = get_peft_model(build(*PACKED["qwen2"]), config).eval()
        with torch.no_grad():
            for weight in model.parameters():
                if weight.requires_grad:
                    weight.normal_(std=0.3)
        scorer = Scorer(model, tokens=256)
        found = find_way(scorer, "", _probe(), "float32")
        assert (found.way, bool(found.reason)) == (way, way != "packed")
        adapted = scored(scorer, pairs, found.way)
        assert_equal(adapted, [score for pair in pairs for score in score_pairs(model, [pair])])
        with model.disable_adapter():
            assert any(abs(a.logprob - b.logprob) > 1e-2 for a, b in zip(adapted, score_pairs(model, pairs), strict=True))


def test_scoring_plainly_passes_over_virtual_tokens() -> None:
    """A prompt that embeds real tokens is the same as those tokens in the context."""
    import torch
    from peft import PromptTuningConfig, get_peft_model

    bare = build(*PACKED["qwen2"])
    model = get_peft_model(build(*PACKED["qwen2"]), PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)).eval()
    with torch.no_grad():
        model.prompt_encoder.default.embedding.weight.copy_(bare.get_input_embeddings().weight[torch.tensor([11, 12, 13])])
    pairs = _pairs()
    shifted = [pair._replace(context=[11, 12, 13, *pair.context]) for pair in pairs]
    assert_equal(score_pairs(model, pairs), score_pairs(bare, shifted))


def test_attention_that_takes_no_mask_is_known_by_its_name() -> None:
    model = build(*PACKED["qwen2"])
    model.config._attn_implementation = "flash_attention_2"
    from harness.engines.scoring_way import not_packed

    assert "flash_attention_2" in (not_packed(model) or "")


def test_half_precision_is_allowed_its_own_noise() -> None:
    import torch

    model = build(*PACKED["qwen2"]).to(torch.bfloat16)
    assert find_way(Scorer(model, tokens=256), "", _probe(), "bfloat16").way == "packed"


def test_windows_are_read_from_configs() -> None:
    transformers = pytest.importorskip("transformers")
    assert window(transformers.LlamaConfig()) is None
    assert window(transformers.Qwen2Config(sliding_window=64)) is None
    assert window(transformers.Qwen2Config(sliding_window=64, use_sliding_window=True, max_window_layers=0)) == 64
    assert window(transformers.MistralConfig(sliding_window=64)) == 64
    assert window(transformers.Gemma2Config(sliding_window=64)) == 64
    assert window(transformers.Llama4TextConfig(attention_chunk_size=64)) == 64
    assert window(transformers.Phi3Config(**PACKED["phi3"][1])) == 96
    dynamic = {"rope_type": "dynamic", "rope_theta": 10_000.0, "factor": 2.0}
    assert window(transformers.LlamaConfig(max_position_embeddings=128, rope_parameters=dynamic)) == 128
    assert window(transformers.LlamaConfig(rope_parameters={"rope_type": "linear", "rope_theta": 10_000.0, "factor": 2.0})) is None


def test_a_long_text_does_not_turn_the_positions_of_short_ones() -> None:
    model = build(*PACKED["phi3"])
    scorer, pairs = Scorer(model, tokens=1024), [*_pairs(), *(Pair(_numbers(seed, 80 + seed), [5, 6]) for seed in range(30))]
    alone = [score for pair in pairs for score in score_pairs(model, [pair])]
    for way in ("packed", "separate", "plain"):
        assert_equal(scored(scorer, pairs, way), alone)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------------------- rounds


def _jobs(*pairs: Pair) -> list[Scoring]:
    request = Request(kind="score", prompt="a", continuation="b")
    return [Scoring(ticket, request, [pair], 0.0) for ticket, pair in enumerate(pairs)]


def test_weights_that_are_not_numbers_are_errors_and_never_scores() -> None:
    import torch

    model = build(*PACKED["qwen2"])
    with torch.no_grad():
        model.get_input_embeddings().weight[5] = float("nan")
    scorer = Scorer(model, tokens=64)
    for way in ("packed", "separate", "plain"):
        round_ = Round(scorer, "", way, _jobs(Pair([1, 2], [3, 4]), Pair([1, 5], [3, 4])))  # type: ignore[arg-type]
        results: dict[int, Completion | EngineError] = {}
        while round_:
            results |= round_.step()
        error = results[1]
        assert isinstance(error, EngineError)
        assert "not a finite number" in str(error)


def test_a_batch_that_fails_fails_its_own_tickets_once(qwen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ticket with parts in several batches is answered once, with the error."""
    scorer = Scorer(qwen, tokens=40)
    parts = Scoring(0, Request(kind="score_rolling", prompt="a"), [Pair([1], _numbers(1, 30)), Pair([2], _numbers(2, 30))], 0.0)
    round_ = Round(scorer, "", "packed", [parts, *(Scoring(1, Request(kind="score"), [Pair([3], _numbers(3, 30))], 0.0),)])
    score, calls = scorer.score, []

    def breaks_once(*given: Any) -> Any:
        calls.append(given)
        if len(calls) == 1:
            raise RuntimeError("out of memory")
        return score(*given)

    monkeypatch.setattr(scorer, "score", breaks_once)
    answered = []
    while round_:
        answered += round_.step()
    assert len(calls) == 3
    assert sorted(ticket for ticket, _ in answered) == [0, 1]
    failed = [result for _, result in answered if isinstance(result, EngineError)]
    assert len(failed) == 1
    assert "out of memory" in str(failed[0])
