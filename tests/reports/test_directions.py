"""Names and answers that are read from the right stand apart from what is beside them, on the page and in Markdown."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import msgspec
import pytest
from lxml import html as lxml_html

from harness.records import Conclusion, Measured
from reports import page
from reports.comment import markdown
from reports.language import Lang
from tests.reports import fixtures

TURNED = {"careless": "מועמד (2)", "keeps facts": "حقائق 3", "general": "عام", "Which river runs through": "أي نهر يجري عبر"}


@cache
def made() -> fixtures.Made:
    """Small runs whose candidate, rule, suite and questions are Hebrew and Arabic."""
    conclusion, measured, _ = fixtures.small()

    def turned(found: object, kind: Any) -> Any:
        text = msgspec.json.encode(found).decode()
        for name, other in TURNED.items():
            text = text.replace(name, other)
        return msgspec.json.decode(text.encode(), type=kind)

    def renamed(name: str) -> str:
        return TURNED.get(name, name)

    runs = {(renamed(suite), renamed(name)): turned(each, Measured) for (suite, name), each in measured.items()}
    return turned(conclusion, Conclusion), runs, {}


def leftward(text: str) -> bool:
    return bool(re.search("[\u0590-\u06ff]", text))


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_names_are_isolated_on_the_page(lang: Lang) -> None:
    tree = lxml_html.document_fromstring(page.render(*made(), lang=lang).encode(), parser=lxml_html.HTMLParser(encoding="utf-8"))
    alone = "ancestor-or-self::*[self::bdi or @dir='auto' or self::th or self::option or self::title or self::caption or self::pre]"
    named = "ancestor-or-self::*[contains(concat(' ', @class, ' '), ' name ') or contains(concat(' ', @class, ' '), ' metric ')]"
    beside = []
    for element in tree.xpath("//body//*[not(self::script) and not(self::style)]"):
        own = " ".join(filter(None, [element.text, *(child.tail for child in element)]))
        shared = len(own.split()) > 1 and element.tag not in ("desc", "text")
        if leftward(own) and shared and not element.xpath(alone) and not element.xpath(named):
            beside.append((element.tag, element.get("class"), own[:80]))
    assert beside == []


def test_names_are_isolated_in_a_comment() -> None:
    lines = [line for line in markdown(*made()[:2]).splitlines() if leftward(line) and not line.startswith("<!--")]
    assert len(lines) > 10
    for line in lines:
        assert line.count("\u2068") == line.count("\u2069") > 0
        outside = line
        while (inner := re.sub("\u2068[^\u2068\u2069]*\u2069", "", outside)) != outside:
            outside = inner
        assert not re.search("מועמד|حقائق", outside), line
