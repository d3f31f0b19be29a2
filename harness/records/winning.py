"""What judges and people say about who answers better, for reading: win rates, strengths of several, and judges beside people."""

from __future__ import annotations

from harness.records.record import Record


class WinRate(Record, frozen=True, kw_only=True):
    """How often a candidate's answer was preferred to the baseline's (ties are halves), over all ``items`` of one metric ``win``,
    or over those whose slices say ``field = value``.

    ``rate`` is that of compare and gate. ``consistent``: over the ``consistent_items`` on which no judge contradicted itself when
    the sides were exchanged, or could not be read. ``length`` and ``style``: as it would be if both answers were alike in length;
    in length, headings, list items and bold spans (an adjustment, not a correction: where longer answers are better, it takes that
    away, too). ``length_slope``: log-odds per standard deviation of extra length. ``first`` and ``second``: items on which one
    judge preferred the first slot in both orders, or the second; ``unparsable``: verdicts that could not be read, of ``verdicts``.
    What could not be had is None, and ``note`` says why.
    """

    metric: str
    candidate: str
    baseline: str
    items: int
    clusters: int
    field: str = ""
    value: str = ""
    rate: float | None = None
    low: float | None = None
    high: float | None = None
    consistent_items: int = 0
    consistent: float | None = None
    consistent_low: float | None = None
    consistent_high: float | None = None
    length: float | None = None
    length_low: float | None = None
    length_high: float | None = None
    length_slope: float | None = None
    style: float | None = None
    style_low: float | None = None
    style_high: float | None = None
    first: int = 0
    second: int = 0
    verdicts: int = 0
    unparsable: int = 0
    level: float = 0.90
    note: str = ""


class Strengths(Record, frozen=True, kw_only=True):
    """Bradley and Terry's strengths of everybody in one metric ``win``: logarithms around their mean, so that a difference of 1 is
    odds of e. ``lows`` and ``highs`` by resampling the ``items``. Empty where there are none, and ``note`` says why."""

    metric: str
    names: tuple[str, ...]
    strengths: tuple[float, ...] = ()
    lows: tuple[float | None, ...] = ()
    highs: tuple[float | None, ...] = ()
    comparisons: int = 0
    items: int = 0
    level: float = 0.90
    note: str = ""


class Calibrated(Record, frozen=True, kw_only=True):
    """A judge's verdicts on one candidate beside what people said of the same answers.

    Of ``items`` judged pairs of answers that differ, people saw ``labelled``. ``confusion``: what the judge said (won, tied, lost:
    rows) where people said (columns). ``accuracy`` and Cohen's ``kappa`` are of judge and people, a person's majority standing for
    several. Over the ``shared`` items with two people or more: ``judge_kappa`` with single people, ``people_kappa`` among
    themselves, which no judge can be asked to exceed, and their ``gap`` (with interval).
    Win rates: ``human`` from people alone; ``judged`` from the judge alone, over all; ``powered`` from both (PPI++), with ``lam``,
    how much the judge is listened to, and ``saved``, the human labels that it stands for. Where ``because`` says why the judge is
    not used, ``powered`` is what people alone say, and nothing is saved. ``corrected``: of a judge without ties, by its errors on
    the labelled items (Rogan and Gladen); ``corrected_because``: why not.
    """

    metric: str
    candidate: str
    baseline: str
    judge: str = ""
    items: int = 0
    labelled: int = 0
    raters: int = 0
    confusion: tuple[tuple[int, ...], ...] = ()
    accuracy: float | None = None
    kappa: float | None = None
    kappa_low: float | None = None
    kappa_high: float | None = None
    kappa_because: str = ""
    shared: int = 0
    judge_kappa: float | None = None
    people_kappa: float | None = None
    gap: float | None = None
    gap_low: float | None = None
    gap_high: float | None = None
    gap_because: str = ""
    human: float | None = None
    human_low: float | None = None
    human_high: float | None = None
    judged: float | None = None
    powered: float | None = None
    powered_low: float | None = None
    powered_high: float | None = None
    lam: float | None = None
    saved: float | None = None
    because: str = ""
    corrected: float | None = None
    corrected_low: float | None = None
    corrected_high: float | None = None
    corrected_because: str = ""
    level: float = 0.90
    note: str = ""
