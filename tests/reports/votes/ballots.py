"""A key made by hand, and files of votes on it in every form."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from harness.records import Candidate, Fingerprints, Run
from reports.blind.form import Form
from reports.blind.key import NAME_DIGITS, REVIEW_FORMAT, Key, KeyEntry
from reports.votes.ledger import gather
from reports.votes.vote import Vote


def run_of(name: str) -> Run:
    return Run(
        candidate=Candidate(name=name, model=f"models/{name}"),
        suite="pref",
        use="preference",
        fingerprints=Fingerprints(asked=f"asked-{name}", weights=f"weights-{name}"),
        graded=f"graded-{name}",
        items_hash="i",
        suite_hash="s",
        engine={"name": "fake"},
    )


def entry(number: int, *, left: bool = True, **more: Any) -> KeyEntry:
    """An item whose candidate's answer stands left, or right."""
    texts = ("new", "old") if left else ("old", "new")
    return KeyEntry(
        review_id=f"r{number:03d}",
        **{
            "item": f"item{number}",
            "question": f"Question {number}?",
            "left": f"{texts[0]} {number}",
            "right": f"{texts[1]} {number}",
            "candidate_side": "left" if left else "right",
            **more,
        },
    )


def key_of(*entries: KeyEntry, form: Form | None = None, raters: tuple[str, ...] = ()) -> Key:
    key = Key(
        suite="pref",
        seed=0,
        baseline=run_of("prod"),
        candidate=run_of("week47"),
        form=form or Form(),
        entries=entries or tuple(entry(number, left=number % 2 == 0) for number in range(1, 7)),
        raters=raters,
    )
    return msgspec.structs.replace(key, package=key.commitment[:NAME_DIGITS])


def page(path: Path, key: Key, choices: Mapping[str, str], *, rater: str = "ana", **change: Any) -> Path:
    content = {
        "format": REVIEW_FORMAT,
        "kind": "sftgate-votes",
        "package": key.package,
        "commitment": key.commitment,
        "rater": rater,
        "votes": [{"review_id": name, "choice": choice, "comment": "", "seconds": 2.5} for name, choice in choices.items()],
        **change,
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def votes_in(paths: Sequence[Path], key: Key) -> tuple[Vote, ...]:
    """What counts in these files."""
    return gather(paths, key, (), names={}, now="")[0].votes


def task(key: Key, number: int, *annotations: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A task of Label Studio, as its JSON export holds it."""
    row = key.entries[number - 1]
    data = {"review_id": row.review_id, "package": key.package, "prompt": row.question, "answer1": row.left, "answer2": row.right}
    return {"id": 100 + number, "data": data, "annotations": list(annotations), "predictions": [], "project": 3, **more}


def annotation(said: str | None, *, by: Any = 1, comment: str = "", **more: Any) -> dict[str, Any]:
    result: list[dict[str, Any]] = []
    if said is not None:
        result.append({"id": "a", "from_name": "preference", "to_name": "prompt", "type": "choices", "value": {"choices": [said]}})
    if comment:
        result.append({"id": "b", "from_name": "comment", "to_name": "prompt", "type": "textarea", "value": {"text": [comment]}})
    return {
        "id": 7,
        "completed_by": by,
        "was_cancelled": False,
        "lead_time": 12.5,
        "created_at": "2026-11-20T10:00:00.000000Z",
        "updated_at": "2026-11-20T10:00:00.000000Z",
        "result": result,
        **more,
    }
