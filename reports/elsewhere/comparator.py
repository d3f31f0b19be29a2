"""A candidate beside the baseline for Google's LLM Comparator: A is the baseline, B the candidate.

Its score says how much better A is (−1.5 to 1.5), so that it is our gain with the other sign. Items that have no such score stay
out: it knows no other scale than shares, and counts a score that is not there as 0, which would be a tie. A judge's opinion of two
answers becomes a rater's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from harness.records import Judgment, Measured, Sample
from reports.items.explorer import Pairing, pair
from reports.items.texts import encodable, target_text


def comparator(measured: Mapping[tuple[str, str], Measured], baseline: str, candidate: str) -> tuple[bytes, int]:
    """The file for one candidate: the items that both answered and that can be scored so; and how many others there are."""
    rows = pair(measured, baseline, [candidate])
    answered = [
        each
        for each in rows
        if each.share and candidate in each.gains and all(each.samples[name].outputs for name in (baseline, candidate))
    ]
    metrics = list(dict.fromkeys(each.metric for each in answered))
    fields = list(dict.fromkeys(name for each in answered for name in each.any_sample.slices))
    schema = [
        {"name": "key", "type": "string"},
        {"name": "suite", "type": "category"},
        {"name": "expected", "type": "text"},
        {"name": "flags", "type": "per_model_text"},
        *({"name": f"score {name}", "type": "per_model_number"} for name in metrics),
        *({"name": f"slice {name}", "type": "category"} for name in fields),
    ]
    content = {
        "metadata": {"source_path": "sftgate", "custom_fields_schema": schema},
        "models": [{"name": baseline}, {"name": candidate}],
        "examples": [_example(each, baseline, candidate, metrics, fields) for each in answered],
    }
    return msgspec.json.encode(_clean(content)), len(rows) - len(answered)


def _example(each: Pairing, baseline: str, candidate: str, metrics: Sequence[str], fields: Sequence[str]) -> dict[str, Any]:
    sides = [each.samples[baseline], each.samples[candidate]]
    custom: dict[str, Any] = {
        "key": each.key,
        "suite": f"{each.suite}/{each.task}" if each.task else each.suite,
        "expected": target_text(each.any_sample.target),
        "flags": [" ".join(side.flags) for side in sides],
    }
    custom |= {f"score {name}": [(side.scores or {}).get(name) for side in sides] for name in metrics}
    custom |= {f"slice {name}": each.any_sample.slices.get(name, "") for name in fields}
    return {
        "input_text": each.any_sample.prompt,
        "tags": [each.suite, *([each.task] if each.task else [])],
        "output_text_a": sides[0].outputs[0],
        "output_text_b": sides[1].outputs[0],
        "score": -each.gains[candidate] + 0.0,
        "individual_rater_scores": [_rater(said) for said in _compared(sides[1])],
        "custom_fields": custom,
    }


def _compared(sample: Sample) -> list[Judgment]:
    """Readable opinions of two answers, the candidate's first one among them."""
    return [said for said in sample.judgments if said.order != "alone" and said.score is not None and said.draw == 0]


def _rater(said: Judgment) -> dict[str, Any]:
    """A stands on the left, unless the candidate does."""
    score = 0.0 if said.score is None else 1.0 - 2.0 * said.score
    return {
        "score": score,
        "is_flipped": said.order == "left",
        "rationale": said.reason or said.raw,
        "rating_label": " ".join(part for part in (said.judge, said.criterion) if part),
    }


def _clean(value: Any) -> Any:
    """Without halves of signs, which JSON cannot hold."""
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, dict):
        return {encodable(key): _clean(part) for key, part in value.items()}
    return [_clean(part) for part in value] if isinstance(value, list) else value
