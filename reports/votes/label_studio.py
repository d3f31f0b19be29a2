"""Label Studio's exports: JSON (tasks with their annotations) and JSON-MIN (one flat object for each annotation)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reports.votes.statement import State, Statement, identity_of, listed, seconds_of, text_of, understood

PREFERENCE, REASONS, COMMENT = "preference", "reasons", "comment"
"""Names of the controls in the config of the package; every other control is a criterion."""


def is_tasks(content: object) -> bool:
    """Tasks with annotations, as JSON exports hold them."""
    return isinstance(content, list) and all(isinstance(task, dict) and isinstance(task.get("data"), dict) for task in content)


def is_flat(content: object) -> bool:
    """JSON-MIN."""
    return isinstance(content, list) and all(isinstance(row, dict) and "annotation_id" in row for row in content)


def read_tasks(source: str, content: list[dict[str, Any]]) -> list[Statement]:
    """One statement for each annotation, skipped ones included, and one for each draft that no annotation came of."""
    return [statement for number, task in enumerate(content, start=1) for statement in _of_task(source, number, task)]


def read_flat(source: str, content: list[dict[str, Any]]) -> list[Statement]:
    """JSON-MIN leaves out what was skipped."""
    return [
        _statement(source, f"annotation {text_of(row.get('annotation_id'))}", row, row, "given", _said_flat(row)) for row in content
    ]


def _of_task(source: str, number: int, task: dict[str, Any]) -> Iterator[Statement]:
    where = f"task {text_of(task.get('id')) or number}"
    given = list(_dicts(task.get("annotations") or task.get("completions")))
    for annotation in given:
        state: State = "skipped" if annotation.get("was_cancelled") else "given"
        place = f"{where}, annotation {text_of(annotation.get('id')) or '?'}"
        yield _statement(source, place, task["data"], annotation, state, _said(annotation))
    handed_in = {_who(annotation) for annotation in given}
    for draft in _dicts(task.get("drafts")):
        if _who(draft) not in handed_in:
            yield _statement(
                source, f"{where}, draft {text_of(draft.get('id')) or '?'}", task["data"], draft, "draft", _said(draft)
            )


def _dicts(value: object) -> Iterator[dict[str, Any]]:
    yield from (each for each in (value if isinstance(value, list) else []) if isinstance(each, dict))


def _said(annotation: dict[str, Any]) -> dict[str, Any]:
    """Control -> what was entered; of a control that stands twice the last, as Label Studio itself does."""
    found: dict[str, Any] = {}
    for part in _dicts(annotation.get("result")):
        value = part.get("value")
        if isinstance(value, dict):
            kind = part.get("type")
            content = value.get(kind) if isinstance(kind, str) and kind in value else next(iter(value.values()), None)
            found[text_of(part.get("from_name"))] = content
    return found


def _said_flat(row: dict[str, Any]) -> dict[str, Any]:
    """A flat object mixes data and controls: of the latter only those of ours, and criteria by their prefix, can be told apart."""
    return {name: row[name] for name in row if name in (PREFERENCE, REASONS, COMMENT) or name.startswith("rate")}


def _who(annotation: dict[str, Any]) -> str:
    """``completed_by`` is a number, or an object with an e-mail address; a draft says ``user``, and its number behind a comma."""
    number = text_of(annotation.get("created_username")).rpartition(", ")[2]
    if "completed_by" not in annotation and number.isdigit():
        return number
    by = annotation.get("completed_by", annotation.get("annotator", annotation.get("user")))
    if isinstance(by, dict):
        return text_of(by.get("email") or by.get("username") or by.get("id"))
    return text_of(by)


def _number(annotation: dict[str, Any]) -> str:
    """Of the annotator, which is the same in every export."""
    by = annotation.get("completed_by")
    return (text_of(by.get("id")) if isinstance(by, dict) else "") or _who(annotation)


def _statement(
    source: str, place: str, data: dict[str, Any], annotation: dict[str, Any], state: State, entered: dict[str, Any]
) -> Statement:
    said = "; ".join(listed(entered.get(PREFERENCE)))
    answers = data.get("answer1"), data.get("answer2")
    return Statement(
        source=source,
        place=place,
        form="label_studio",
        rater=_who(annotation),
        review_id=text_of(data.get("review_id")),
        said=said,
        choice=understood(said),
        state=state,
        reasons=listed(entered.get(REASONS)),
        ratings={name: value for name, value in entered.items() if name not in (PREFERENCE, REASONS, COMMENT)},
        comment="\n".join(listed(entered.get(COMMENT))),
        seconds=seconds_of(annotation.get("lead_time")),
        when=text_of(annotation.get("updated_at") or annotation.get("created_at")),
        sitting=_number(annotation),
        identity=identity_of(annotation.get("annotation_id", annotation.get("id")), annotation.get("created_at")),
        package=text_of(data.get("package")),
        shown=(str(answers[0]), str(answers[1])) if None not in answers else None,
        raw=annotation,
    )
