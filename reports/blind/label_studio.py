"""A review for Label Studio: ``tasks.json`` to import and ``config.xml`` for the labelling interface.

Answers are ``Text``, which Label Studio shows as text; ``HyperText`` would run them. Choices carry our own words as aliases, which
is what comes back. No task carries a prediction: it would vote for the rater.
"""

from __future__ import annotations

from xml.etree import ElementTree as Tree

import msgspec

from reports.blind.form import SCALE
from reports.blind.parcel import Parcel
from reports.blind.wording import CHOICE_WORDS, WORDS

PREFERENCE, REASONS, COMMENT = "preference", "reasons", "comment"
PRE_WRAP = ".htx-text { white-space: pre-wrap; }"


def rate_name(answer: int, number: int) -> str:
    """The name of the question that rates an answer (1, 2) on the criterion of this number, from 1."""
    return f"rate{answer}_{number}"


def label_studio(parcel: Parcel) -> dict[str, bytes]:
    """File name -> content."""
    tasks = [
        {
            "data": {
                "package": parcel.package,
                "review_id": row.id,
                "prompt": row.question,
                "answer1": row.left,
                "answer2": row.right,
            }
        }
        for row in parcel.rows
    ]
    return {
        "label-studio/tasks.json": msgspec.json.format(msgspec.json.encode(tasks), indent=1),
        "label-studio/config.xml": interface(parcel).encode(),
    }


def interface(parcel: Parcel) -> str:
    """``config.xml``."""
    form = parcel.form
    words, names = WORDS[form.language], CHOICE_WORDS[form.language]
    view = Tree.Element("View")
    Tree.SubElement(view, "Style").text = PRE_WRAP
    _header(view, parcel.guidance)
    _header(view, words["question"])
    _text(view, "prompt")
    both = Tree.SubElement(view, "View", style="display:grid;grid-template-columns:1fr 1fr;gap:16px")
    for number in (1, 2):
        side = Tree.SubElement(both, "View")
        _header(side, words[f"answer_{number}"])
        _text(side, f"answer{number}")
    _choices(view, PREFERENCE, [(names[choice], choice) for choice in form.choices], keys=True, choice="single", required="true")
    if form.reasons:
        _header(view, words["reasons"])
        _choices(view, REASONS, [(name, name) for name in form.reasons], keys=False, choice="multiple")
    for place, criterion in enumerate(form.criteria, start=1):
        for number in (1, 2):
            _header(view, f"{criterion}: {words[f'answer_{number}']}")
            Tree.SubElement(view, "Rating", name=rate_name(number, place), toName="prompt", maxRating=str(SCALE))
    Tree.SubElement(view, "TextArea", name=COMMENT, toName="prompt", rows="2", placeholder=words["comment_hint"])
    Tree.indent(view)
    return Tree.tostring(view, encoding="unicode") + "\n"


def _header(parent: Tree.Element, value: str) -> None:
    # A value that begins with a dollar sign names a field of the task.
    Tree.SubElement(parent, "Header", value=f" {value}" if value.startswith("$") else value)


def _text(parent: Tree.Element, field: str) -> None:
    Tree.SubElement(parent, "Text", name=field, value=f"${field}", selectionEnabled="false")


def _choices(parent: Tree.Element, name: str, words: list[tuple[str, str]], *, keys: bool, **attributes: str) -> None:
    choices = Tree.SubElement(parent, "Choices", name=name, toName="prompt", showInline="true")
    choices.attrib.update(attributes)
    for number, (text, alias) in enumerate(words, start=1):
        choice = Tree.SubElement(choices, "Choice", value=text, alias=alias)
        if keys:
            choice.set("hotkey", str(number))
