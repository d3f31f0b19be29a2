"""The table in Markdown, and what it says of careless against careful."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.methods.measuring import GENERAL, Item, Measured, pairs
from benchmarks.methods.recipes import CAREFUL, CARELESS

BEGIN, END = "<!-- methods:begin -->", "<!-- methods:end -->"
COLUMNS = ("target gain", "forgetting", "CPU seconds", "memory, MB", "tokens per CPU second", "trained")


def table(base: Measured, found: Mapping[str, Measured], questions: Sequence[Item]) -> str:
    """One line per recipe: gain and loss in points against the base, with p of "no difference" by clusters."""
    lines = ["| | " + " | ".join(COLUMNS) + " |", "|---|" + "--:|" * len(COLUMNS)]
    for name, each in found.items():
        share = each.parameters / each.parameters_total
        cells = (
            _points(questions, ("target",), base, each), _points(questions, GENERAL, base, each, sign=-1), f"{each.seconds:.1f}",
            f"{each.memory / 1e6:.0f}", f"{each.tokens / each.seconds:,.0f}", f"{share:.1%}",
        )  # fmt: skip
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def ordering(found: Mapping[str, Measured], questions: Sequence[Item]) -> str:
    """Whether careless settings forget more than careful ones, one-sided; empty where one of the two was not asked for."""
    if CARELESS not in found or CAREFUL not in found:
        return ""
    kept = pairs(questions, GENERAL, found[CARELESS], found[CAREFUL])
    return f"Careful keeps {100 * kept.gain:.1f} points more than careless (p = {kept.test(0.0, 'greater').p:.2g})."


def _points(questions: Sequence[Item], suites: Sequence[str], base: Measured, each: Measured, *, sign: int = 1) -> str:
    found = pairs(questions, suites, base, each)
    return f"{sign * 100 * found.gain:+.1f} (p {found.test(0.0, 'two-sided').p:.1g})"
