"""Where suites stand now: the gravest first, nothing called worse that may not be compared, every number in the page's own data."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from lxml import html as lxml_html
from msgspec.structs import replace

from harness.baselines import Pin, PinnedRun, Pins, Promotion
from harness.records import Fingerprints, Metric
from harness.seals import sealed
from harness.store import Store
from reports.serve.answering import Site
from reports.serve.listing import Shelf
from reports.serve.stands import Stand, stand
from tests.harness.runs import measured, right, samples
from tests.reports import fixtures
from tests.reports.screens import stored
from tests.reports.test_page import resolve, said

START = datetime(2026, 8, 3, 10, tzinfo=UTC)


def put(store: Store, name: str, count: float, week: int, **fields: Any) -> str:
    score = fields.pop("score", count / 100)
    settings: dict[str, Any] = {
        "suite": "facts",
        "asked": 100,
        "graded": f"{week}{name}".encode().hex()[::-1].ljust(64, "0"),
        "created": (START + timedelta(weeks=week)).isoformat(),
        "fingerprints": Fingerprints(asked=f"{name}{week}", weights=f"{name}{week}", template="template"),
    }
    made = measured(name, samples(right(int(count), 100 - int(count))), **{**settings, **fields})
    folder = store.write_run(replace(made.run, scores={made.run.primary: score}), made.samples)
    return f"{folder.parent.name}/{folder.name}"


def stood(store: Store, pins: Pins | None = None, reference: str = "") -> Stand:
    return stand(Shelf(store).listing().suites["facts"], pins or Pins(), reference)


def pinned(store: Store, name: str) -> Pins:
    run = store.run(store.root / name)
    held = {"facts": PinnedRun(graded=run.graded, samples=run.samples_hash)}
    pin = Pin(candidate=run.candidate.name, created="2026-08-03T10:00:00+00:00", by="Ana", runs=held)
    promotion = Promotion(created="2026-08-04T10:00:00+00:00", by="Ana", to="prod")
    return Pins(promoted="prod", promotions=(promotion,), pins={"prod": pin})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs")


def test_the_newest_run_is_held_to_the_promoted_pin_else_to_the_reference(store: Store) -> None:
    base = put(store, "base", 90, 0)
    put(store, "nightly", 89, 1)
    put(store, "nightly", 50, 2)
    found = stood(store, reference="base")
    assert found.held is not None
    assert (found.held.what, found.held.name) == ("reference", "base")
    assert [(each.run.run.candidate.name, round(each.gain or 0, 9), each.word) for each in found.now] == [
        ("nightly", -0.40, "worse")
    ]
    found = stood(store, pinned(store, base))
    assert found.held is not None
    assert (found.held.what, found.held.name, found.held.run.name) == ("pin", "prod", base)
    before = stood(store)
    assert before.held is not None
    assert (before.held.what, before.held.name, before.now[0].gain) == ("the run before", "nightly", pytest.approx(-0.39))


def test_the_first_run_of_all_is_held_to_nothing(store: Store) -> None:
    put(store, "w1", 90, 0)
    assert [(each.word, each.gain) for each in stood(store).now] == [("unknown", None)]


def test_little_is_no_clear_change_and_without_any_measure_it_is_only_lower(store: Store) -> None:
    base = put(store, "base", 90, 0)
    put(store, "w1", 84, 1)
    assert stood(store, pinned(store, base)).now[0].word == "alike", "six of a hundred, as if nobody had been asked the same"
    seconds = {"primary": "seconds", "metrics": {"seconds": Metric(kind="real", direction="lower", unit="s")}, "suite": "speed"}
    names = [put(store, name, 50, week, score=score, **seconds) for week, (name, score) in enumerate((("a", 1.0), ("b", 1.2)))]
    run = store.run(store.root / names[0])
    pin = Pin(
        candidate="a",
        created="2026-08-03T10:00:00+00:00",
        by="Ana",
        runs={"speed": PinnedRun(graded=run.graded, samples=run.samples_hash)},
    )
    found = stand(Shelf(store).listing().suites["speed"], Pins(promoted="p", pins={"p": pin}))
    assert [(round(each.gain or 0, 9), each.word) for each in found.now] == [(-0.2, "lower")], "more seconds are worse"


def test_what_may_not_be_compared_is_not_called_worse(store: Store) -> None:
    base = put(store, "base", 90, 0)
    pins = pinned(store, base)
    put(store, "torn", 10, 1, failed=60)
    assert [(each.word, each.gain) for each in stood(store, pins).now] == [("errors", None)]
    put(store, "newer", 10, 2, engine={"name": "fake", "version": "2", "dtype": "float32"})
    found = stood(store, pins).now[0]
    assert (found.word, found.settings) == ("otherwise", ("version 1 → 2",))
    put(store, "others", 10, 3, items_hash="other items")
    last = stood(store, pins)
    assert last.held is not None
    assert (last.held.otherwise, last.now[0].word, last.now[0].gain, last.other) == (True, "otherwise", None, 3)


def test_smoke_runs_and_repetitions_are_not_who_is_judged(store: Store) -> None:
    base = put(store, "base", 90, 0)
    put(store, "nightly", 88, 1)
    put(store, "nightly", 5, 2, limit=20, items_hash="twenty of them")
    put(store, "nightly", 30, 3, replicate=1)
    put(store, "nightly#shuffled", 2, 4)
    assert [each.score for each in stood(store, pinned(store, base)).now] == [0.88]


def test_the_pin_itself_is_not_judged_when_nothing_is_newer(store: Store) -> None:
    put(store, "old", 95, 0)
    newest = put(store, "prod", 90, 1)
    assert stood(store, pinned(store, newest)).now == ()
    (store.root.parent / "baselines.toml").write_bytes(msgspec.toml.encode(msgspec.to_builtins(pinned(store, newest))))
    page = tree(Site(store, store.root.parent / "baselines.toml"), "/")
    assert "Cannot be read" not in page.text_content()
    assert "Nothing newer than pin" in page.text_content()


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Site:
    store = Store(tmp_path_factory.mktemp("stored") / "production" / "runs")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("os.fsync", lambda _: None)  # nobody pulls the plug here
        return Site(store, stored.made(store))


def tree(site: Site, target: str) -> Any:
    response = site.answer(target)
    assert response.status == 200, response.content[-500:]
    return lxml_html.document_fromstring(response.content, parser=lxml_html.HTMLParser(encoding="utf-8"))


def test_the_first_page_says_first_what_a_team_has_to_look_at(shown: Site) -> None:
    page = tree(shown, "/")
    assert page.xpath("//h1")[0].text_content() == "production/runs"
    chips = [" ".join(each.text_content().split()) for each in page.xpath("//p[@class='chips']/span")]
    assert "▼ Suites with a slow loss: 1" in chips
    assert "! Suites with too many errors: 1" in chips
    assert "! Runs that lack a file: 1" in chips
    suites = [each.text_content() for each in page.xpath("//table[contains(@class, 'stand')]//th[@scope='row']/a")]
    assert set(suites[:2]) == {"facts", "writing-长文"}
    assert "Last verdict: 2026-09-21 13:00 UTC" in " ".join(page.text_content().split())
    assert page.xpath("//header//a[@href='/report']")


@pytest.mark.parametrize("target", ["/", "/suite?name=facts", "/suite?name=speed", "/suite?name=sums", "/suite?name=writing-长文"])
def test_every_number_with_a_place_is_in_the_data_of_its_page(shown: Site, target: str) -> None:
    page = tree(shown, target)
    data = json.loads(page.get_element_by_id("data").text)
    figures = page.xpath("//*[@data-at]")
    assert len(figures) > 5
    for element in figures:
        value, slack = said(element.text_content())
        assert value == pytest.approx(resolve(data, element.get("data-at")), abs=slack), element.text_content()


def test_no_link_and_no_form_of_a_served_page_leads_nowhere(shown: Site) -> None:
    seen: set[str] = set()
    todo = ["/"]
    while todo:
        target = todo.pop()
        if target in seen or target.startswith("/page"):
            continue
        seen.add(target)
        if target == "/report":
            assert shown.answer(target).status == 200
            continue
        todo += [link for link in tree(shown, target).xpath("//a/@href") if not link.startswith("#")]
    assert len(seen) > 15


def test_a_shift_leads_to_what_changed_and_to_before_and_after(shown: Site) -> None:
    page = tree(shown, "/suite?name=facts")
    said_so = page.xpath("//p[@class='shifted']")[0]
    links = said_so.xpath("a/@href")
    assert [link.partition("?")[0] for link in links] == ["/changed", "/page"]
    changed = " ".join(tree(shown, links[0]).text_content().split())
    assert "Not comparable because of" in changed
    assert "prompts" in changed
    assert shown.answer(links[1]).status == 200
    assert "Asked otherwise since then: version 0.31.0 → 0.32.0. That may be all that changed." in page.text_content()


def test_other_questions_are_another_line_and_the_page_says_so(shown: Site) -> None:
    page = tree(shown, "/suite?name=sums")
    assert "were not all asked the same questions" in page.text_content()
    assert [len(each.split()) for each in page.xpath("//div[@class='course']//*[name()='polyline']/@points")] == [5]
    earlier = page.xpath("//table[@class='stretches']//a[starts-with(@href, '/suite')]/@href")
    assert len(earlier) == 1
    before = tree(shown, earlier[0])
    assert [len(each.split()) for each in before.xpath("//div[@class='course']//*[name()='polyline']/@points")] == [4]


def test_what_cannot_be_read_is_said_and_the_rest_is_shown(store: Store) -> None:
    put(store, "w1", 80, 0)
    (store.root / "verdict.json").write_text("{")
    (store.root.parent / "baselines.toml").write_text("promoted = 3")
    (store.root / "facts" / "copied@0123").mkdir()
    (store.root / "facts" / ".tmp-1-a").mkdir()
    site = Site(store, store.root.parent / "baselines.toml")
    words = " ".join(tree(site, "/").text_content().split())
    assert "verdict.json cannot be read" in words
    assert "baselines.toml" in words
    assert "facts/copied@0123" in words
    assert "being written just now, or were when a process was killed: 1" in words
    conclusion, _, _ = fixtures.small()
    (store.root / "verdict.json").write_bytes(sealed(msgspec.json.encode(conclusion)).replace(b"Do not ship", b"Do ship"))
    assert "it was changed since" in tree(site, "/").text_content()


def test_a_run_is_read_once_and_again_when_it_changes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    name = put(store, "w1", 80, 0)
    shelf = Shelf(store)
    shelf.listing()
    reads: list[Path] = []
    plain = store.run
    monkeypatch.setattr(store, "run", lambda path: reads.append(path) or plain(path))
    shelf.listing()
    assert reads == []
    file = store.root / name / "run.json"
    file.write_bytes(file.read_bytes() + b" ")
    assert (len(shelf.listing().runs), len(reads)) == (1, 1)


def test_runs_stand_in_the_order_of_time_wherever_the_clock_stood(store: Store) -> None:
    put(store, "late", 80, 0, created="2026-11-01T23:30:00-08:00")
    put(store, "early", 80, 1, created="2026-11-02T02:00:00+09:00")
    assert [each.run.candidate.name for each in Shelf(store).listing().runs] == ["early", "late"]


def test_promotions_of_the_pin_file_are_marked(shown: Site) -> None:
    page = tree(shown, "/suite?name=facts")
    assert "pin: w34" in page.xpath("//div[@class='course']//*[name()='svg']")[0].text_content()
    assert "pinned as w34" in page.text_content()
