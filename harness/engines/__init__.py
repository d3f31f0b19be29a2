"""Engines turn requests into completions. Each is named here by a lazy string: importing this package imports none of them."""

from __future__ import annotations

ENGINES: dict[str, str] = {
    "vllm": "harness.engines.vllm:Vllm",
    "transformers": "harness.engines.transformers_engine:Transformers",
    "openai": "harness.engines.openai_api:OpenAI",
    "ray": "harness.engines.ray_engine:Ray",
    "recorded": "harness.engines.recorded:Recorded",
    "lm_eval_results": "harness.engines.lm_eval_results:LmEvalResults",
    "fake": "harness.engines.fake:Fake",
    "none": "harness.engines.absent:Absent",
}
