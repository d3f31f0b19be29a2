"""What people said, on the page: every number with its place in the conclusion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from markupsafe import Markup
from msgspec import structs

from harness.records import Agreed, People, Rater, Record, Share
from reports.drawing.strips import Mark, axis, marks, shared, stacked
from reports.drawing.svg import Scale
from reports.figures import Figure, Span, count_figure, p_figure, pointer, score_figure
from reports.votes.vote import FATES
from reports.wording import fixed

EVEN = 0.5
"""A share at which neither answer is preferred."""


class Shown(Record, frozen=True, kw_only=True):
    """A number with its interval, its p, and what is to be known of it."""

    figure: Figure | None
    ends: Span | None
    p: Figure | None
    note: str
    picture: Markup | None = None


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
    habits: Markup | None


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
    level: Figure
    votes_bar: Markup
    rates: tuple[tuple[str, Shown], ...]
    rates_axis: Markup | None
    agreement_axis: Markup | None
    habits_axis: Markup | None
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
    shares = {"win": "won"}
    if each.uneven:
        shares["plain"] = "won, every item counting alike"
    if each.awake is not None:
        shares["awake"] = f"won, without {', '.join(each.dozing)}"
    shares["settled"] = "won, where all votes agree"
    known = {name: getattr(each, name) for name in shares}
    scale = _scale(known.values(), include=(EVEN,))
    rates = [
        (word, structs.replace(_share(known[name], f"{at}/{name}", each.level), picture=_mark(word, known[name], scale, EVEN)))
        for name, word in shares.items()
    ]
    agreed = _scale(each.agreement, include=(0.0, 1.0))
    own = (each.panel, *each.raters)
    habits = _scale([share for rater in own for share in (rater.left, rater.longer)], include=(EVEN,))
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
        level=Figure(text=f"{each.level * 100:.4g}%", value=each.level, at=f"{at}/level"),
        votes_bar=_votes(candidate, each),
        rates=tuple(rates),
        rates_axis=axis(scale, "bounded") if any(share.value is not None for share in known.values()) else None,
        agreement_axis=axis(agreed) if any(found.value is not None for found in each.agreement) else None,
        habits_axis=axis(habits, "bounded") if any(rater.left.value is not None for rater in own) else None,
        labels=tuple((name, count_figure(count, at + pointer("labels", name))) for name, count in each.labels.items()),
        agreement=tuple(
            _agreed(found, f"{at}/agreement/{place}", each.level, agreed) for place, found in enumerate(each.agreement)
        ),
        raters=(
            _rater(each.panel, f"{at}/panel", each, habits),
            *(_rater(rater, f"{at}/raters/{place}", each, habits) for place, rater in enumerate(each.raters)),
        ),
        aside=tuple((words.get(fate, fate), count_figure(count, f"{at}/aside/{fate}")) for fate, count in each.aside.items()),
    )


_SIDES = {
    "win": ("candidate, much", "candidate"), "tie": ("tie",), "both bad": ("both bad",), "loss": ("baseline", "baseline, much"),
}  # fmt: skip


def _votes(candidate: str, each: People) -> Markup:
    """The votes as one bar, the candidate's first."""
    counts = {word: sum(each.labels.get(name, 0) for name in names) for word, names in _SIDES.items()}
    looks = {"both bad": "tie"}
    words = f"{candidate}: " + ", ".join(f"{word} {count}" for word, count in counts.items())
    return stacked([(word, count, looks.get(word, word)) for word, count in counts.items()], words)


def _scale(found: Iterable[Share | Agreed], include: Sequence[float]) -> Scale:
    return shared([value for each in found for value in (each.value, each.low, each.high)], include)


def _mark(word: str, found: Share | Agreed, scale: Scale, zero: float) -> Markup | None:
    if found.value is None:
        return None
    return marks([Mark(value=found.value, low=found.low, high=found.high)], scale, f"{word}: {fixed(found.value, 2)}", zero)


def _share(share: Share, at: str, level: float) -> Shown:
    figure = None if share.value is None else score_figure(share.value, f"{at}/value", "bounded")
    ends = _ends(share.low, share.high, at, level, percent=True)
    p = None if share.p is None else p_figure(share.p, f"{at}/p")
    return Shown(figure=figure, ends=ends, p=p, note=share.note)


def _agreed(found: Agreed, at: str, level: float, scale: Scale) -> AgreedLine:
    figure = None if found.value is None else Figure(text=fixed(found.value, 2), value=found.value, at=f"{at}/value")
    shown = Shown(
        figure=figure,
        ends=_ends(found.low, found.high, at, level, percent=False),
        p=None,
        note=found.because or found.note,
        picture=_mark(found.name, found, scale, 0.0),
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


def _rater(rater: Rater, at: str, people: People, scale: Scale) -> RaterLine:
    leans = [(share, shape) for share, shape in ((rater.left, "disc"), (rater.longer, "square")) if share.value is not None]
    found = [Mark(value=share.value or 0.0, low=share.low, high=share.high, shape=shape) for share, shape in leans]
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
        habits=marks(found, scale, f"{rater.name or 'all'}: " + ", ".join(fixed(each.value, 2) for each in found), EVEN)
        if found
        else None,
    )
