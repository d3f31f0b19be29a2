"""Is a candidate of the same family as its judge? Language models favour answers like their own (Panickssery et al., "LLM
Evaluators Recognize and Favor Their Own Generations", arXiv 2404.13076)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from harness.pipeline.preparing import Pair, Prepared
from harness.protocols import judges_of
from harness.records import Candidate

FAMILIES: dict[str, tuple[str, ...]] = {
    "Qwen": ("qwen", "qwq", "qvq"),
    "Llama": ("llama", "codellama"),
    "DeepSeek": ("deepseek",),
    "Mistral": ("mistral", "mixtral", "ministral", "magistral", "codestral", "pixtral", "devstral"),
    "Gemma and Gemini": ("gemma", "gemini"),
    "GPT": ("gpt", "chatgpt", "o1", "o3", "o4"),
    "Claude": ("claude",),
    "GLM": ("glm", "chatglm"),
    "Phi": ("phi",),
    "Yi": ("yi",),
    "InternLM": ("internlm",),
    "Baichuan": ("baichuan",),
    "Kimi": ("kimi", "moonlight", "moonshot"),
    "MiniMax": ("minimax",),
    "MiniCPM": ("minicpm",),
    "ERNIE": ("ernie",),
    "Hunyuan": ("hunyuan",),
    "Doubao": ("doubao",),
    "Command": ("command", "aya"),
    "Grok": ("grok",),
    "Falcon": ("falcon",),
    "OLMo": ("olmo",),
    "Granite": ("granite",),
    "Nemotron": ("nemotron",),
    "SmolLM": ("smollm",),
}
"""Family -> words at which a part of a model's name begins; digits and sizes may follow."""


def kinship(prepared: Prepared, pair: Pair) -> Iterator[str]:
    """A sentence for each judge of the suite that the candidate is akin to."""
    suite, name = pair
    for judge in judges_of(prepared.suites[suite]):
        how = _akin(prepared, name, judge)
        if how:
            yield (
                f"{name} and {judge}, which judges {suite}, {how}: judges favour answers like their own; take a judge of another "
                "family, or check this one against people"
            )


def families_of(candidate: Candidate) -> frozenset[str]:
    """What the model is called, and what a local folder says that it was made from; none where neither tells."""
    words = [
        word for name in (_own_name(candidate.model), _origin(candidate.model)) for word in re.split(r"[^a-z0-9]+", name.lower())
    ]
    return frozenset(
        family
        for family, beginnings in FAMILIES.items()
        if any(re.fullmatch(rf"{beginning}\d*[a-z]?", word) for word in words for beginning in beginnings)
    )


def _akin(prepared: Prepared, name: str, judge: str) -> str:
    own, its = prepared.prints[name], prepared.prints[judge]
    if own.weights is not None and own.weights == its.weights:
        return "are the same model" if own.adapter == its.adapter else "have the same base weights"
    models = prepared.candidates[name], prepared.candidates[judge]
    if models[0].engine == models[1].engine and models[0].model and models[0].model == models[1].model:
        return "are the same model" if models[0].adapter == models[1].adapter else "have the same base weights"
    shared = families_of(models[0]) & families_of(models[1])
    if shared:
        return f"are both of the family of {', '.join(sorted(shared))}"
    return "have the same tokenizer" if own.tokenizer is not None and own.tokenizer == its.tokenizer else ""


def _own_name(model: str) -> str:
    """``organisation/model`` of the hub, or the last folder of a path: folders above it say nothing."""
    parts = [part for part in re.split(r"[\\/]", model) if part]
    return parts[-1] if parts else ""


def _origin(model: str) -> str:
    """The name that the ``config.json`` of a local folder keeps of the weights that it was made from."""
    path = Path(model) / "config.json" if model else None
    try:
        found = json.loads(path.read_bytes()) if path is not None and path.is_file() else {}
    except (OSError, ValueError):
        return ""
    name = found.get("_name_or_path", "") if isinstance(found, dict) else ""
    return _own_name(name) if isinstance(name, str) else ""
