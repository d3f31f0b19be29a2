"""A verdict in a notebook: ``from reports.elsewhere.notebook import verdict; verdict("runs")`` as the last line of a cell.

A table without script, style sheet or picture, in which all text is escaped; what a notebook cannot show stands in its ``repr``.
"""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup, escape

from harness.errors import StoreError
from harness.formats import UnreadableError, understood
from harness.records import Conclusion, Finding, Verdict
from harness.seals import kept
from reports.answer import hero
from reports.hostile import visible
from reports.standing import Gain, standings
from reports.terminal import terminal
from reports.wording import badge, finding_badge, gain_text, interval_text, listed, told_apart


class Shown:
    """A conclusion that a notebook shows as a table."""

    def __init__(self, conclusion: Conclusion) -> None:
        self.conclusion = conclusion

    def __repr__(self) -> str:
        return "\n".join(terminal(self.conclusion))

    def _repr_html_(self) -> str:
        ranked = standings(self.conclusion, {})
        said = hero(self.conclusion, ranked)
        verdicts = {verdict.candidate: verdict for verdict in self.conclusion.verdicts}
        rows = Markup("").join(
            Markup("<tr><th>{}</th><td>{} {}</td><td>{}</td><td>{}</td><td>{}</td></tr>").format(
                visible(each.candidate),
                badge(each.outcome).icon,
                badge(each.outcome).word,
                _gain(each.target),
                _gain(each.worst),
                _unhappy(verdicts[each.candidate]),
            )
            for each in ranked
        )
        also = [f"May ship too: {listed(said.also)}."] if said.also else []
        more = [*also, *(f"{other}." for other in said.others), *filter(None, [said.caution])]
        more += [f"What would change this: {said.change}"] if said.change else []
        below = Markup("").join(Markup("<p>{}</p>").format(visible(line)) for line in more)
        titles = ("Candidate", "Verdict", "Target gain", "Worst retained", "Rules that did not pass")
        head = Markup("").join(Markup("<th>{}</th>").format(title) for title in titles)
        return str(
            Markup("<p><b>{}.</b> {}</p>{}<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(
                visible(said.headline), visible(said.sentence), below, head, rows
            )
        )


def _unhappy(verdict: Verdict) -> Markup:
    """The rules that did not pass, by how they ended: a warning blocks nothing."""
    ends: dict[str, list[Finding]] = {}
    for finding in verdict.findings:
        if finding.outcome != "pass":
            shown = finding_badge(finding)
            ends.setdefault(f"{shown.icon} {shown.word}", []).append(finding)
    lines = (visible(f"{how}: {listed(told_apart(alike))}") for how, alike in ends.items())
    return Markup("<br>").join(lines) or Markup("–")


def _gain(gain: Gain | None) -> Markup:
    if gain is None:
        return Markup("–")
    inside = interval_text(gain.low, gain.high, gain.kind, gain.unit, like=gain.baseline)
    level = "" if gain.low is None and gain.high is None else f"{gain.level:.0%} interval {inside}"
    return Markup("<b>{}</b> {}<br>{}").format(
        gain_text(gain.gain, gain.kind, gain.unit, like=gain.baseline), level, escape(visible(gain.metric))
    )


def verdict(place: Path | str) -> Shown:
    """What stands in a ``verdict.json``, or in that of a store. StoreError where it is missing, changed, or of another format."""
    path = Path(place)
    path = path / "verdict.json" if path.is_dir() else path
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StoreError(f"{str(path)!r} cannot be read: {error.strerror}. Expected a store, or its verdict.json") from error
    try:
        found = understood(content, Conclusion)
    except UnreadableError as error:
        raise StoreError(f"{str(path)!r} {error}. Run sftgate gate again") from error
    if not kept(content):
        raise StoreError(f"{str(path)!r} is not what was written: it was changed, or copied in part. Run sftgate gate again")
    return Shown(found)
