"""The report: one HTML file that needs nothing else, runs nothing it was given, and asks nobody.

Model text is hostile. The server side escapes it (autoescape), the client side builds with ``textContent`` only, the data block
escapes whatever could end it, and the page's own policy allows exactly one style sheet and one script, by hash, and no connection.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import msgspec
from markupsafe import Markup

from harness.records import Conclusion, Measured, Training
from reports import view

TEMPLATES = Path(__file__).parent / "templates"
_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def render(conclusion: Conclusion, measured: Mapping[tuple[str, str], Measured], training: Mapping[str, Training]) -> str:
    """The whole page. ``measured`` is keyed by (suite, candidate) and holds the baseline's runs too; ``training`` by candidate."""
    page = view.build(conclusion, measured, training)
    style, script = asset("report.css"), asset("report.js")
    text = (
        environment()
        .get_template("report.html.j2")
        .render(
            page=page,
            policy=policy(style, script),
            style=Markup(style),
            script=Markup(script),
            data=embed(page.data),
        )
    )
    return text.encode("utf-8", "replace").decode()


def environment() -> jinja2.Environment:
    """Templates with everything escaped, and an error for every name that is not there."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def asset(name: str) -> str:
    """A style sheet or script of ours. It may not contain what would end its own element."""
    text = (TEMPLATES / name).read_text(encoding="utf-8")
    if "</s" in text.lower() or "<!--" in text:
        raise ValueError(f"{name} cannot be put inline: it contains a closing tag or a comment")
    return text


def policy(style: str, script: str) -> str:
    """The content security policy: our style and our script by hash, nothing else from anywhere."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'; object-src 'none'; connect-src 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def embed(data: Any) -> Markup:
    """``data`` as JSON for a ``<script type="application/json">``: nothing in it can end the element or open another."""
    text = msgspec.json.encode(data).decode()
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return Markup(text)
