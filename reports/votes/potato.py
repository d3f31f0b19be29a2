"""Potato's output: ``user_state.json`` of a rater, and ``annotated_instances.jsonl`` or ``annotations.jsonl`` of one or of all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from reports.votes.statement import Statement, seconds_of, text_of, understood

PREFERENCE, REASONS, COMMENT = "preference", "reasons", "comment"
"""Names of the schemes in the config of the package; every other scheme is a criterion."""
_LABELS = "instance_id_to_label_to_value"


def is_state(content: object) -> bool:
    """A rater's state."""
    return isinstance(content, dict) and _LABELS in content


def is_lines(content: object) -> bool:
    """Annotated instances, one object each."""
    return isinstance(content, list) and all(isinstance(line, dict) and _given(line) is not None for line in content)


def read_state(source: str, content: Mapping[str, Any]) -> list[Statement]:
    """One statement for each instance with labels."""
    rater, labels = text_of(content.get("user_id")), content.get(_LABELS)
    behaviour = content.get("instance_id_to_behavioral_data")
    return [
        _statement(
            source,
            rater,
            text_of(instance),
            _schemes(given),
            behaviour.get(instance) if isinstance(behaviour, Mapping) else None,
            given,
        )
        for instance, given in (labels.items() if isinstance(labels, Mapping) else ())
        if given
    ]


def read_lines(source: str, content: list[dict[str, Any]], rater: str) -> list[Statement]:
    """``rater``: the folder that the file lies in, which is how Potato says whose file it is where its lines do not."""
    return [
        _statement(
            source,
            text_of(line.get("user_id") or line.get("user")) or rater,
            text_of(line.get("id") or line.get("instance_id")),
            _schemes(_given(line)),
            line.get("behavioral_data"),
            line,
        )
        for line in content
    ]


def _given(line: Mapping[str, Any]) -> object:
    """What was entered; None where the line holds no such thing."""
    return line.get("label_annotations", line.get("labels") if "instance_id" in line else None)


def _schemes(given: object) -> dict[str, dict[str, Any]]:
    """Scheme -> label -> value, of the pairs that newer versions write and the objects that older ones do."""
    found: dict[str, dict[str, Any]] = {}
    for scheme, label, value in _labels(given):
        found.setdefault(scheme, {})[label] = value
    return found


def _labels(given: object) -> Iterator[tuple[str, str, Any]]:
    if isinstance(given, Mapping):
        for scheme, labels in given.items():
            for label, value in labels.items() if isinstance(labels, Mapping) else ():
                yield text_of(scheme), text_of(label), value
    for pair in given if isinstance(given, list) else ():
        if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], Mapping):
            yield text_of(pair[0].get("schema")), text_of(pair[0].get("name")), pair[1]


def _chosen(labels: Mapping[str, Any]) -> list[str]:
    """Radio and check boxes name what was chosen, with a value that says yes; the pairwise scheme puts it under ``selection``."""
    if "selection" in labels:
        return [text_of(labels["selection"])]
    return [label for label, value in labels.items() if value not in (False, None, "", "false", "False")]


def _statement(
    source: str, rater: str, instance: str, schemes: Mapping[str, Mapping[str, Any]], behaviour: object, raw: Any
) -> Statement:
    labels = schemes.get(PREFERENCE, {})
    reasons, comment = _chosen(schemes.get(REASONS, {})), "\n".join(map(text_of, schemes.get(COMMENT, {}).values()))
    if "justification" in labels:
        reasons, comment = _justified(labels["justification"], comment)
    said = "; ".join(_chosen({name: value for name, value in labels.items() if name != "justification"}))
    ratings = {name: "; ".join(_chosen(of)) for name, of in schemes.items() if name not in (PREFERENCE, REASONS, COMMENT)}
    return Statement(
        source=source,
        place=f"instance {instance or '?'}",
        form="potato",
        rater=rater,
        review_id=instance,
        said=said,
        choice=understood(said),
        reasons=tuple(reasons),
        ratings=ratings,
        comment=comment,
        seconds=_spent(behaviour),
        sitting=rater,
        raw=raw,
    )


def _justified(value: object, comment: str) -> tuple[list[str], str]:
    """Reasons and rationale of the pairwise scheme, which stand there as JSON in a text."""
    try:
        content = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return [], comment
    if not isinstance(content, Mapping):
        return [], comment
    reasons = content.get("reasons")
    return [text_of(each) for each in reasons] if isinstance(reasons, list) else [], text_of(content.get("rationale")) or comment


def _spent(behaviour: object) -> float:
    """Newer versions count milliseconds."""
    if not isinstance(behaviour, Mapping):
        return 0.0
    return seconds_of(behaviour.get("total_time_ms")) / 1000
