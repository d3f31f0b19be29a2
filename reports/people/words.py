"""What people said, in sentences for a terminal."""

from __future__ import annotations

from harness.records import Agreed, People, Rater, Share


def told(people: People) -> list[str]:
    """The win rate first, then whether the raters can be relied on, then each of them."""
    lines = [f"not people: {', '.join(people.simulated)} are programs, and their votes a simulation"] if people.simulated else []
    if people.picked:
        lines.append("picked by hand: no sample; these votes say nothing of other items, and hold up or let pass no release")
    lines += [
        f"{people.voted} of {people.items} items have votes, {people.votes} in all by {_count(len(_voters(people)), 'rater')}: "
        + ", ".join(f"{name} {count}" for name, count in people.labels.items()),
        f"won by the candidate: {_share(people.win)} of {people.win.count} items{_p(people.win, 'of one half')}; "
        f"all intervals here are {100 * people.level:g} % ones",
    ]
    if people.uneven:
        lines.append(f"  items were drawn with unlike chances; every item counting alike it would be {_share(people.plain)}")
    if people.awake is not None:
        lines.append(f"  without {', '.join(people.dozing)}, who failed attention checks: {_share(people.awake)}")
    lines += [_agreed(each) for each in people.agreement]
    lines += [line for rater in (people.panel, *people.raters) for line in _habits(rater)]
    return lines


def _voters(people: People) -> list[Rater]:
    return [rater for rater in people.raters if rater.voted]


def _agreed(found: Agreed) -> str:
    if found.value is None:
        return f"{found.name}: undefined, because {found.because or found.note}"
    ends = "" if found.low is None or found.high is None else f" ({found.low:.2f} to {found.high:.2f})"
    return f"{found.name}: {found.value:.2f}{ends}, {_count(found.items, 'item')} with two votes or more"


def _habits(rater: Rater) -> list[str]:
    parts = [f"{rater.voted} of {rater.given} rows"]
    for share, what in (
        (rater.left, "for answer 1"),
        (rater.longer, "for the longer answer"),
        (rater.again, "alike on duplicates"),
    ):
        if share.value is not None:
            parts.append(f"{_share(share)} {what}{_p(share, 'of one half')}")
    if rater.checks:
        parts.append(f"failed {rater.failed} of {_count(rater.checks, 'attention check')}")
    if rater.seconds is not None:
        hurried = f", {rater.hurried} sooner than it can be read" if rater.hurried else ""
        parts.append(f"{rater.seconds:.0f} s a vote{hurried}")
    return [f"{rater.name or 'all raters'}: {'; '.join(parts)}"]


def _share(share: Share) -> str:
    if share.value is None:
        return f"nothing to be said ({share.note})"
    ends = "" if share.low is None or share.high is None else f" ({100 * share.low:.1f} to {100 * share.high:.1f})"
    return f"{100 * share.value:.1f} %{ends}"


def _p(share: Share, of: str) -> str:
    return "" if share.p is None else f", p {share.p:.3g} {of}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
