"""A store in a browser: the pages open whatever the store is in, nothing outside of it is read, and nobody else is answered."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from lxml import html as lxml_html
from msgspec.structs import replace

from harness.cli import main
from harness.store import Store
from reports.serve.answering import Response, Site
from reports.serve.loopback import Loopback, hosts
from tests.harness.runs import measured, right, samples

HOSTILE = "<script>window.hacked=1</script>"


def put(store: Store, name: str, count: int, *, day: int = 1, suite: str = "facts", **fields: Any) -> Path:
    prompts = [f"{HOSTILE} {number}?" for number in range(100)]
    rows = samples(right(count, 100 - count), prompt=prompts)
    made = measured(
        name, rows, suite=suite, graded=f"{hash_of(name, suite, day)}", created=f"2026-11-{day:02d}T10:00:00+00:00", **fields
    )
    run = replace(made.run, scores={"acc": count / 100})
    return store.write_run(run, made.samples)


def hash_of(*parts: object) -> str:
    return "".join(f"{sign:02x}" for sign in repr(parts).encode())[::-1].ljust(16, "0")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "runs")
    for day, (name, count) in enumerate((("w1", 80), ("w2", 81), ("w3", 78), (HOSTILE, 60)), start=1):
        put(store, name, count, day=day)
    put(store, "w1", 50, suite="sums")
    put(store, "w3", 55, suite="sums")
    return store


def tree(response: Response) -> Any:
    assert response.status == 200, response.content[-500:]
    return lxml_html.document_fromstring(response.content)


def names(site: Site, suite: str = "facts") -> list[str]:
    return list(reversed([each.get("value") for each in tree(site.answer(f"/suite?name={suite}")).xpath("//input[@name='old']")]))


def test_the_index_lists_every_run_and_runs_no_text(store: Store) -> None:
    response = Site(store).answer("/")
    page = tree(response)
    assert [each.text_content() for each in page.xpath("//section[contains(@class, 'runs')]//h2")] == ["facts", "sums"]
    assert len(page.xpath("//input[@name='old']")) == 6
    assert [each.get("type") for each in page.xpath("//script")] == ["application/json"]
    assert "script-src" in response.policy
    assert "unsafe" not in response.policy


def test_two_runs_are_compared_on_the_page_of_the_gate(store: Store) -> None:
    site = Site(store)
    one, two, *_ = names(site)
    page = tree(site.answer(f"/page?old={one}&new={two}"))
    assert " ".join(page.xpath("//h1")[0].text_content().split()) == "Compared: w2"
    gain = page.xpath("//section[@id='gate']//*[contains(@data-at, '/comparison/gain')]")[0]
    assert gain.text_content() == "+1.0 pp"
    worse = tree(site.answer(f"/page?old={one}&new={quote(names(site)[3])}"))
    assert "1 of 1 are surely worse" in worse.get_element_by_id("answer").text_content()


def test_two_candidates_are_compared_over_the_suites_that_both_have(store: Store) -> None:
    content = Site(store).answer("/page?of=w3&against=w1").content.decode()
    assert "sums" in content
    assert "facts" in content
    assert Site(store).answer("/page?of=w3&against=w3").status == 404
    assert Site(store).answer("/page?of=w3&against=nobody").status == 404


def test_what_changed_has_a_page_of_its_own(store: Store) -> None:
    site = Site(store)
    one, _, three, _ = names(site)
    said = tree(site.answer(f"/changed?old={one}&new={three}")).text_content()
    assert "weights w1" in said
    assert "other answer: 2" in said


def test_a_suite_has_a_history_with_its_runs_in_order(store: Store) -> None:
    page = tree(Site(store).answer("/suite?name=facts"))
    assert page.xpath("//figure//*[name()='svg']")
    assert tree(Site(store, lang="zh").answer("/suite?name=facts")).get("lang") == "zh"


@pytest.mark.parametrize(
    "target",
    [
        "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/journal.sqlite", "/facts", "/verdict.json", "//etc/passwd", "/suite",
        "/suite?name=../..", "/changed?old=../../x&new=..%2f..%2fx", "/page?old=facts/../facts/x&new=facts/y", "/suite?name=%00",
        "/report/../verdict.json", "/page", "/report",
        "//[", "http://[::1", "//\u2100/", "*", "", "/suite?name=%ed%a0%80", "/suite?name=\x00",
    ],
)  # fmt: skip
def test_nothing_but_pages_is_given_whatever_the_path(store: Store, target: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    response = Site(store).answer(target)
    assert response.status == 404
    assert b"root:" not in response.content
    assert b"SQLite" not in response.content


def test_long_addresses_are_refused(store: Store) -> None:
    assert Site(store).answer("/suite?name=" + "x" * 5000).status == 414


def test_the_report_is_the_one_that_was_written(store: Store) -> None:
    store.write_text("report.html", "<!doctype html><p>the report")
    response = Site(store).answer("/report")
    assert (response.status, response.content) == (200, b"<!doctype html><p>the report")
    assert "connect-src" not in response.policy
    assert response.policy.startswith("default-src 'none'")


def test_a_store_that_is_written_damaged_or_emptied_meanwhile_still_opens(store: Store) -> None:
    site = Site(store)
    one, two, *_ = names(site)
    (store.root / "facts" / ".tmp-1-a").mkdir()
    (store.root / "facts" / ".tmp-1-a" / "run.json").write_text("{")
    damaged = store.root / two
    content = (damaged / "run.json").read_text()
    (damaged / "run.json").write_text(content.replace("w2", "w9"))
    other = put(store, "w9", 70, day=9)
    (other / "run.json").write_text((other / "run.json").read_text().replace('"format": 1', '"format": 99'))
    page = tree(site.answer("/"))
    assert page.text_content().count("Cannot be read:") == 2
    assert site.answer(f"/changed?old={one}&new={two}").status == 404
    gone = store.root / one
    (gone / "samples.jsonl").write_text("")
    third = names(site)[1]
    answer = site.answer(f"/changed?old={one}&new={third}")
    assert (answer.status, b"is not what was written" in answer.content) == (409, True)
    empty = Site(Store(store.root.parent / "empty"))
    assert "holds no run yet" in tree(empty.answer("/")).text_content()


def test_no_other_run_stands_in_for_a_selected_one_that_is_lost(store: Store) -> None:
    site = Site(store)
    put(store, "w1", 20, day=8)
    chosen = put(store, "w1", 90, day=9)
    store.select("facts", "w1", chosen)
    assert "facts" in tree(site.answer("/page?of=w3&against=w1")).get_element_by_id("gate").text_content()
    (chosen / "samples.jsonl").unlink()
    page = tree(site.answer("/page?of=w3&against=w1"))
    gate = page.get_element_by_id("gate").text_content()
    assert "sums" in gate
    assert "facts" not in gate
    why = f"the run of w1 that the last measure selected (facts/{chosen.name}) is not there or cannot be read"
    assert f"facts is not compared: {why}" in page.xpath("string(//table[@class='candidates'])")
    assert f"facts: {why}" in tree(site.answer("/")).text_content()
    refused = site.answer("/page?of=w2&against=w1")
    assert (refused.status, why.encode() in refused.content) == (404, True)


@pytest.fixture
def server(store: Store) -> Iterator[Loopback]:
    with Loopback(Site(store), 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.shutdown()


def ask(server: Loopback, method: str = "GET", path: str = "/", **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    found = response.status, dict(response.getheaders()), response.read()
    connection.close()
    return found


def test_only_this_machine_is_answered_and_only_by_this_name(server: Loopback) -> None:
    assert server.server_address[0] == "127.0.0.1"
    assert ask(server)[0] == ask(server, Host=f"localhost:{server.port}")[0] == 200
    for host in ("evil.example", f"evil.example:{server.port}", "127.0.0.1:1", "", f"localhost.evil.example:{server.port}"):
        assert ask(server, Host=host)[0] == 421, host
    with socket.create_connection(("127.0.0.1", server.port)) as twice:
        twice.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nHost: evil.example\r\n\r\n".encode())
        assert b" 421 " in twice.recv(100)
    assert "localhost" in hosts(80)
    assert "localhost" not in hosts(8347)


def test_it_only_reads_and_says_what_browsers_may_do(server: Loopback, store: Store) -> None:
    before = sorted(path for path in store.root.rglob("*"))
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        assert ask(server, method)[0] == 501
    status, headers, body = ask(server, "HEAD")
    assert (status, body) == (200, b"")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "Access-Control-Allow-Origin" not in headers
    assert ask(server, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors")[0] == 403
    assert ask(server, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")[0] == 200
    assert sorted(path for path in store.root.rglob("*")) == before


def test_a_browser_that_goes_away_leaves_no_trace_and_no_harm(server: Loopback, capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        gone = socket.create_connection(("127.0.0.1", server.port))
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        gone.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode())
        gone.close()
    assert ask(server)[0] == 200
    assert "Traceback" not in capfd.readouterr().err


def test_the_command_refuses_what_is_no_store_and_a_port_that_is_taken(
    server: Loopback, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()
    assert main(["serve", str(tmp_path / "folder")]) == 2
    assert main(["serve", str(store.root), "--port", "70000"]) == 2
    assert main(["serve", str(store.root), "--pins", str(tmp_path / "none.toml")]) == 2
    assert main(["serve", str(store.root), "--port", str(server.port)]) == 2
    assert "Name another one" in capsys.readouterr().err
