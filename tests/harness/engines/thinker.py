"""A tiny model that has learned a few conversations by heart: it thinks, thinks without end, answers, and calls tools.

Its chat template is Qwen3's in small: tools are told in a system turn, thinking of earlier turns is dropped, and
``enable_thinking = false`` writes an empty block. ``opening.jinja`` beside it opens the thinking itself, as DeepSeek-R1's does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.harness.engines.conftest import save_tokenizer

TEMPLATE = (
    "{% if tools %}<|im_start|>system\ntools: {% for tool in tools %}{{ tool.function.name }} {% endfor %}<|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content.split('</think>')[-1] }}"
    "{% for call in message.tool_calls or [] %}[{{ call.function.name }} {{ call.function.arguments.x }}]{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
OPENING = TEMPLATE + "{% if add_generation_prompt and enable_thinking is not defined %}<think>\n{% endif %}"

CALL = '<tool_call>\n{"name": "set", "arguments": {"x": 1}}\n</tool_call>'
TOOL = {"type": "function", "function": {"name": "set", "parameters": {"type": "object", "properties": {"x": {"type": "integer"}}}}}

LESSONS: list[tuple[str, str, bool]] = [
    # what the user says, what the model writes, whether it is told of a tool
    ("sum?", "<think>\nseven; and five\n</think>\n\ntwelve; it is", False),
    ("中文?", "<think>\n想一想；好\n</think>\n\n答案；是十二", False),
    ("empty?", "<think>\n\n</think>\n\nred", False),
    ("twice?", "<think>\n\none <think> two\n</think>\n\ngreen</think>blue", False),
    ("for ever?", "<think>\n" + "again and " * 25, False),
    ("fan?", "<think>\nthe fan\n</think>\n\nHere: " + CALL, True),
    ("fans?", "<think>\nboth\n</think>\n\n" + CALL + "\n" + CALL, True),
    ("broken?", '<think>\nwell\n</think>\n\n<tool_call>\n{"name": "set", "arguments": [', True),
    ("none?", "<think>\nwell\n</think>\n\nno tool fits", True),
]
AFTER_NO_THINKING = ("sum?", "<think>\n\n</think>\n\nat once", False)


def build(folder: Path) -> Path:
    """Train the model (some seconds) and write it into ``folder``."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    tokenizer = save_tokenizer(folder, TEMPLATE, added=("<think>", "</think>", "<tool_call>", "</tool_call>"))
    (folder / "opening.jinja").write_text(OPENING, encoding="utf-8")
    config = Qwen2Config(
        vocab_size=528, hidden_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2, intermediate_size=128,
        max_position_embeddings=256, tie_word_embeddings=True, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id, bos_token_id=None,
    )  # fmt: skip
    torch.manual_seed(1)
    model = Qwen2ForCausalLM(config).to(torch.float32)
    tokenizer.padding_side = "right"
    texts = [text_of(tokenizer, *lesson) for lesson in (*LESSONS, AFTER_NO_THINKING)]
    batch = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(120):
        loss = model(**batch, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.save_pretrained(folder)
    return folder


def text_of(tokenizer: Any, question: str, written: str, tool: bool) -> str:
    """A lesson as the text that it is learned from."""
    messages = [{"role": "user", "content": question}]
    tools = [TOOL] if tool else None
    prompt = tokenizer.apply_chat_template(messages, tools=tools, tokenize=False, add_generation_prompt=True)
    return f"{prompt}{written}<|im_end|>"
