"""Row 5: one adapter of the fleet is trained again: only its own requests may be asked."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.fleet import SUITE, make_fleet, measure_fleet
from benchmarks.models import random_adapter
from benchmarks.row import Outcome, Setting, Unequal, row
from harness.journal import Journal


@dataclass(frozen=True)
class OneAdapterChanged:
    """Counts, not seconds: they are exact, so one run is enough."""

    name: str = "one adapter of nine changed, requests asked, against first run"
    target: float = 9.0

    def run(self, setting: Setting) -> Outcome:
        """New weights at the same path under the same name. Requests are counted as sent, and as new in the journal."""
        fleet = make_fleet(setting)
        store = setting.place / "store"
        prepared, first = measure_fleet(fleet, store)
        per_candidate = {name: prepared.store.read(first.paths[SUITE, name]).run.sent_requests for name in fleet.candidates}
        changed = list(fleet.adapters)[-1]
        random_adapter(fleet.base, fleet.adapters[changed], seed=1000)
        with Journal(prepared.store.journal_path) as journal:
            before = journal.count()
        _, second = measure_fleet(fleet, store)
        with Journal(prepared.store.journal_path) as journal:
            added = journal.count() - before
        own, others = per_candidate[changed], len(fleet.candidates) - 1
        if second.skipped != others or second.engines != 1:
            raise Unequal(f"{second.skipped} of {others} unchanged candidates were skipped, {second.engines} engines started")
        if added != second.sent:
            raise Unequal(f"{second.sent} requests were sent, and the journal has {added} new answers")
        return Outcome(
            row=row(self.name, ours=second.sent, theirs=first.sent, target=first.sent / own, condition=second.sent == own),
            what="requests asked of an engine after the change, and in the first run",
            facts={
                "asked after the change": second.sent,
                "the changed adapter's own requests": own,
                "asked in the first run": first.sent,
                "seconds after the change": round(second.seconds, 3),
                "seconds of the first run": round(first.seconds, 3),
                "fleet": fleet.describe(),
            },
        )
