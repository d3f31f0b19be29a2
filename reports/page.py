"""The report: one HTML file that needs nothing else, runs nothing it was given, and asks nobody.

Model text is hostile. The server side escapes it (autoescape), the client side builds with ``textContent`` only, the data block
escapes whatever could end it, and the page's own policy allows exactly one style sheet and one script, by hash, and no connection.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any

import jinja2
import msgspec
from markupsafe import Markup, escape

from harness.records import Conclusion, Measured, Training
from reports import language, view
from reports.items.packing import SIDE_FILE
from reports.language import Lang
from reports.sentences import Teller, names_of

TEMPLATES = Path(__file__).parent / "templates"
REVIEW = "sftgate review export CONFIG --items-file review-items.jsonl"
"""What the list of items that are sent to review is for."""
WORDS = "words.js"
STYLES = ("report.css", "report_items.css")
SCRIPTS = ("frame.js", "takeaway.js", WORDS, "differences.js", "stored.js", "prompt.js", "item.js", "items.js")
_SPOKEN = re.compile(r"(<(title|desc)\b[^>]*)>([^<]*)(</\2>)")
_LABELLED = re.compile(r'aria-label="([^"]*)"')
_PER_CENT = re.compile(r"(?<=\d) %")
_P = re.compile(r"\bp (?:=|&lt;|&gt;) \d[\d.]*(?:e[-−]\d+)?")
_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def render(
    conclusion: Conclusion, measured: Mapping[tuple[str, str], Measured], training: Mapping[str, Training], lang: Lang = "en"
) -> str:
    """The whole page. ``measured`` is keyed by (suite, candidate) and holds the baseline's runs too; ``training`` by candidate."""
    return drawn(view.build(conclusion, measured, training), lang)


def files(page: view.Page, lang: Lang = "en") -> dict[str, bytes]:
    """``report.html`` and what does not fit into it, by name."""
    beside = {} if page.pack.beside is None else {SIDE_FILE: page.pack.beside}
    return {"report.html": drawn(page, lang).encode(), **beside}


def drawn(page: view.Page, lang: Lang) -> str:
    """The page as HTML."""
    style, script = (
        "".join(map(asset, STYLES)),
        "".join(language.script(asset(name), lang) if name == WORDS else asset(name) for name in SCRIPTS),
    )
    text = (
        environment(lang, names_of(page.conclusion))
        .get_template("report.html.j2")
        .render(
            page=page,
            lang=lang,
            policy=policy(style, script),
            style=Markup(style),
            script=Markup(script),
            data=embed(page.data),
            items=[Markup(base64.b64encode(content).decode()) for content in (page.pack.index, *page.pack.chunks)],
            beside=SIDE_FILE,
            review=REVIEW,
        )
    )
    return text.encode("utf-8", "replace").decode()


class _Loader(jinja2.FileSystemLoader):
    """Templates, with their own text in another language."""

    def __init__(self, lang: Lang) -> None:
        super().__init__(TEMPLATES)
        self.lang = lang

    def get_source(self, environment: jinja2.Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        source, path, fresh = super().get_source(environment, template)
        return language.translated(source, self.lang), path, fresh


def environment(lang: Lang = "en", names: Collection[str] = ()) -> jinja2.Environment:
    """Templates with everything escaped, and an error for every name that is not there. ``names``: what users called something
    that the gate's sentences speak of."""
    made = jinja2.Environment(
        loader=_Loader(lang),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name, function in (("said", language.said), ("number", language.number)):
        made.filters[name] = partial(function, lang=lang)
    teller = Teller(lang, names)
    made.filters |= {"told": partial(_told, teller), "pictured": partial(_pictured, teller), "listed": partial(_listed, lang=lang)}
    return made


def _told(teller: Teller, text: str) -> Markup:
    """A sentence of the gate in the language of the page, or marked as what it is; names that are read from the right, isolated;
    per cent as the tables write it, and no p on two lines."""
    found = teller.told(text)
    shown = escape(text if found is None else found)
    shown = Markup(_P.sub(r'<span class="nowrap">\g<0></span>', _PER_CENT.sub("%", shown)))
    for name in teller.leftward:
        shown = shown.replace(escape(name), Markup("<bdi>{}</bdi>").format(name))
    return Markup('<span lang="en">{}</span>').format(shown) if found is None and text and teller.lang != "en" else shown


def _listed(names: Iterable[str], lang: Lang) -> Markup:
    """Names in a row, each read in its own direction."""
    return Markup("、" if lang == "zh" else ", ").join(Markup("<bdi>{}</bdi>").format(name) for name in names)


def _pictured(teller: Teller, picture: Markup) -> Markup:
    """A picture in the language of the page, and what it says to those who do not see it."""

    def other(match: re.Match[str]) -> str:
        found = teller.told(unescape(match[3]))
        return f'{match[1]} lang="en">{match[3]}{match[4]}' if found is None else f"{match[1]}>{escape(found)}{match[4]}"

    def label(match: re.Match[str]) -> str:
        found = teller.told(unescape(match[1]))
        return match.group() if found is None else f'aria-label="{escape(found)}"'

    if teller.lang == "en":
        return picture
    return Markup(_LABELLED.sub(label, _SPOKEN.sub(other, str(language.pictured(picture, teller.lang)))))


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
    for character, instead in _ESCAPES.items():
        text = text.replace(character, instead)
    return Markup(text)
