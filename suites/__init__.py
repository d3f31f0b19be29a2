"""What we ask and how we score it. A dict is the registry; the modules are imported when a config names them."""

from __future__ import annotations

SUITES = {
    "prompted": "suites.prompted:Prompted",
    "choices": "suites.choices:Choices",
    "lm_eval": "suites.lm_eval:LmEval",
    "lm_eval_results": "suites.lm_eval_results:LmEvalResults",
    "instructions": "suites.instructions:Instructions",
    "layered": "suites.layered:Layered",
    "forgetting": "suites.forgetting:Forgetting",
    "robustness": "suites.robustness:Robustness",
    "long_context": "suites.long_context:LongContext",
    "drift": "suites.drift:Drift",
    "generation": "suites.generation:Generation",
    "classification": "suites.classification:Classification",
    "entities": "suites.entities:Entities",
    "safety": "suites.safety:Safety",
    "honesty": "suites.honesty:Honesty",
    "consistency": "suites.consistency:Consistency",
    "coding": "suites.coding:Coding",
    "graded": "suites.graded:Graded",
    "preference": "suites.preference:Preference",
    "tools": "suites.tools:Tools",
    "latency": "suites.latency:Latency",
    "scores": "suites.scores:Scores",
}
