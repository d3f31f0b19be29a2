"""What people said, on the page: every number with its place in the conclusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.records import Agreed, People, Rater, Record, Share
from reports.figures import Figure, Span, count_figure, p_figure, pointer, score_figure
from reports.votes.vote import FATES
from reports.wording import fixed


class Shown(Record, frozen=True, kw_only=True):
    """A number with its interval, its p, and what is to be known of it."""

    figure: Figure | None
    ends: Span | None
    p: Figure | None
    note: str


class AgreedLine(Record, frozen=True, kw_only=True):
    name: str
    value: Shown
    items: Figure


class RaterLine(Record, frozen=True, kw_only=True):
    """``asleep``: failed more attention checks than one in ten explains."""

    name: str
    voted: Figure
    given: Figure
    left: Shown
    longer: Shown
    again: Shown
    failed: Figure
    checks: Figure
    seconds: Figure | None
    hurried: Figure
    asleep: bool


class PeopleCard(Record, frozen=True, kw_only=True):
    """``simulated``: raters who are programs. ``picked``: the items were picked by hand."""

    candidate: str
    suite: str
    package: str
    simulated: tuple[str, ...]
    picked: bool
    voted: Figure
    items: Figure
    votes: Figure
    rates: tuple[tuple[str, Shown], ...]
    labels: tuple[tuple[str, Figure], ...]
    agreement: tuple[AgreedLine, ...]
    raters: tuple[RaterLine, ...]
    aside: tuple[tuple[str, Figure], ...]


def people_cards(said: Mapping[str, Sequence[People]]) -> tuple[PeopleCard, ...]:
    """One for each candidate and package."""
    return tuple(
        _card(name, each, pointer("conclusion", "people", name, place))
        for name, packages in said.items()
        for place, each in enumerate(packages)
    )


def _card(candidate: str, each: People, at: str) -> PeopleCard:
    rates = [("won", _share(each.win, f"{at}/win", each.level))]
    if each.uneven:
        rates.append(("won, every item counting alike", _share(each.plain, f"{at}/plain", each.level)))
    if each.awake is not None:
        rates.append((f"won, without {', '.join(each.dozing)}", _share(each.awake, f"{at}/awake", each.level)))
    rates.append(("won, where all votes agree", _share(each.settled, f"{at}/settled", each.level)))
    words = {str(fate): text for fate, text in FATES.items()}
    return PeopleCard(
        candidate=candidate,
        suite=each.suite,
        package=each.package,
        simulated=each.simulated,
        picked=each.picked,
        voted=count_figure(each.voted, f"{at}/voted"),
        items=count_figure(each.items, f"{at}/items"),
        votes=count_figure(each.votes, f"{at}/votes"),
        rates=tuple(rates),
        labels=tuple((name, count_figure(count, at + pointer("labels", name))) for name, count in each.labels.items()),
        agreement=tuple(_agreed(own, f"{at}/agreement/{place}", each.level) for place, own in enumerate(each.agreement)),
        raters=(
            _rater(each.panel, f"{at}/panel", each),
            *(_rater(own, f"{at}/raters/{place}", each) for place, own in enumerate(each.raters)),
        ),
        aside=tuple((words.get(fate, fate), count_figure(count, f"{at}/aside/{fate}")) for fate, count in each.aside.items()),
    )


def _share(share: Share, at: str, level: float) -> Shown:
    figure = None if share.value is None else score_figure(share.value, f"{at}/value", "bounded")
    ends = _ends(share.low, share.high, at, level, percent=True)
    p = None if share.p is None else p_figure(share.p, f"{at}/p")
    return Shown(figure=figure, ends=ends, p=p, note=share.note)


def _agreed(found: Agreed, at: str, level: float) -> AgreedLine:
    figure = None if found.value is None else Figure(text=fixed(found.value, 2), value=found.value, at=f"{at}/value")
    shown = Shown(
        figure=figure, ends=_ends(found.low, found.high, at, level, percent=False), p=None, note=found.because or found.note
    )
    return AgreedLine(name=found.name, value=shown, items=count_figure(found.items, f"{at}/items"))


def _ends(low: float | None, high: float | None, at: str, level: float, *, percent: bool) -> Span | None:
    if low is None or high is None:
        return None

    def end(value: float, name: str) -> Figure:
        place = f"{at}/{name}"
        return score_figure(value, place, "bounded") if percent else Figure(text=fixed(value, 2), value=value, at=place)

    top = "/".join(at.split("/")[:5])  # of the package: /conclusion/people/NAME/PLACE
    return Span(
        low=end(low, "low"), high=end(high, "high"), level=Figure(text=f"{level * 100:.4g}%", value=level, at=f"{top}/level")
    )


def _rater(rater: Rater, at: str, people: People) -> RaterLine:
    return RaterLine(
        name=rater.name,
        voted=count_figure(rater.voted, f"{at}/voted"),
        given=count_figure(rater.given, f"{at}/given"),
        left=_share(rater.left, f"{at}/left", people.level),
        longer=_share(rater.longer, f"{at}/longer", people.level),
        again=_share(rater.again, f"{at}/again", people.level),
        failed=count_figure(rater.failed, f"{at}/failed"),
        checks=count_figure(rater.checks, f"{at}/checks"),
        seconds=None if rater.seconds is None else Figure(text=fixed(rater.seconds, 1), value=rater.seconds, at=f"{at}/seconds"),
        hurried=count_figure(rater.hurried, f"{at}/hurried"),
        asleep=rater.name in people.dozing,
    )
