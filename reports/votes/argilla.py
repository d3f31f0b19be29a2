"""Argilla's records with responses: nested (``records.json`` of ``to_disk``, ``to_json``), and flat (``to_list(flatten=True)``).

Only the flat form says which responses were discarded or never submitted; in the nested one every response counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reports.votes.statement import State, Statement, seconds_of, text_of, understood

PREFERENCE, REASONS, COMMENT = "preference", "reasons", "comment"
"""Names of the questions in the settings of the package; every other question is a criterion."""
_STATES: dict[str, State] = {"submitted": "given", "discarded": "skipped", "draft": "draft"}


def is_records(content: object) -> bool:
    """A list of records, nested or flat."""
    return isinstance(content, list) and all(isinstance(record, dict) and _is_record(record) for record in content)


def _is_record(record: Mapping[str, Any]) -> bool:
    return "responses" in record or "_server_id" in record or any(str(name).endswith(".responses") for name in record)


def read_records(source: str, content: Sequence[dict[str, Any]]) -> list[Statement]:
    """One statement for each rater who responded to a record; a record without responses gives none."""
    return [_statement(source, record, user, answers) for record in content for user, answers in _by_rater(record).items()]


def _by_rater(record: Mapping[str, Any]) -> dict[str, dict[str, tuple[Any, State]]]:
    """Rater -> question -> (value, state)."""
    found: dict[str, dict[str, tuple[Any, State]]] = {}
    nested = record.get("responses")
    if isinstance(nested, Mapping):
        for question, responses in nested.items():
            for response in responses if isinstance(responses, list) else []:
                if isinstance(response, Mapping):
                    state = _STATES.get(text_of(response.get("status")) or "submitted", "draft")
                    found.setdefault(text_of(response.get("user_id")), {})[question] = (response.get("value"), state)
        return found
    for name, values in record.items():
        if not name.endswith(".responses") or not isinstance(values, list):
            continue
        users, states = (_listed(record.get(f"{name}.{part}")) for part in ("users", "status"))
        for index, value in enumerate(values):
            user = text_of(users[index]) if index < len(users) else ""
            said = text_of(states[index]) if index < len(states) else "submitted"
            found.setdefault(user, {})[name.removesuffix(".responses")] = (value, _STATES.get(said, "draft"))
    return found


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _statement(source: str, record: Mapping[str, Any], user: str, answers: Mapping[str, tuple[Any, State]]) -> Statement:
    fields = record["fields"] if isinstance(record.get("fields"), Mapping) else record
    metadata = record["metadata"] if isinstance(record.get("metadata"), Mapping) else record
    values = {question: value for question, (value, _) in answers.items()}
    said = text_of(values.get(PREFERENCE))
    states = {state for _, state in answers.values()}
    sides = fields.get("response_1"), fields.get("response_2")
    reasons = values.get(REASONS)
    return Statement(
        source=source,
        place=f"record {text_of(record.get('id')) or '?'}",
        form="argilla",
        rater=user,
        review_id=text_of(record.get("id")),
        said=said,
        choice=understood(said),
        state="skipped" if "skipped" in states else "draft" if "draft" in states else "given",
        reasons=tuple(map(text_of, reasons)) if isinstance(reasons, list) else (),
        ratings={name: value for name, value in values.items() if name not in (PREFERENCE, REASONS, COMMENT)},
        comment=text_of(values.get(COMMENT)),
        seconds=seconds_of(None),
        sitting=user,
        package=text_of(metadata.get("package")),
        shown=(str(sides[0]), str(sides[1])) if None not in sides else None,
        raw={"id": record.get("id"), "user_id": user, "responses": values, "nested": "fields" in record},
    )
