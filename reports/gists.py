"""What a folded section holds, in a few counts: enough to know whether to open it."""

from __future__ import annotations

from collections.abc import Sequence

from harness.records import Conclusion, Record
from reports import panels
from reports.figures import Figure, count_figure, pointer
from reports.retained import KeptLine
from reports.trained.curves import TrainingCard

SURE = 0.05
"""A corrected p up to which a slice is counted."""


class Gist(Record, frozen=True, kw_only=True):
    """``count`` of ``word``; ``bad`` where one would rather see none."""

    word: str
    count: Figure
    bad: bool = False


Counts = dict[str, dict[str, int]]
BAD = frozenset({"surely worse", "rejected", "concerns", "must be equal and is not", "in quarantine"})


def counted(
    conclusion: Conclusion,
    kept: Sequence[KeptLine],
    latency: Sequence[panels.LatencyLine],
    trainings: Sequence[TrainingCard],
    same: panels.Comparability,
) -> Counts:
    """Section -> word -> count, as the page embeds it."""
    worse = sum(cell.sure and cell.worse for line in kept for cell in line.cells)
    surely = [each for each in conclusion.slices if each.p_bh is not None and each.p_bh <= SURE and (each.gain or 0.0) < 0]
    admitted = [each.admitted for each in conclusion.admissions.values()]
    slower = [line for line in latency if line.span and line.span.high and (line.span.high.value or 0.0) < 0]
    return {
        "comparability": {
            "checks": len(conclusion.parity),
            "not equal": len(same.unequal),
            "in quarantine": len(conclusion.quarantined),
        },
        "forgetting": {
            "retained metrics": len(kept),
            "surely worse": worse,
            "lost by every candidate": sum(each.count for each in conclusion.lost_by_all),
        },
        "slices": {"slices": len(conclusion.slices), "surely worse": len(surely)},
        "judges": {"admitted": sum(admitted), "rejected": len(admitted) - sum(admitted)},
        "people": {"packages": sum(len(each) for each in conclusion.people.values())},
        "latency": {"metrics": len({line.metric for line in latency}), "surely worse": len(slower)},
        "training": {"trainings": len(trainings), "concerns": sum(len(each.concerns) for each in trainings)},
        "history": {"suites": len(conclusion.history)},
    }


def gists(counts: Counts) -> dict[str, tuple[Gist, ...]]:
    """Section -> what stands beside its title. A bad thing that did not happen is not told."""
    return {
        section: tuple(
            Gist(word=word, count=count_figure(count, pointer("gists", section, word)), bad=word in BAD)
            for word, count in words.items()
            if count
        )
        for section, words in counts.items()
    }
