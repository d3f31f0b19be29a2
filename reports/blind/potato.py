"""A review for Potato: ``config.yaml`` and ``items.jsonl``.

Potato shows an item's text as HTML and keeps few elements and no styles of it, so here the text is a page fragment of ours in which
everything that people or models wrote is escaped.
"""

from __future__ import annotations

from html import escape
from typing import Any

import msgspec

from reports.blind.form import SCALE
from reports.blind.label_studio import COMMENT, PREFERENCE, REASONS, rate_name
from reports.blind.parcel import Parcel, Shown
from reports.blind.wording import CHOICE_WORDS, WORDS


def potato(parcel: Parcel) -> dict[str, bytes]:
    """File name -> content. YAML holds JSON, so the config is written as such."""
    lines = [{"id": row.id, "package": parcel.package, "text": _fragment(row, WORDS[parcel.form.language])} for row in parcel.rows]
    return {
        "potato/items.jsonl": b"".join(msgspec.json.encode(line) + b"\n" for line in lines),
        "potato/config.yaml": msgspec.json.format(msgspec.json.encode(config(parcel)), indent=1),
    }


def config(parcel: Parcel) -> dict[str, Any]:
    """``config.yaml``."""
    form = parcel.form
    words, names = WORDS[form.language], CHOICE_WORDS[form.language]
    preference = {
        "annotation_type": "radio",
        "name": PREFERENCE,
        "description": words["lead_title"],
        "labels": [
            {"name": choice, "tooltip": names[choice], "key_value": str(number)}
            for number, choice in enumerate(form.choices, start=1)
        ],
        "label_requirement": {"required": True},
    }
    schemes: list[dict[str, Any]] = [preference]
    if form.reasons:
        schemes.append(
            {"annotation_type": "multiselect", "name": REASONS, "description": words["reasons"], "labels": list(form.reasons)}
        )
    for place, criterion in enumerate(form.criteria, start=1):
        schemes += [
            {
                "annotation_type": "likert",
                "name": rate_name(number, place),
                "description": escape(f"{criterion}: {words[f'answer_{number}']}"),
                "min_label": "1",
                "max_label": str(SCALE),
                "size": SCALE,
            }
            for number in (1, 2)
        ]
    schemes.append({"annotation_type": "text", "name": COMMENT, "description": words["comment"]})
    return {
        "annotation_task_name": f"{words['title']} {parcel.package}",
        "task_dir": ".",
        "data_files": ["items.jsonl"],
        "item_properties": {"id_key": "id", "text_key": "text"},
        "output_annotation_dir": "annotation_output",
        "export_annotation_format": "jsonl",
        "annotation_instructions": escape(parcel.guidance),
        "annotation_schemes": schemes,
        "user_config": {"allow_all_users": True},
        "site_dir": "default",
    }


def _fragment(row: Shown, words: dict[str, str]) -> str:
    parts = ((words["question"], row.question), (words["answer_1"], row.left), (words["answer_2"], row.right))
    return "".join(f"<h4>{escape(title)}</h4><div>{_lines(text)}</div>" for title, text in parts)


def _lines(text: str) -> str:
    """Escaped, with its lines and indents: Potato drops styles, so white space needs elements and signs of its own."""
    lines = text.split("\n")
    indents = [len(line) - len(line.lstrip(" ")) for line in lines]
    return "<br>".join("\u00a0" * indent + escape(line[indent:]) for line, indent in zip(lines, indents, strict=True))
