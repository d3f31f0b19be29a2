"""Fingerprints follow contents, and nothing but contents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigError
from harness.fingerprint import (
    adapter_digest,
    candidate_fingerprints,
    digest,
    document_key,
    draw_seed,
    file_digest,
    item_keys,
    journal_key,
    tokenizer_digest,
    weights_digest,
)
from harness.records import Candidate, Fingerprints, Message, Request

FACTS = {"name": "vllm", "version": "0.32.0", "dtype": "bfloat16"}


def model(folder: Path, *, weights: bytes = b"weights", config: dict[str, Any] | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_bytes(weights)
    (folder / "config.json").write_text(json.dumps({"hidden_size": 8, **(config or {})}))
    (folder / "tokenizer.json").write_text('{"model": {}}')
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages }}", "name_or_path": str(folder)}))
    return folder


def adapter(folder: Path, *, weights: bytes = b"lora", **config: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_model.safetensors").write_bytes(weights)
    (folder / "adapter_config.json").write_text(json.dumps({"r": 8, "target_modules": ["q_proj", "v_proj"], **config}))
    return folder


def prints(candidate: Candidate, *, nonce: str = "n", facts: dict[str, Any] = FACTS) -> Fingerprints:
    return candidate_fingerprints(candidate, facts, nonce=nonce)


# --------------------------------------------------------------------------------------------------------- digests


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": {"c": 2, "d": 3}}) == digest({"b": {"d": 3, "c": 2}, "a": 1})


def test_a_digest_depends_on_the_order_of_lists() -> None:
    assert digest([1, 2]) != digest([2, 1])


def test_a_digest_takes_structs_and_keys_that_are_numbers() -> None:
    message = Message(role="user", content="你好")
    assert digest(message) == digest({"role": "user", "content": "你好"})
    assert digest({1: "a"}) == digest({"1": "a"})


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.booleans() | st.none()))
def test_a_digest_survives_a_round_trip_through_json(value: dict[str, Any]) -> None:
    assert digest(msgspec.json.decode(msgspec.json.encode(value))) == digest(value)


def test_a_file_digest_follows_its_contents(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"one")
    first = file_digest(file)
    file.write_bytes(b"two")
    assert file_digest(file) != first
    file.write_bytes(b"one")
    assert file_digest(file) == first


def test_draw_seeds_fit_31_bits_and_differ_by_seed_key_and_draw() -> None:
    seeds = {draw_seed(seed, key, draw) for seed in range(5) for key in ("a", "b") for draw in range(20)}
    assert len(seeds) == 200
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert draw_seed(1, "key", 0) == draw_seed(1, "key", 0)


# ------------------------------------------------------------------------------------------------------- item keys


def test_the_users_key_is_the_items_key() -> None:
    assert item_keys([{"key": "a"}, {"key": 7}], where="items") == ["a", "7"]


def test_an_item_without_key_is_known_by_its_content() -> None:
    row = {"prompt": "2+2", "target": 4}
    assert item_keys([row], where="items") == [document_key({"target": 4, "prompt": "2+2"})]


def test_a_repeated_document_is_numbered_and_not_an_error() -> None:
    row = {"prompt": "same"}
    key = document_key(row)
    assert item_keys([row, {"prompt": "other"}, row, row], where="items")[::2] == [key, f"{key}#2"]
    assert item_keys([row, row, row], where="items") == [key, f"{key}#2", f"{key}#3"]


def test_a_numbered_document_never_takes_a_key_that_the_user_gave() -> None:
    row = {"prompt": "same"}
    key = document_key(row)
    keys = item_keys([row, row, {"key": f"{key}#2"}], where="items")
    assert len(set(keys)) == 3


def test_a_repeated_user_key_names_both_lines() -> None:
    with pytest.raises(ConfigError, match=r"suites\[0\].*'a' stands on line 2 and again on line 9"):
        item_keys([{"key": "a"}, {"key": "b"}, {"key": "a"}], where="suites[0]", lines=[2, 5, 9])


def test_a_whole_number_and_its_text_are_one_key() -> None:
    with pytest.raises(ConfigError, match="line 1 and again on line 2"):
        item_keys([{"key": 1}, {"key": "1"}], where="items")


@pytest.mark.parametrize("key", ["", 1.5, True, ["a"]])
def test_a_key_that_is_no_key_is_refused(key: Any) -> None:
    with pytest.raises(ConfigError, match=r"line 1: 'key' is .* expected"):
        item_keys([{"key": key}], where="items")


# ----------------------------------------------------------------------------------------------------- journal key


def test_the_journal_key_holds_all_that_decides_the_answer() -> None:
    request = Request(prompt="p")
    variants = [
        journal_key(request, "asked"),
        journal_key(request, "asked", replicate=1),
        journal_key(request, "other weights"),
        journal_key(Request(prompt="q"), "asked"),
        journal_key(Request(messages=(Message(role="user", content="p"),)), "asked"),
        journal_key(Request(prompt="p", seed=1), "asked"),
        journal_key(Request(prompt="p", draw=1), "asked"),
        journal_key(Request(prompt="p", temperature=0.7), "asked"),
        journal_key(Request(prompt="p", schema={"type": "object"}), "asked"),
        journal_key(Request(kind="score_rolling", prompt="p"), "asked"),
    ]
    assert len(set(variants)) == len(variants)


def test_the_journal_key_leaves_out_names() -> None:
    plain = journal_key(Request(prompt="p"), "asked")
    assert journal_key(Request(prompt="p", item="item-7"), "asked") == plain
    assert journal_key(Request(prompt="p", to="judge"), "asked") == plain


# ------------------------------------------------------------------------------------------------------ candidates


def test_a_copied_model_and_adapter_keep_their_fingerprint(tmp_path: Path) -> None:
    one = Candidate(name="one", model=str(model(tmp_path / "m1")), adapter=str(adapter(tmp_path / "a1")))
    two = Candidate(name="two", model=str(model(tmp_path / "m2")), adapter=str(adapter(tmp_path / "a2")))
    assert prints(one) == prints(two)


def test_a_retrained_adapter_at_the_same_path_gets_a_new_fingerprint(tmp_path: Path) -> None:
    candidate = Candidate(name="c", model=str(model(tmp_path / "m")), adapter=str(adapter(tmp_path / "a", weights=b"monday!!")))
    before = prints(candidate)
    adapter(tmp_path / "a", weights=b"tuesday!")
    after = prints(candidate)
    assert after.asked != before.asked
    assert after.adapter != before.adapter
    assert after.weights == before.weights


def test_what_peft_writes_differently_each_time_is_left_out(tmp_path: Path) -> None:
    one = adapter(tmp_path / "a1", target_modules=["q", "v"], base_model_name_or_path="/here", revision=None, inference_mode=True)
    two = adapter(tmp_path / "a2", target_modules=["v", "q"], base_model_name_or_path="/there", revision="x", inference_mode=False)
    assert adapter_digest(one) == adapter_digest(two)


def test_what_changes_an_adapters_answers_is_not_left_out(tmp_path: Path) -> None:
    plain = adapter_digest(adapter(tmp_path / "plain", lora_alpha=16))
    assert adapter_digest(adapter(tmp_path / "alpha", lora_alpha=32)) != plain
    assert adapter_digest(adapter(tmp_path / "modules", lora_alpha=16, target_modules=["q_proj"])) != plain


def test_library_versions_in_the_config_do_not_change_the_weights(tmp_path: Path) -> None:
    one = model(tmp_path / "one", config={"transformers_version": "5.18", "_name_or_path": "/a"})
    two = model(tmp_path / "two", config={"transformers_version": "5.19", "_name_or_path": "/b"})
    other = model(tmp_path / "three", config={"rope_theta": 1e6})
    assert weights_digest(one) == weights_digest(two) != weights_digest(other)


def test_the_end_of_turn_in_the_generation_config_is_part_of_the_weights(tmp_path: Path) -> None:
    folder = model(tmp_path / "m")
    before = weights_digest(folder)
    (folder / "generation_config.json").write_text('{"eos_token_id": 2}')
    assert weights_digest(folder) != before


def test_template_and_tokenizer_have_fingerprints_of_their_own(tmp_path: Path) -> None:
    folder = model(tmp_path / "m")
    candidate = Candidate(name="c", model=str(folder))
    before = prints(candidate)
    (folder / "chat_template.jinja").write_text("{{ other }}")
    after = prints(candidate)
    assert (after.template, after.asked) != (before.template, before.asked)
    assert after.template != before.template
    assert (after.tokenizer, after.weights) == (before.tokenizer, before.weights)
    (folder / "tokenizer.json").write_text('{"model": {"vocab": {}}}')
    assert prints(candidate).tokenizer != after.tokenizer


def test_the_template_is_the_one_that_is_served(tmp_path: Path) -> None:
    base, lora, file = model(tmp_path / "m"), adapter(tmp_path / "a"), tmp_path / "own.jinja"
    candidate = Candidate(name="c", model=str(base), adapter=str(lora))
    of_the_model = prints(candidate)
    (lora / "chat_template.jinja").write_text("{{ adapter }}")
    of_the_adapter = prints(candidate)
    file.write_text("{{ options }}")
    replaced = prints(msgspec.structs.replace(candidate, options={"chat_template": str(file)}))
    assert len({each.template for each in (of_the_model, of_the_adapter, replaced)}) == 3
    assert len({each.asked for each in (of_the_model, of_the_adapter, replaced)}) == 3
    file.write_text("{{ options, edited }}")
    assert prints(msgspec.structs.replace(candidate, options={"chat_template": str(file)})).asked != replaced.asked


def test_a_template_file_is_known_by_its_content_and_not_by_its_path(tmp_path: Path) -> None:
    candidate = Candidate(name="c", model=str(model(tmp_path / "m")))
    for name in ("one.jinja", "two.jinja"):
        (tmp_path / name).write_text("{{ same }}")
    one, two = (
        prints(msgspec.structs.replace(candidate, options={"chat_template": str(tmp_path / name)}))
        for name in ("one.jinja", "two.jinja")
    )
    assert one == two


def test_the_end_of_turn_that_an_adapter_brings_is_part_of_it(tmp_path: Path) -> None:
    folder = adapter(tmp_path / "a")
    before = adapter_digest(folder)
    (folder / "tokenizer_config.json").write_text('{"eos_token": "<|im_end|>", "name_or_path": "/anywhere"}')
    assert adapter_digest(folder) != before


def test_a_folder_without_tokenizer_has_no_tokenizer_fingerprint(tmp_path: Path) -> None:
    assert tokenizer_digest(tmp_path) is None


def test_options_and_engine_facts_are_asked_but_resources_and_names_are_not(tmp_path: Path) -> None:
    folder = str(model(tmp_path / "m"))
    plain = prints(Candidate(name="c", model=folder))
    assert prints(Candidate(name="d", model=folder, resources={"max_num_seqs": 8})).asked == plain.asked
    assert prints(Candidate(name="c", model=folder, options={"dtype": "float32"})).asked != plain.asked
    assert prints(Candidate(name="c", model=folder), facts={**FACTS, "version": "0.33.0"}).asked != plain.asked


def test_an_endpoint_without_revision_is_never_the_same_twice() -> None:
    endpoint = Candidate(name="api", model="gpt", engine="openai")
    assert prints(endpoint, nonce="a").asked != prints(endpoint, nonce="b").asked
    assert prints(endpoint).weights is None


def test_an_endpoint_with_a_declared_revision_is() -> None:
    endpoint = Candidate(name="api", model="gpt", engine="openai", revision="2026-11")
    moved_on = msgspec.structs.replace(endpoint, revision="2026-12")
    assert prints(endpoint, nonce="a").asked == prints(endpoint, nonce="b").asked
    assert prints(endpoint).asked != prints(moved_on).asked


def test_recorded_answers_are_known_by_their_file(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    file.write_text('{"key": "a", "response": "x"}\n')
    candidate = Candidate(name="r", model=str(file), engine="recorded")
    before = prints(candidate)
    assert prints(candidate, nonce="other") == before
    file.write_text('{"key": "a", "response": "y"}\n')
    assert prints(candidate).asked != before.asked


def test_a_fake_engine_is_its_options() -> None:
    echo = Candidate(name="f", engine="fake", options={"behaviour": "echo"})
    refuse = Candidate(name="f", engine="fake", options={"behaviour": "refuse"})
    assert prints(echo, nonce="a") == prints(echo, nonce="b")
    assert prints(echo).asked != prints(refuse).asked


def test_a_missing_model_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        prints(Candidate(name="c", model=str(tmp_path / "nowhere")))
