"""One catalogue: everything that a reader sees is in it, and another language changes words and never a number."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest
from lxml import html as lxml_html
from markupsafe import Markup

from harness.config import Config
from harness.records import Outcome, Rule, Severity
from reports import charts, language, page, panels
from reports.gists import counted, gists
from reports.wording import badge, requirement
from tests.reports import fixtures

TEMPLATES = sorted(path for path in page.TEMPLATES.glob("*.j2") if path.name != "audit.html.j2")
OURS = {"sftgate"}
"""Names, the same in every language."""


def test_the_catalogue_has_every_text_of_every_template_and_of_the_script() -> None:
    texts = language.catalogue("zh")
    seen = {text for path in TEMPLATES for text in language.phrases(path.read_text(encoding="utf-8"))}
    assert len(seen) > 300
    assert seen - OURS - set(texts) == set()
    script = (page.TEMPLATES / page.WORDS).read_text(encoding="utf-8")
    words = {json.loads(found.group()) for found in language._QUOTED.finditer(script)}
    unseen = {"use strict", "en", ""} | {word for word in words if re.fullmatch(r"[apr]:.*|…", word) and " " not in word}
    assert words - unseen - set(texts) == set()


def test_both_sides_of_the_catalogue_fill_in_the_same() -> None:
    for text, other in language.catalogue("zh").items():
        singular = text.replace("{0} warning{1}", "{0} warning")  # its plural s has no counterpart
        assert sorted(re.findall(r"\{\d\}", singular)) == sorted(re.findall(r"\{\d\}", other)), text


def test_outcomes_requirements_and_counts_are_said_in_it_too() -> None:
    words = [badge(outcome, severity).word for outcome in get_args(Outcome) for severity in get_args(Severity)]
    rules = [
        Rule(metric="a/b/c", require="non_inferior", margin=0.05),
        Rule(metric="a/b/c", require="superior", margin=0.05),
        Rule(metric="a/b/c", require="superior"),
        Rule(metric="a/b/c", require="not_regressed"),
        Rule(metric="a/b/c", require="at_most", value=0.1),
    ]
    words += [requirement(rule) for rule in rules]
    conclusion, _, _ = fixtures.small()
    words += [word for section in counted(conclusion, (), (), (), panels.comparability(())).values() for word in section]
    words += [f"{title}{more}" for title in charts._GROUPS.values() for more in ("", " · bits/byte")]
    assert gists({"training": {"concerns": 0}}) == {"training": ()}
    assert [word for word in words if not re.search("[\u4e00-\u9fff]", language.said(word, "zh"))] == []
    assert language.said("not worse by 5.0 pp or more", "zh") == "变差不到 5.0 pp"
    assert language.said("not worse by 5.0 pp or more", "en") == "not worse by 5.0 pp or more"


def test_what_is_filled_in_may_change_places_and_logic_stays() -> None:
    source = """{% if kind == 'same' %}<p title="Search">{{ a }} of {{ b }}</p>{% endif %}{{ 'Admitted' if ok else 'no' }}"""
    made = language.translated(source, "zh")
    assert made == """{% if kind == 'same' %}<p title="搜索">{{ a }} / {{ b }}</p>{% endif %}{{ '已录用' if ok else 'no' }}"""
    assert language.translated(source, "en") == source


def test_numbers_are_written_as_the_language_writes_them() -> None:
    assert language.number("−3.1 pp", "zh") == "−3.1 个百分点"
    assert language.number("−3.1 pp", "en") == "−3.1 pp"


def test_pictures_keep_names_and_change_words() -> None:
    drawn = Markup('<text x="1" class="axis">target gain →</text><text x="2" class="label">step</text>')
    assert str(language.pictured(drawn, "zh")) == '<text x="1" class="axis">目标增益 →</text><text x="2" class="label">step</text>'


def test_every_word_in_a_picture_is_in_the_catalogue() -> None:
    drawn = re.compile(r'tag\(\s*"text",\s*"([^"]+)"')
    words = {word for path in Path(page.__file__).parent.rglob("*.py") for word in drawn.findall(path.read_text(encoding="utf-8"))}
    assert {word for word in words if re.search("[A-Za-z]{2}", word) and language.said(word, "zh") == word} == set()
    picture = Markup(
        '<svg aria-label="base: half of the items up to 3"><title id="t">Training of x</title><desc>&lt;b&gt; c</desc></svg>'
    )
    shown = page.environment("zh", ["x", "base"]).from_string("{{ p | pictured }}").render(p=picture)
    assert shown == (
        '<svg aria-label="base：半数题目不超过 3"><title id="t">x 的训练</title><desc lang="en">&lt;b&gt; c</desc></svg>'
    )


@pytest.fixture(scope="module")
def both() -> tuple[lxml_html.HtmlElement, lxml_html.HtmlElement]:
    made = fixtures.small()
    parser = lxml_html.HTMLParser(encoding="utf-8", huge_tree=True)
    pages = [lxml_html.document_fromstring(page.render(*made, lang=lang).encode(), parser=parser) for lang in ("en", "zh")]
    return pages[0], pages[1]


def test_another_language_changes_no_number(both: tuple[lxml_html.HtmlElement, lxml_html.HtmlElement]) -> None:
    english, chinese = ([(each.get("data-at"), each.text_content()) for each in tree.xpath("//*[@data-at]")] for tree in both)
    assert len(english) > 800
    assert [(at, language.number(text, "zh")) for at, text in english] == chinese
    assert both[0].get_element_by_id("data").text == both[1].get_element_by_id("data").text


def test_a_chinese_page_says_so_and_says_what_the_gate_says_in_chinese(
    both: tuple[lxml_html.HtmlElement, lxml_html.HtmlElement],
) -> None:
    _, chinese = both
    assert chinese.get("lang") == "zh"
    assert "目录" in chinese.xpath("//nav/@aria-label")
    said = chinese.xpath("//tr[@class='because']//div | //p[@class='sentence'] | //p[@class='change'] | //p[@class='warn']")
    assert len(said) > 20
    assert [each.text_content() for each in said if not re.search("[\u4e00-\u9fff]", each.text_content())] == []
    assert not chinese.xpath("//section[@id='answer' or @id='gate']//*[@lang]")
    assert not both[0].xpath("//body//*[@lang]")


def test_the_config_names_the_language() -> None:
    assert Config(candidates=(), suites=(), baseline="b").lang == "en"
    assert set(get_args(language.Lang)) == {"en", *(path.name.split(".")[1] for path in Path(page.TEMPLATES).glob("words.*.toml"))}
