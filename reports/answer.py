"""The first screen: the answer, and who gets it."""

from __future__ import annotations

from collections.abc import Sequence

from harness.records import Conclusion, Outcome, Record, Verdict
from reports.figures import Figure, Span, count_figure, gain_figure, pointer, span
from reports.standing import Gain, Standing
from reports.wording import Badge, badge, listed, ship

_SMALL_WORDS = frozenset({"a", "all", "an", "at", "it", "no", "nothing", "the", "there"})


class Hero(Record, frozen=True, kw_only=True):
    """One sentence: ``verb`` says what to do with ``about``. ``trap``: whom a leaderboard by the target alone would have shipped
    instead; ``also``: who else may ship; ``calls``: what to do with the rest, as verb and names."""

    badge: Badge
    verb: str
    about: str = ""
    sentence: str
    change: str = ""
    trap: str = ""
    also: tuple[str, ...] = ()
    calls: tuple[tuple[str, str], ...] = ()

    @property
    def headline(self) -> str:
        """What to do, with whom."""
        return f"{self.verb} {self.about}".strip()

    @property
    def caution(self) -> str:
        """The trap in words; empty where there was none."""
        return f"A leaderboard of the target alone would have shipped {self.trap}." if self.trap else ""

    @property
    def others(self) -> tuple[str, ...]:
        """The rest, each in words."""
        return tuple(f"{verb} {names}" for verb, names in self.calls)


class Shown(Record, frozen=True, kw_only=True):
    """A gain with its interval and where it was measured."""

    metric: str
    against: str
    gain: Figure
    span: Span | None = None
    missing: Figure | None = None


class CandidateLine(Record, frozen=True, kw_only=True):
    name: str
    badge: Badge
    leads: bool
    rank: int
    target: Shown | None
    worst: Shown | None
    beside: tuple[Shown, ...]
    beside_kept: int
    failed_rules: int
    warned_rules: int
    sentence: str
    change: str
    warnings: tuple[str, ...]


def hero(conclusion: Conclusion, standings: Sequence[Standing]) -> Hero:
    """The best candidate that may ship, else the worst news; and the trap that the target alone would have been."""
    verdicts = {verdict.candidate: verdict for verdict in conclusion.verdicts}
    if not verdicts:
        return Hero(
            badge=badge(conclusion.outcome),
            verb="Unknown",
            sentence="There is no candidate to decide about: only the baseline was measured.",
        )
    ordered = [each for each in standings if each.candidate in verdicts]
    passing = [each for each in ordered if each.outcome == "pass"]
    shown = passing[0] if passing else next((each for each in ordered if each.outcome == conclusion.outcome), ordered[0])
    verdict = verdicts[shown.candidate]
    if not conclusion.policy and _only_informs(verdict):
        return _compared(verdict, conclusion.baseline)
    also = tuple(each.candidate for each in passing if each.candidate != shown.candidate)
    leader = ordered[0]
    trapped = leader.leads and leader.outcome != "pass" and passing
    others: dict[str, list[str]] = {}
    for each in ordered:
        if each.outcome != "pass" and each is not shown:
            others.setdefault(_verb(each.outcome), []).append(each.candidate)
    return Hero(
        badge=badge(verdict.outcome),
        verb=_verb(verdict.outcome),
        about=verdict.candidate,
        sentence=spoken(verdict),
        change=verdict.change,
        trap=leader.candidate if trapped else "",
        also=also,
        calls=tuple((verb, listed(names)) for verb, names in others.items()),
    )


def _only_informs(verdict: Verdict) -> bool:
    """Rules were there to show numbers, and none to decide by."""
    said = verdict.outcome == "inconclusive" and bool(verdict.findings)
    return said and all(finding.rule.severity == "inform" for finding in verdict.findings)


def _compared(verdict: Verdict, baseline: str) -> Hero:
    worse = sum(finding.outcome == "fail" for finding in verdict.findings)
    surely = f"{worse} of {len(verdict.findings)} are surely worse" if worse else f"none of {len(verdict.findings)} is surely worse"
    return Hero(
        badge=Badge(outcome="inform", icon="·", word="Compared", tone="mute"),
        verb="Compared:",
        about=verdict.candidate,
        sentence=f"Of what the suites measure first, {surely} than {baseline}’s. No policy decides here.",
    )


def _verb(outcome: Outcome) -> str:
    word = ship(outcome)
    return f"{word} whether to ship" if word == "Unknown" else word


def spoken(verdict: Verdict) -> str:
    """The verdict's sentence without the candidate and the decision, which stand beside it."""
    text = verdict.sentence
    for start in ("Ship {}: ", "Do not ship {}: ", "Unknown whether {} may ship: "):
        text = text.removeprefix(start.format(verdict.candidate))
    return capitalised(text)


def capitalised(text: str) -> str:
    """``text`` with a capital, unless it starts with a name, which keeps its own letters."""
    return text[:1].upper() + text[1:] if text.split(" ", 1)[0] in _SMALL_WORDS else text


def candidate_lines(conclusion: Conclusion, standings: Sequence[Standing]) -> tuple[CandidateLine, ...]:
    verdicts = {verdict.candidate: verdict for verdict in conclusion.verdicts}
    return tuple(_candidate_line(index, each, verdicts[each.candidate]) for index, each in enumerate(standings))


def _candidate_line(index: int, standing: Standing, verdict: Verdict) -> CandidateLine:
    unhappy = [finding for finding in verdict.findings if finding.outcome != "pass"]
    return CandidateLine(
        name=standing.candidate,
        badge=badge(standing.outcome),
        leads=standing.leads,
        rank=index + 1,
        target=_shown(standing.target, pointer("standings", index, "target")),
        worst=_shown(standing.worst, pointer("standings", index, "worst")),
        beside=tuple(
            _other(each, pointer("standings", index, "beside", place))
            for place, each in enumerate(standing.beside)
            if each.gain < 0
        ),
        beside_kept=sum(each.gain >= 0 for each in standing.beside),
        failed_rules=sum(finding.rule.severity == "block" for finding in unhappy),
        warned_rules=sum(finding.rule.severity == "warn" for finding in unhappy),
        sentence=spoken(verdict),
        change=verdict.change,
        warnings=verdict.warnings,
    )


def _shown(gain: Gain | None, at: str) -> Shown | None:
    if gain is None:
        return None
    return _other(gain, at)


def _other(gain: Gain, at: str) -> Shown:
    figure = gain_figure(gain.gain, f"{at}/gain", gain.kind, gain.unit, like=gain.baseline)
    missing = count_figure(gain.missing, f"{at}/missing") if gain.missing else None
    return Shown(metric=gain.metric, against=gain.against, gain=figure, span=span(gain, at), missing=missing)
