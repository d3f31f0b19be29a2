"""Requests in, pages out; nothing here knows sockets, and nothing writes.

/                          the runs of the store, by suite; what to compare
/suite?name=SUITE          one suite: what its metrics were over time, its runs
/report                    the last report that was written
/page?old=RUN&new=RUN      two runs of one suite on the page of the gate, without rules; also of=CANDIDATE&against=CANDIDATE
/changed?old=RUN&new=RUN   what differs between them
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

from markupsafe import Markup

from harness.baselines import Pins, read_pins
from harness.errors import SftgateError
from harness.records import Record
from harness.store import Store
from reports import page
from reports.changes import changes
from reports.language import Lang
from reports.serve.listing import Listed, Listing, compared, listing, read
from reports.serve.rows import run_rows
from reports.serve.times import cards

_REPORT = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
"""For pages that bring a stricter policy of their own, which holds beside this one."""
_SIDE = "report-texts.jsonl.gz"
LONGEST_QUERY = 4_000
MOST = 50
"""Runs of a suite that the index lists, the newest; the suite's own page has all."""


class Response(Record, frozen=True, kw_only=True):
    status: int
    content: bytes
    kind: str = "text/html; charset=utf-8"
    policy: str = _REPORT


class _NoPage(Exception):
    """There is nothing at this address; says why."""


class Site:
    """The pages of one store."""

    def __init__(self, store: Store, pins: Path | None = None, lang: Lang = "en") -> None:
        self.store = store
        self.pins = pins
        self.lang: Lang = lang

    def answer(self, target: str) -> Response:
        """The page at the path and query ``target``."""
        if len(target) > LONGEST_QUERY:
            return self._refusal(414, "This address is too long.")
        path, _, query = target.partition("?")  # urlsplit raises where what should be a host is none
        asked = {name: values[-1] for name, values in parse_qs(query).items()}
        routes = {"/": self._index, "/suite": self._suite, "/report": self._report, "/page": self._page, "/changed": self._changed,
                  f"/{_SIDE}": self._beside}  # fmt: skip
        try:
            if path not in routes:
                raise _NoPage("There is no such page.")
            return routes[path](asked)
        except _NoPage as error:
            return self._refusal(404, str(error))
        except SftgateError as error:  # a run that is gone by now, or was changed; sides that have nothing in common
            return self._refusal(409, str(error))

    def _index(self, asked: Mapping[str, str]) -> Response:
        del asked
        found = listing(self.store)
        suites = [(suite, [each for each in found.runs if each.run.suite == suite]) for suite in found.suites]
        return self._drawn(
            "serve_index.html.j2",
            listing=found,
            suites=[(suite, f"/suite?name={quote(suite, safe='')}", run_rows(runs[-MOST:])) for suite, runs in suites],
            report=(self.store.outputs / "report.html").is_file(),
        )

    def _suite(self, asked: Mapping[str, str]) -> Response:
        found = listing(self.store)
        name = asked.get("name", "")
        runs = [each for each in found.runs if each.run.suite == name]
        if not runs:
            raise _NoPage(f"No run is of a suite {name!r}.")
        pins = Pins() if self.pins is None else read_pins(self.pins)
        return self._drawn("serve_suite.html.j2", suite=name, rows=run_rows(runs), cards=cards(runs, pins))

    def _report(self, asked: Mapping[str, str]) -> Response:
        del asked
        return Response(status=200, content=self._file("report.html"))

    def _beside(self, asked: Mapping[str, str]) -> Response:
        del asked
        return Response(status=200, content=self._file(_SIDE), kind="application/gzip")

    def _file(self, name: str) -> bytes:
        try:
            return (self.store.outputs / name).read_bytes()
        except OSError:
            raise _NoPage("No report was written into this store yet: sftgate report CONFIG writes one.") from None

    def _page(self, asked: Mapping[str, str]) -> Response:
        found = listing(self.store)
        if "of" in asked or "against" in asked:
            sides = [found.of(asked.get(word, "")) for word in ("against", "of")]
            suites = [suite for suite in sides[0] if suite in sides[1]]
            if not suites or asked.get("of") == asked.get("against"):
                raise _NoPage("These two have no suite in common, or are one. Choose two different candidates.")
            old, new = ([side[suite] for suite in suites] for side in sides)
        else:
            old, new = ([each] for each in self._two(found, asked))
        conclusion, measured = compared(self.store, old, new)
        return Response(status=200, content=page.render(conclusion, measured, {}, self.lang).encode())

    def _changed(self, asked: Mapping[str, str]) -> Response:
        old, new = self._two(listing(self.store), asked)
        told = changes(read(self.store, old), read(self.store, new))
        link = f"/page?old={quote(old.name, safe='')}&new={quote(new.name, safe='')}"
        return self._drawn("serve_changed.html.j2", changes=told, old=old, new=new, link=link)

    def _two(self, found: Listing, asked: Mapping[str, str]) -> tuple[Listed, Listed]:
        old, new = (found.called(asked.get(word, "")) for word in ("old", "new"))
        if old is None or new is None or old is new:
            raise _NoPage("Choose two different runs of the store.")
        return old, new

    def _refusal(self, status: int, why: str) -> Response:
        return self._drawn("serve_refusal.html.j2", status, why=why)

    def _drawn(self, template: str, status: int = 200, **shown: Any) -> Response:
        style = page.asset("report.css")
        policy = re.sub("form-action 'none'", "form-action 'self'", page.policy(style, "")) + "; frame-ancestors 'none'"
        text = page.environment(self.lang).get_template(template).render(
            style=Markup(style), lang=self.lang, status=status, store=self.store.root.resolve().name, **shown
        )  # fmt: skip
        return Response(status=status, content=text.encode("utf-8", "replace"), policy=policy)
