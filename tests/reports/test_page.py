"""The report as a file: complete, true to its JSON, and deaf to what model text asks of it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

import msgspec
import pytest
from lxml import html as lxml_html
from msgspec.structs import replace

from harness.records import Conclusion, Finding, Measured, Metric, Rule, Sample, Verdict
from reports import page, view
from tests.reports import fixtures
from tests.reports.screens import invalid
from tests.reports.unpacked import index_of


def parsed(text: str) -> Any:
    return lxml_html.document_fromstring(text.encode(), parser=lxml_html.HTMLParser(encoding="utf-8"))


def ours(tree: Any) -> bool:
    """Scripts are the JSON, the compressed items, and one that runs, in this order."""
    return (
        re.fullmatch("(application/json)(text/plain)+(None)", "".join(str(each.get("type")) for each in tree.xpath("//script")))
        is not None
    )


@pytest.fixture(scope="module")
def rendered() -> str:
    return page.render(*fixtures.small())


@pytest.fixture(scope="module")
def tree(rendered: str) -> Any:
    return parsed(rendered)


@pytest.fixture(scope="module")
def data(tree: Any) -> Any:
    return json.loads(tree.get_element_by_id("data").text)


def resolve(data: Any, pointer: str) -> Any:
    for written in pointer.split("/")[1:]:
        step = written.replace("~1", "/").replace("~0", "~")
        data = data[int(step)] if isinstance(data, list) else data[step]
    return data


def said(text: str) -> tuple[float, float]:
    """The number in a text, and half a unit of its last place."""
    found = re.search(r"[+−]?\d[\d,]*(\.\d+)?", text)
    assert found, text
    digits = found.group().replace(",", "").replace("−", "-").replace("+", "")
    scale = 0.01 if "%" in text or " pp" in text else 1.0
    places = len(digits.partition(".")[2])
    return float(digits) * scale, 0.501 * 10**-places * scale


def test_every_number_on_the_page_is_the_number_in_its_json(tree: Any, data: Any) -> None:
    figures = tree.xpath("//*[@data-at]")
    assert len(figures) > 800
    for element in figures:
        value = resolve(data, element.get("data-at"))
        text = element.text_content()
        assert isinstance(value, int | float), (element.get("data-at"), value)
        if text == "< 0.0001":
            assert value < 0.0001
            continue
        shown, slack = said(text)
        low_of_interval = "/low" in element.get("data-at") and "pp" not in text
        if low_of_interval and abs(value) <= 1 and "interval" in (element.getparent().get("class") or ""):
            high = element.getparent().text_content()
            shown, slack = (shown * 0.01, slack * 0.01) if " pp" in high else (shown, slack)
        assert shown == pytest.approx(value, abs=slack), (element.get("data-at"), text, value)


def test_the_embedded_conclusion_is_the_conclusion(data: Any) -> None:
    conclusion, _, _ = fixtures.small()
    assert msgspec.convert(data["conclusion"], Conclusion) == conclusion


def test_the_first_screen_answers_and_orders_candidates_by_target_gain(tree: Any) -> None:
    text = page.render(*fixtures.full())
    whole = parsed(text)
    assert whole.get_element_by_id("headline").text_content() == "Ship full-replay"
    assert "would have shipped careless" in whole.get_element_by_id("answer").text_content()
    names = [row.xpath("./th//b")[0].text_content() for row in whole.xpath("//table[@class='candidates']/tbody/tr")]
    assert names == ["careless", "full-replay", "lora-replay", "lora"]
    assert [
        row.xpath(".//td[@class='why']/span")[0].text_content().split()[-1]
        for row in whole.xpath("//table[@class='candidates']/tbody/tr")
    ] == [
        "Fail",
        "Pass",
        "Pass",
        "Inconclusive",
    ]
    assert len(whole.xpath("//details[@class='lost'][1]//tbody/tr")) == 10


def test_every_panel_of_the_report_is_there(tree: Any) -> None:
    for name in ("answer", "comparability", "gate", "gains", "forgetting", "judges", "training", "latency", "items", "provenance"):
        assert tree.xpath(f"//section[@id='{name}']"), name
    assert tree.xpath("//section[@id='training']//*[name()='polyline']")
    assert "Rejected: may not gate" in tree.xpath("//section[@id='judges']")[0].text_content()


def test_badges_carry_words_not_only_colour(tree: Any) -> None:
    for badge in tree.xpath("//span[contains(concat(' ', @class, ' '), ' badge ')]"):
        assert re.search("[A-Za-z]{4}", badge.text_content())


def test_pictures_say_what_they_show(tree: Any) -> None:
    for picture in tree.xpath("//*[name()='svg']"):
        named = picture.get("aria-label") or picture.get("aria-labelledby") or picture.get("aria-hidden")
        assert named


def test_ids_are_unique(tree: Any) -> None:
    ids = tree.xpath("//@id")
    assert len(ids) == len(set(ids))


def test_hostile_text_makes_no_element_and_no_handler(rendered: str, tree: Any) -> None:
    assert ours(tree)
    assert not tree.xpath("//img | //iframe | //object | //embed | //link | //base | //form | //audio | //video")
    assert not tree.xpath("//@*[starts-with(name(), 'on')]")
    assert not tree.xpath("//@style")
    assert not [link for link in tree.xpath("//@href") if not link.startswith("#")]
    assert "</script><script>window" not in rendered
    assert "\u2028" not in rendered.split('id="data">')[1]


def test_the_policy_allows_exactly_the_inline_style_and_script(rendered: str, tree: Any) -> None:
    policy = tree.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")[0]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for kind, body in (("style-src", tree.xpath("//style")[0].text), ("script-src", tree.xpath("//script[not(@type)]")[0].text)):
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy


def test_nothing_on_the_page_names_another_host(tree: Any) -> None:
    style, script = tree.xpath("//style")[0].text, tree.xpath("//script[not(@type)]")[0].text
    assert "http" not in style
    assert "url(" not in style
    assert "http" not in script
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "fetch(", "XMLHttpRequest"):
        assert word not in script


def test_a_hostile_candidate_name_stays_a_name() -> None:
    name = '"><script>window.hacked=1</script>'
    conclusion, measured, training = fixtures.small()
    text = msgspec.json.encode(conclusion).decode().replace('"careless"', json.dumps(name))
    renamed = msgspec.json.decode(text, type=Conclusion)
    runs = {(suite, name if who == "careless" else who): each for (suite, who), each in measured.items()}
    tree = parsed(page.render(renamed, runs, {name: training["careless"]}))
    assert ours(tree)
    assert any(name in element.text_content() for element in tree.xpath("//b"))


def test_what_was_trained_is_shown_as_text_and_as_nothing_else() -> None:
    conclusion, measured, training = fixtures.small()
    said = ["⟦<|im_start|>user\n⟧<script>alert(1)</script>", "a" * 3000]
    training["careless"] = msgspec.structs.replace(training["careless"], trained_text=tuple(said))
    tree = parsed(page.render(conclusion, measured, training))
    shown = [element.text_content() for element in tree.xpath("//section[@id='training']//pre")]
    assert shown == [said[0], said[1][:2000] + " …"]
    assert ours(tree)
    assert json.loads(tree.get_element_by_id("data").text)["training"]["careless"]["trained_text"] == shown


def test_what_was_seen_of_a_training_is_told_with_what_to_try(tree: Any, data: Any) -> None:
    words = tree.xpath("//section[@id='training']")[0].text_content()
    assert "the loss on <device> was best at step 120. Train for fewer epochs" in words
    assert data["training"]["careless"]["concerns"][0]["kind"] == "overfitting"
    assert words.count("of the device (MFU)41%") == len(fixtures.CANDIDATES)
    rows = tree.xpath("//section[@id='training']//tr[@class='written']")
    assert [row.xpath("td")[1].text_content() for row in rows][:2] == ["<b>240</b> …", "<b>180</b> …"], (
        "after the last step: no other"
    )
    assert not tree.xpath("//tr[@class='written']//b")


def test_lone_surrogates_and_null_characters_do_not_break_the_page() -> None:
    conclusion, measured, training = fixtures.small()
    suite = measured["device", "careless"]
    odd = msgspec.structs.replace(suite.samples[0], outputs=("\ud800 \x00 \U0001f600",), scores={"json_equal": 0.0})
    runs = {**measured, ("device", "careless"): msgspec.structs.replace(suite, samples=(odd, *suite.samples[1:]))}
    text = page.render(conclusion, runs, training)
    assert json.loads(parsed(text).get_element_by_id("data").text)


def test_one_candidate_no_runs_and_no_training_still_make_a_page() -> None:
    conclusion, measured, _ = fixtures.small()
    alone = msgspec.structs.replace(conclusion, verdicts=conclusion.verdicts[:1])
    assert "Don’t ship careless" in page.render(alone, measured, {})
    assert "Don’t ship careless" in page.render(alone, {}, {})


def test_a_conclusion_without_candidates_or_baseline_says_so() -> None:
    empty = Conclusion(created="", baseline="prod", outcome="no_baseline", exit_code=12)
    text = page.render(empty, {}, {})
    assert "There is no candidate to decide about" in text
    assert "Nothing was asked." in text


@pytest.mark.parametrize("outcome", ["invalid", "not_comparable", "insensitive", "no_baseline", "inconclusive"])
def test_a_finding_without_a_comparison_is_shown_with_its_reason(outcome: Any) -> None:
    finding = Finding(
        rule=Rule(metric="s/t/acc", require="not_regressed"), outcome=outcome, reason="the engine died", metric="s/t/acc"
    )
    verdict = Verdict(candidate="c", outcome=outcome, sentence="Unknown whether c may ship: it died.", findings=(finding,))
    text = page.render(Conclusion(created="", baseline="b", outcome=outcome, exit_code=13, verdicts=(verdict,)), {}, {})
    assert "Unknown whether to ship c" in text
    assert "the engine died" in text
    assert "nothing to compare" in text


def test_a_run_whose_items_all_failed_is_shown() -> None:
    conclusion, measured, _ = fixtures.small()
    side = measured["general", "careless"]
    failed = tuple(Sample(key=each.key, task=each.task, prompt=each.prompt, error="EngineError: gone") for each in side.samples)
    runs: dict[tuple[str, str], Measured] = {**measured, ("general", "careless"): msgspec.structs.replace(side, samples=failed)}
    built = view.build(conclusion, runs, {})
    assert index_of(built.pack.index)["sides"][1]["status"].count("3") == len(failed)
    assert not any(item.suite == "general" for item in built.lost[0].items)


def test_the_metric_of_a_task_is_found_however_it_was_declared() -> None:
    conclusion, measured, _ = fixtures.small()
    for declared in ("acc", "facts/acc", "general/facts/acc"):
        runs = {
            key: msgspec.structs.replace(each, run=msgspec.structs.replace(each.run, metrics={declared: Metric(kind="binary")}))
            if key[0] == "general"
            else each
            for key, each in measured.items()
        }
        assert view.build(conclusion, runs, {}).lost[0].lost.value


def test_an_asset_that_could_end_its_element_is_refused(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.js").write_text("x = '</script>'")
    monkeypatch.setattr(page, "TEMPLATES", tmp_path)
    with pytest.raises(ValueError, match="closing tag"):
        page.asset("bad.js")


def test_flags_do_not_pass_for_what_was_retained() -> None:
    page_view = view.build(*fixtures.full())
    general = {name: gain.text for name, _, gain in page_view.scatter}
    assert general["careless"] == "−41.0 pp"
    assert general["full-replay"] == "−2.5 pp"
    assert {name: line.worst.metric for name, line in zip(page_view.names, page_view.candidates, strict=True) if line.worst} == {
        "careless": "general/refusals/acc",
        "full-replay": "general/arithmetic/acc",
        "lora-replay": "general/arithmetic/acc",
        "lora": "general/arithmetic/acc",
    }


def test_reasons_are_not_repeated_beside_their_own_numbers(tree: Any) -> None:
    reasons = [cell.text_content() for cell in tree.xpath("//tr[@class='because']//div")]
    assert len(reasons) > 50
    assert not [reason for reason in reasons if "gain +" in reason or "gain −" in reason]


def test_a_gain_says_how_many_items_it_is_silent_about() -> None:
    tree = parsed(page.render(*invalid.build()))
    rows = {row.xpath("string(.//b)"): row.xpath("./td") for row in tree.xpath("//table[@class='candidates']//tbody/tr")}
    target, worst = (cell.text_content() for cell in rows["lora-replay"][:2])
    assert "120 missing" in target
    assert "60 missing" in worst
    assert not any("missing" in cell.text_content() for cell in rows["full-replay"][:2])


def test_per_cent_is_written_as_in_the_tables_and_no_p_is_broken() -> None:
    told = page.environment("en").filters["told"]
    assert told("99.4 % of items, p = 2e-07 < 1") == '99.4% of items, <span class="nowrap">p = 2e-07</span> &lt; 1'
    assert told("p < 1e-16)") == '<span class="nowrap">p &lt; 1e-16</span>)'
    assert told("<b> % p is") == "&lt;b&gt; % p is"


def test_a_suite_without_a_value_is_not_inside_of_what_was_expected() -> None:
    conclusion, measured, training = fixtures.small()
    whole = [
        replace(each, value=None, in_band=None) if each.expect and each.suite == "general" else each for each in conclusion.health
    ]
    tree = parsed(page.render(replace(conclusion, health=tuple(whole)), measured, training))
    chips = {chip.xpath("string(.//bdi)"): chip for chip in tree.xpath("//*[contains(@class, 'chip ')]")}
    assert "no value expected: 95.0%" in " ".join(chips["general"].text_content().split())
    assert "bad" in chips["general"].get("class")
