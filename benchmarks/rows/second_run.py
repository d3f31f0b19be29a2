"""Row 4: the same gate again with nothing changed: no engine may start."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from benchmarks.fleet import make_fleet, measure_fleet
from benchmarks.row import Outcome, Setting, Unequal, alternate, row


@dataclass(frozen=True)
class SecondRun:
    """First and second run of the fleet's gate, each pair on a fresh store."""

    name: str = "second run, nothing changed, against first run"
    target: float = 50.0

    def run(self, setting: Setting) -> Outcome:
        """Both runs go from the config to the selected runs on disk; fingerprints are taken anew from the files."""
        fleet = make_fleet(setting)
        measure_fleet(fleet, setting.place / "warm up")
        stores = (setting.place / f"store{number}" for number in itertools.count())
        used = []

        def first() -> None:
            used.append(next(stores))
            measure_fleet(fleet, used[-1])

        (before, _), (after, seconds) = alternate(
            ("first run", first), ("second run", lambda: measure_fleet(fleet, used[-1])[1]), setting
        )
        for measurement in seconds:
            if measurement is None or measurement.sent or measurement.skipped != len(fleet.candidates):
                raise Unequal(f"the second run did not find the first one's work: {measurement}")
        starts = sum(measurement.engines for measurement in seconds if measurement is not None)
        return Outcome(
            row=row(self.name, ours=after.median_seconds, theirs=before.median_seconds, target=self.target, condition=starts == 0),
            what="seconds of the second and of the first run of the same gate",
            facts={"second": after, "first": before, "engine starts in second runs": starts, "fleet": fleet.describe()},
        )
