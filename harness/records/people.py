"""What people said in a blind review, and whether they can be relied on: for reading."""

from __future__ import annotations

from collections.abc import Sequence

from harness.records.record import Record

SIMULATED = "simulated-"
"""How the name of a rater begins that is a program: the demo's panel. Nobody may take its votes for those of people."""


class Share(Record, frozen=True, kw_only=True):
    """A number with its interval; None where it is undefined, and ``note`` says why, or what is to be known of it. ``p``: of no
    effect, where that is asked. ``count``: what it is of (votes, items, pairs)."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    count: int = 0
    method: str = ""
    note: str = ""


class Agreed(Record, frozen=True, kw_only=True):
    """One coefficient of agreement over the ``items`` with two votes or more. ``because``: why it is undefined."""

    name: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    items: int = 0
    because: str = ""
    note: str = ""


class Rater(Record, frozen=True, kw_only=True):
    """One rater, or all of them (``name`` empty). ``given``: rows that they were asked about; ``voted``: of those, with a vote.

    ``left``: share of decided votes for the answer on the left (sides were drawn at random: one half is no bias); ``longer``: for
    the longer one, which may well be the better. ``seconds``: median per vote, None where no times are known; ``pace``: against
    the median of all votes; ``hurried``: votes that came sooner than the texts can be read.
    ``again``: share of planted duplicates on which they said the same of the same answers; ``again_kappa`` beyond chance.
    ``failed`` of ``checks`` planted attention checks went wrong; ``checks_p``: of failing no more than one in ten.
    """

    name: str = ""
    given: int = 0
    voted: int = 0
    left: Share = Share()
    longer: Share = Share()
    seconds: float | None = None
    pace: float | None = None
    hurried: int = 0
    again: Share = Share()
    again_kappa: Share = Share()
    failed: int = 0
    checks: int = 0
    checks_p: float | None = None

    @property
    def simulated(self) -> bool:
        """Whether a program voted under this name, and no person."""
        return self.name.startswith(SIMULATED)


class People(Record, frozen=True, kw_only=True):
    """One package and what came back.

    ``suite``: whose answers were shown; ``items`` of the package, planted rows not counted; ``voted``: of those, with a vote that
    counts; ``votes`` on them. ``aside``: why other statements do not count -> how many. ``labels``: how often each thing was said
    of an item, in terms of the arms.
    ``picked``: somebody picked the items by hand, so that nothing here says anything of other items.
    ``win``: share of items won by the candidate (ties and "both bad" are halves, several votes on an item are averaged), each item
    counted by its weight over its probability to be drawn, clusters of items together; ``p``: of one half. ``uneven``: items had
    unlike probabilities. ``plain``: the same with every item counting alike. ``awake``: without ``dozing``, the raters who failed
    more attention checks than chance would have it. ``settled``: over the items on which all votes went one way.
    ``agreement``: in terms of the arms, over items; ``raters`` one by one, and ``panel`` all together.
    """

    package: str
    suite: str
    items: int = 0
    voted: int = 0
    votes: int = 0
    aside: dict[str, int] = {}
    labels: dict[str, int] = {}
    picked: bool = False
    win: Share = Share()
    plain: Share = Share()
    uneven: bool = False
    awake: Share | None = None
    dozing: tuple[str, ...] = ()
    settled: Share = Share()
    agreement: tuple[Agreed, ...] = ()
    raters: tuple[Rater, ...] = ()
    panel: Rater = Rater()
    level: float = 0.95

    @property
    def simulated(self) -> tuple[str, ...]:
        """The raters who voted and are no people."""
        return tuple(rater.name for rater in self.raters if rater.simulated and rater.voted)


def only_picked(said: Sequence[People]) -> tuple[str, ...]:
    """The packages behind ``human/win`` where all of them hold items that were picked by hand. Of packages of both kinds only those
    whose items were drawn count."""
    return tuple(people.package for people in said) if all(people.picked for people in said) else ()
