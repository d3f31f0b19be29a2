"""What a candidate answers from, by content, as it lies here now: a checkpoint that was trained again at the same path must not
ship on the answers of its predecessor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.checkpoints import answering, served_template, source
from harness.engines.lm_eval_results import output_of
from harness.errors import ComparabilityError
from harness.fingerprint import adapter_digest, digest, file_digest, tokenizer_digest, weights_digest
from harness.records import Candidate, Run

WHAT = {
    "weights": "weights of",
    "adapter": "adapter of",
    "tokenizer": "tokenizer of",
    "template": "chat template of",
    "content": "recorded answers of",
}
"""Part of a candidate -> how it is called. ``content`` is what engines of recorded answers call theirs."""


def contents_of(candidate: Candidate) -> dict[str, str]:
    """Part -> hash; without what is not on this machine, and what a candidate of its kind does not have."""
    candidate = answering(candidate)
    found: dict[str, str | None] = {}
    model, adapter = Path(candidate.model).expanduser(), Path(candidate.adapter or "").expanduser()
    if candidate.engine == "recorded" and model.is_file():
        found["content"] = file_digest(model)
    elif candidate.engine == "lm_eval_results" and model.exists():
        found["content"] = output_of(candidate).digest
    elif source(candidate) == "weights":
        if (model / "config.json").is_file():
            found["weights"] = weights_digest(model)
            found["tokenizer"] = tokenizer_digest(model)
        if candidate.adapter and (adapter / "adapter_config.json").is_file():
            found["adapter"] = adapter_digest(adapter)
        if {"weights", *(["adapter"] if candidate.adapter else [])} <= found.keys() and _has_template(candidate):
            template = served_template(candidate)
            found["template"] = None if template is None else digest(template)
    return {what: hashed for what, hashed in found.items() if hashed is not None}


def _has_template(candidate: Candidate) -> bool:
    """Whether the chat template's file, where the options name one, is on this machine."""
    named = candidate.options.get("chat_template")
    return not isinstance(named, str) or Path(named).expanduser().is_file()


def refuse_other_contents(run: Run, now: Mapping[str, str], remedy: str) -> None:
    """ComparabilityError where something that a run was answered from is here, and is another one now."""
    for what, hashed in now.items():
        before = run.engine.get(what) if what == "content" else getattr(run.fingerprints, what)
        if before is not None and before != hashed:
            raise ComparabilityError(
                f"the {WHAT[what]} {run.candidate.name!r} changed since suite {run.suite!r} was measured. {remedy}"
            )
