"""The last verdict of a store, as its first page tells it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from harness.history import instant
from harness.records import Conclusion, Record
from harness.seals import kept
from harness.store import Store
from reports.sentences import names_of
from reports.serve.listing import Listing
from reports.wording import Badge, badge, called, moment, ship


class Told(Record, frozen=True, kw_only=True):
    """One candidate's verdict."""

    candidate: str
    badge: Badge
    ship: str
    sentence: str


class Latest(Record, frozen=True, kw_only=True):
    """``measured``: runs that are newer than it; ``names``: what its sentences speak of;
    ``reference``: whom it measured forgetting against, where that is one."""

    when: str
    baseline: str
    reference: str
    verdicts: tuple[Told, ...]
    measured: int
    names: frozenset[str]


class Verdicts:
    """``verdict.json``, read once, as long as it stays as it is."""

    def __init__(self, store: Store) -> None:
        self.file: Path = store.outputs / "verdict.json"
        self._known: tuple[tuple[int, int], Conclusion | str] | None = None

    def latest(self, listing: Listing) -> Latest | str | None:
        """None where none was given yet; why, where it cannot be read."""
        found = self._read()
        if not isinstance(found, Conclusion):
            return found
        references = set(found.reference.values())
        order = {"good": 1, "mute": 2}
        told = [
            Told(candidate=each.candidate, badge=badge(each.outcome), ship=ship(each.outcome), sentence=each.sentence)
            for each in found.verdicts
        ]
        return Latest(
            when=moment(found.created),
            baseline=called(found.baseline, found.pins),
            reference=references.pop() if len(references) == 1 else "",
            verdicts=tuple(sorted(told, key=lambda each: order.get(each.badge.tone, 0))),
            names=names_of(found),
            measured=sum(instant(each.run.created) > instant(found.created) for each in listing.runs),
        )

    def _read(self) -> Conclusion | str | None:
        try:
            found = self.file.stat()
            stamp = found.st_mtime_ns, found.st_size
            if self._known is None or self._known[0] != stamp:
                self._known = stamp, _decoded(self.file.read_bytes())
        except OSError:
            return None
        return self._known[1]


def _decoded(content: bytes) -> Conclusion | str:
    try:
        conclusion = msgspec.json.decode(content, type=Conclusion)
        intact = kept(content)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return f"verdict.json cannot be read: {error}. Run: sftgate gate CONFIG"
    return conclusion if intact else "verdict.json is not what the gate wrote: it was changed since. Run: sftgate gate CONFIG"
