"""Requests in, pages out; nothing here knows sockets, and nothing writes.

/ what was said last, what is worse than it should be, all suites, and what to compare /suite?name=SUITE one suite: what its
metrics were over time, its runs; also like=RUN: over the runs of that one's questions /report the last report that was written
/page?old=RUN&new=RUN two runs of one suite on the page of the gate, without rules; also of=CANDIDATE&against=CANDIDATE
/changed?old=RUN&new=RUN what differs between them
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from markupsafe import Markup

from harness.baselines import Pins, read_pins
from harness.errors import SftgateError
from harness.records import Record
from harness.store import Store
from reports import page
from reports.changes import ABOUT, changes
from reports.figures import count_figure
from reports.language import Lang
from reports.serve.comparing import compared
from reports.serve.listing import Listed, Listing, Shelf, read
from reports.serve.overview import overview, pair_link, suite_link
from reports.serve.rows import run_rows
from reports.serve.stands import newest_of, stand
from reports.serve.times import linked, times
from reports.serve.verdicts import Latest, Verdicts

_REPORT = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
"""For pages that bring a stricter policy of their own, which holds beside this one."""
_SIDE = "report-texts.jsonl.gz"
LONGEST_QUERY = 4_000
MOST = 12
"""Runs of a suite that the first page lists, the newest; the suite's own page has all."""
_STYLES = ("report.css", "serve.css")
_SCRIPT = "takeaway.js"
TITLES = {"who": "Who answered", "questions": "What was asked", "engine": "What it ran with", "machine": "Machine and packages"}


class Response(Record, frozen=True, kw_only=True):
    status: int
    content: bytes
    kind: str = "text/html; charset=utf-8"
    policy: str = _REPORT


class _NoPage(Exception):
    """There is nothing at this address; says why."""


class Site:
    """The pages of one store. ``pins``: its pin file, which need not exist (yet)."""

    def __init__(self, store: Store, pins: Path | None = None, lang: Lang = "en") -> None:
        self.store = store
        self.pins = pins
        self.lang: Lang = lang
        self._shelf = Shelf(store)
        self._verdicts = Verdicts(store)

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
        except OSError as error:
            return self._refusal(503, f"The store could not be read just now ({error.strerror}). Load the page again.")

    def _index(self, asked: Mapping[str, str]) -> Response:
        del asked
        found = self._shelf.listing()
        pins, damaged = self._pins()
        latest = self._verdicts.latest(found)
        gone = [f"{suite}: {_gone(name, folder)}" for suite, name, folder in found.lost]
        damaged = [*([latest] if isinstance(latest, str) else []), *damaged, *found.damaged, *gone]
        told = latest if isinstance(latest, Latest) else None
        stands = [stand(runs, pins, told.reference if told else "") for runs in found.suites.values()]
        counts = {"damaged": len(damaged), "partial": len(found.partial), "writing": found.writing}
        lines, said, data = overview(stands, counts)
        newest = {each.suite: each.newest for each in stands}
        return self._drawn(
            "serve_index.html.j2",
            data=data,
            listing=found,
            damaged=damaged,
            latest=told,
            names=() if told is None else told.names,
            lines=lines,
            counts=said,
            suites=[
                (suite, suite_link(suite), run_rows(runs[-MOST:], newest[suite]), len(runs)) for suite, runs in found.suites.items()
            ],
        )

    def _suite(self, asked: Mapping[str, str]) -> Response:
        found = self._shelf.listing()
        name = asked.get("name", "")
        runs = found.suites.get(name, [])
        if not runs:
            raise _NoPage(f"No run is of a suite {name!r}.")
        pins, damaged = self._pins()
        latest = self._verdicts.latest(found)
        like = next((each for each in runs if each.name == asked.get("like")), newest_of(runs))
        shown = times(runs, like, pins, latest.reference if isinstance(latest, Latest) else "", suite_link(name))
        return self._drawn(
            "serve_suite.html.j2",
            data=shown.data,
            script=page.asset(_SCRIPT),
            suite=name,
            damaged=damaged,
            rows=run_rows(runs, like),
            times=shown,
            links=linked(runs),
        )

    def _pins(self) -> tuple[Pins, list[str]]:
        try:
            return (Pins() if self.pins is None else read_pins(self.pins)), []
        except SftgateError as error:
            return Pins(), [str(error)]

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
        found = self._shelf.listing()
        if "of" in asked or "against" in asked:
            names = [asked.get(word, "") for word in ("against", "of")]
            sides = [found.of(name) for name in names]
            suites = [suite for suite in sides[0] if suite in sides[1]]
            lost = [f"{suite} is not compared: {_gone(name, folder)}" for suite, name, folder in found.lost if name in names]
            if not suites or names[0] == names[1]:
                why = "These two have no suite in common, or are one. Choose two different candidates."
                raise _NoPage(" ".join([why, *(f"{each}." for each in lost)]))
            old, new = ([side[suite] for suite in suites] for side in sides)
        else:
            old, new = ([each] for each in self._two(found, asked))
            lost = []
        conclusion, measured = compared(self.store, old, new, lost)
        return Response(status=200, content=page.render(conclusion, measured, {}, self.lang).encode())

    def _changed(self, asked: Mapping[str, str]) -> Response:
        old, new = self._two(self._shelf.listing(), asked)
        told = changes(read(self.store, old), read(self.store, new))
        return self._drawn(
            "serve_changed.html.j2",
            data=told,
            changes=told,
            groups=[(TITLES[about], told.about(about)) for about in ABOUT if told.about(about)],
            counted=[
                (each, count_figure(each.count, f"/items/{place}/count")) for place, each in enumerate(told.items) if each.count
            ],
            shared=count_figure(told.shared, "/shared"),
            old=old,
            new=new,
            link=pair_link("/page", old.name, new.name),
            turned=pair_link("/changed", new.name, old.name),
            suite=suite_link(old.run.suite),
        )

    def _two(self, found: Listing, asked: Mapping[str, str]) -> tuple[Listed, Listed]:
        old, new = (found.called(asked.get(word, "")) for word in ("old", "new"))
        if old is None or new is None or old is new:
            raise _NoPage("Choose two different runs of the store.")
        return old, new

    def _refusal(self, status: int, why: str) -> Response:
        return self._drawn("serve_refusal.html.j2", status, why=why)

    def _drawn(
        self, template: str, status: int = 200, data: Any = None, script: str = "", names: Collection[str] = (), **shown: Any
    ) -> Response:
        style = "".join(map(page.asset, _STYLES))
        policy = re.sub("form-action 'none'", "form-action 'self'", page.policy(style, script)) + "; frame-ancestors 'none'"
        drawing = page.environment(self.lang, names).get_template(template)
        text = drawing.render(
            style=Markup(style),
            script=Markup(script),
            data=None if data is None else page.embed(data),
            lang=self.lang,
            status=status,
            store="/".join(self.store.root.resolve().parts[-2:]),
            report=os.path.isfile(self.store.outputs / "report.html"),  # Path's raises where it may not look
            **shown,
        )
        return Response(status=status, content=text.encode("utf-8", "replace"), policy=policy)


def _gone(candidate: str, folder: str) -> str:
    return f"the run of {candidate} that the last measure selected ({folder}) is not there or cannot be read; no other stands in"
