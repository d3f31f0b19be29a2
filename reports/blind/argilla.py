"""A review for Argilla: a folder as ``Dataset.from_disk`` reads it, with settings and records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from reports.blind.form import SCALE
from reports.blind.label_studio import COMMENT, PREFERENCE, REASONS, rate_name
from reports.blind.parcel import Parcel
from reports.blind.wording import CHOICE_WORDS, WORDS

FIELDS = ("prompt", "response_1", "response_2")


def argilla(parcel: Parcel) -> dict[str, bytes]:
    """File name -> content."""
    name = f"blind-review-{parcel.package}"
    dataset = {"name": name, "status": "draft", "guidelines": parcel.guidance, "allow_extra_metadata": False}
    records = [
        {
            "id": row.id,
            "fields": dict(zip(FIELDS, (row.question, row.left, row.right), strict=True)),
            "metadata": {"package": parcel.package},
            "suggestions": {},
            "responses": {},
            "vectors": {},
        }
        for row in parcel.rows
    ]
    files: dict[str, Any] = {
        "argilla/.argilla/dataset.json": dataset,
        "argilla/.argilla/settings.json": settings(parcel),
        "argilla/records.json": records,
    }
    return {name: msgspec.json.format(msgspec.json.encode(value), indent=1) for name, value in files.items()}


def settings(parcel: Parcel) -> dict[str, Any]:
    """``settings.json``: fields, questions and what is known of every record, in the raters' language."""
    form = parcel.form
    words, names = WORDS[form.language], CHOICE_WORDS[form.language]
    titles = (words["question"], words["answer_1"], words["answer_2"])
    choices = _options("label_selection", {choice: names[choice] for choice in form.choices})
    questions = [_question(PREFERENCE, words["lead_title"], choices, required=True)]
    if form.reasons:
        reasons = _options("multi_label_selection", {name: name for name in form.reasons})
        questions.append(_question(REASONS, words["reasons"], reasons))
    for place, criterion in enumerate(form.criteria, start=1):
        scale = {"type": "rating", "options": [{"value": value} for value in range(1, SCALE + 1)]}
        questions += [_question(rate_name(number, place), f"{criterion}: {words[f'answer_{number}']}", scale) for number in (1, 2)]
    questions.append(_question(COMMENT, words["comment"], {"type": "text", "use_markdown": False}))
    return {
        "guidelines": parcel.guidance,
        "fields": [
            {"name": name, "title": title, "required": name == FIELDS[0], "settings": {"type": "text", "use_markdown": False}}
            for name, title in zip(FIELDS, titles, strict=True)
        ],
        "questions": questions,
        "vectors": [],
        "metadata": [{"name": "package", "title": "package", "settings": {"type": "terms"}, "visible_for_annotators": True}],
        "allow_extra_metadata": False,
        "distribution": {"strategy": "overlap", "min_submitted": 1},
    }


def _question(name: str, title: str, about: dict[str, Any], *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "title": title, "required": required, "settings": about}


def _options(kind: str, texts: Mapping[str, str]) -> dict[str, Any]:
    """``texts``: value -> what raters read."""
    return {"type": kind, "options": [{"value": value, "text": text} for value, text in texts.items()], "visible_options": None}
