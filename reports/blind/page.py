"""The review page: one file that works offline, asks no network, and shows what models wrote as text only."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import jinja2
import msgspec
from markupsafe import Markup

from reports.blind.form import SCALE
from reports.blind.parcel import Parcel
from reports.blind.wording import CHOICE_WORDS, WORDS

TEMPLATES = Path(__file__).parent.parent / "templates"


def page(parcel: Parcel) -> str:
    """``review.html``. Model text stays in a JSON block and is shown as textContent."""
    style, script = (_source(f"review.{kind}") for kind in ("css", "js"))
    policy = "; ".join(
        (
            "default-src 'none'",
            f"style-src 'sha256-{_hash(style)}'",
            f"script-src 'sha256-{_hash(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    form = parcel.form
    names = CHOICE_WORDS[form.language]
    data = {
        "package": parcel.package,
        "commitment": parcel.commitment,
        "guidance": form.guidance,
        "items": parcel.rows,
        "choices": form.choices,
        "names": {choice: names[choice] for choice in form.choices},
        "reasons": form.reasons,
        "criteria": form.criteria,
        "rater": parcel.rater,
        "raters": parcel.raters,
        "words": WORDS[form.language],
    }
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    template = environment.from_string(_source("review.html"))
    return template.render(
        policy=policy,
        style=Markup(style),
        script=Markup(script),
        data=Markup(inert_json(data)),
        words=WORDS[form.language],
        language={"en": "en", "zh": "zh-Hans"}[form.language],
        choices=[(choice, names[choice]) for choice in form.choices],
        form=form,
        masks=parcel.masks,
        sheets=parcel.sheets,
        scale=range(1, SCALE + 1),
        raters=list(parcel.raters),
        rater=parcel.rater,
    )


def inert_json(value: Any) -> str:
    """JSON that cannot end the script block it stands in, nor open a comment there."""
    text = msgspec.json.encode(value).decode("utf-8", "replace")
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _source(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
