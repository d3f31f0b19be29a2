"""Win rates with and without what a judge's taste explains, the strengths of several, and judges beside people."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from msgspec import structs
from scipy.optimize import minimize

from harness.compare.winning import CONTROLLED, consistent, differences, with_controlled
from harness.gate import Policy, conclude
from harness.records import Calibrated, Conclusion, Judgment, Measured, Metric, People, Rule, Sample, WinRate
from tests.harness.runs import measured, table

WIN = {"win": Metric(kind="bounded"), **CONTROLLED}
ORDERS = ("left", "right")


def opinions(left: float | None, right: float | None, *, judge: str = "j") -> tuple[Judgment, ...]:
    """One judge's verdicts in both orders."""
    return tuple(Judgment(score=score, judge=judge, order=order) for score, order in zip((left, right), ORDERS, strict=True))  # type: ignore[arg-type]


def side(
    name: str,
    said: Sequence[tuple[float, float]],
    texts: Sequence[str],
    others: Sequence[str] | None = None,
    *,
    suite: str = "pref",
    **fields: Sequence[Any],
) -> Measured:
    """A run in which item by item a judge gave these scores in both orders; ``others`` are the baseline's answers."""
    listed = []
    for index, ((left, right), text) in enumerate(zip(said, texts, strict=True)):
        extra = {field: values[index] for field, values in fields.items()}
        listed.append(
            Sample(
                key=f"k{index}", task="", outputs=(text,), scores={"win": (left + right) / 2}, judgments=opinions(left, right),
                **extra,
            )
        )  # fmt: skip
    theirs = list(texts) if others is None else others
    both = {f"k{index}": pair for index, pair in enumerate(zip(texts, theirs, strict=True))}
    return measured(name, with_controlled(listed, both), suite=suite, metrics=WIN, primary="win", use="preference")


def even(texts: Sequence[str], **fields: Sequence[Any]) -> Measured:
    """The baseline, which ties with itself without anybody being asked."""
    found = side("base", [(0.5, 0.5)] * len(texts), texts, **fields)
    samples = tuple(Sample(**{**_fields(each), "judgments": (Judgment(score=0.5),)}) for each in found.samples)
    return Measured(run=found.run, samples=samples)


def _fields(sample: Sample) -> dict[str, Any]:
    return {name: getattr(sample, name) for name in Sample.__struct_fields__}


def concluded(*runs: Measured, **policy: Any) -> Conclusion:
    settings: dict[str, Any] = {"baseline": "base", "seed": 1, "bad_answers": False, **policy}
    return conclude(table(*runs), Policy(**settings), created="", environment={})


def rates(*runs: Measured) -> tuple[WinRate, ...]:
    return concluded(*runs).win_rates


# --------------------------------------------------------------------------------------------------------- one item


@pytest.mark.parametrize(
    ("own", "other", "expected"),
    [
        ("abc", "abcde", (-2, 0, 0, 0)),
        ("# a\n## b\n#c\n####### d", "", (21, 2, 0, 0)),
        ("- a\n* b\n  1. c\n2) d\n-e\n3.f\n一、", "", (29, 0, 4, 0)),
        ("**a** and __b__ and **c\n**", "**x**", (21, 0, 0, 1)),
        ("  same  ", "same", (0, 0, 0, 0)),
    ],
)
def test_answers_differ_in_length_headings_lists_and_bold(own: str, other: str, expected: tuple[float, ...]) -> None:
    assert differences(own, other) == tuple(float(each) for each in expected)


@pytest.mark.parametrize(
    "bomb", ["*" * 200_000, " " * 200_000, "**a" * 70_000, "#" * 200_000, "_" * 200_000, "1" * 200_000, "\n " * 99_999]
)
def test_marks_are_counted_in_linear_time(bomb: str) -> None:
    assert differences(bomb, "")[1:3] == (0.0, 0.0)


@pytest.mark.parametrize(
    ("judgments", "expected"),
    [
        (opinions(1.0, 1.0), True),
        (opinions(1.0, 0.0), False),
        (opinions(1.0, 0.5), False),
        (opinions(1.0, None), False),
        (opinions(0.9, 0.8), True),
        (opinions(1.0, 1.0) + opinions(0.0, 0.0, judge="other"), True),
        (opinions(1.0, 1.0) + opinions(0.0, 1.0, judge="other"), False),
        ((), False),
        ((Judgment(score=1.0),), True),
        ((Judgment(score=1.0, order="left"),), False),
        ((*opinions(1.0, 1.0), Judgment(score=0.0, judge="j", criterion="style")), True),
    ],
)
def test_an_item_is_consistent_where_no_judge_contradicts_itself(judgments: tuple[Judgment, ...], expected: bool) -> None:
    assert consistent(judgments) is expected


# ------------------------------------------------------------------------------------------------------- all of them


def long_winded(count: int = 120) -> tuple[Measured, Measured]:
    """The candidate's answers are longer on most items, and it wins where they are: at equal length it is no better."""
    rng = np.random.default_rng(7)
    extra = np.where(rng.random(count) < 0.8, 60, -60)
    won = rng.random(count) < np.where(extra > 0, 0.8, 0.2)
    base = ["b" * 200 for _ in range(count)]
    own = ["a" * (200 + int(more)) for more in extra]
    return even(base), side("new", [(float(each), float(each)) for each in won], own, base)


def test_a_win_rate_that_length_explains_is_shown_without_it() -> None:
    """By an independent fit: the penalised logistic regression on tanh(difference / root mean square), read at no difference."""
    base, new = long_winded()
    scores = np.array([(sample.scores or {})["win"] for sample in new.samples])
    gaps = np.array([len(sample.outputs[0]) - 200 for sample in new.samples], dtype=float)
    x = np.tanh(gaps / math.sqrt(float((gaps**2).mean())))

    def loss(b: np.ndarray[Any, Any]) -> float:
        z = b[0] + b[1] * x
        return float((np.logaddexp(0, z) - scores * z).sum() + (b @ b) / (2 * 25))

    a, slope = minimize(loss, np.zeros(2), tol=1e-12).x
    (rate,) = rates(base, new)
    assert rate.rate == pytest.approx(scores.mean())
    assert rate.rate is not None
    assert rate.rate > 0.6
    assert rate.length == pytest.approx(1 / (1 + math.exp(-a)), abs=1e-5)
    assert rate.length_slope == pytest.approx(slope, abs=1e-4)
    assert rate.length is not None
    assert abs(rate.length - 0.5) < 0.12
    assert rate.length_low is not None
    assert rate.length_high is not None
    assert rate.length_low < rate.length < rate.length_high
    assert rate.style == pytest.approx(rate.length, abs=1e-9)  # nothing but the length differs


def test_the_metric_of_the_controlled_rate_has_that_rate_as_its_mean_and_is_gated_like_any() -> None:
    base, new = long_winded()
    found = concluded(
        base, new,
        rules=(Rule(metric="pref/win", require="superior"), Rule(metric="pref/win_length", require="superior", severity="warn")),
    )  # fmt: skip
    by_metric = {each.metric: each for each in found.comparisons}
    (rate,) = found.win_rates
    assert by_metric["pref/win_length"].candidate_value == pytest.approx(rate.length)
    assert by_metric["pref/win_length"].baseline_value == pytest.approx(0.5)
    assert by_metric["pref/win"].candidate_value == pytest.approx(rate.rate)
    assert [finding.outcome for finding in found.verdicts[0].findings] == ["pass", "inconclusive"]


def test_where_most_is_won_the_rate_has_wilsons_interval_and_not_a_t() -> None:
    """380 of 400; recorded: statsmodels 0.15 ``proportion_confint(380, 400, 0.1, "wilson")``. A t would end at 0.932."""
    base = even(["b"] * 400)
    (rate,) = rates(base, side("new", [(1.0, 1.0)] * 380 + [(0.0, 0.0)] * 20, ["a"] * 400, ["b"] * 400))
    assert rate.rate == pytest.approx(0.95)
    assert (rate.low, rate.high) == pytest.approx((0.9288586268090362, 0.9650947985950433), abs=1e-6)
    assert (rate.consistent_low, rate.consistent_high) == (rate.low, rate.high)


def test_only_what_the_judge_says_in_both_orders_counts_as_consistent() -> None:
    """20 won, 10 lost, 30 by whoever stood first, 20 by whoever stood second: two thirds of what is consistent was won."""
    said = [(1.0, 1.0)] * 20 + [(0.0, 0.0)] * 10 + [(1.0, 0.0)] * 30 + [(0.0, 1.0)] * 20
    texts = [f"answer {index}" for index in range(80)]
    base = even([f"other {index}" for index in range(80)])
    (rate,) = rates(base, side("new", said, texts, [each.outputs[0] for each in base.samples]))
    assert rate.rate == pytest.approx((20 + 50 / 2) / 80)
    assert rate.consistent == pytest.approx(20 / 30)
    assert (rate.consistent_items, rate.first, rate.second, rate.verdicts) == (30, 30, 20, 160)


def test_items_without_a_consistent_verdict_are_missing_for_a_rule_about_consistent_ones() -> None:
    said = [(1.0, 1.0)] * 40 + [(1.0, 0.0)] * 10
    base = even(["b"] * 50)
    new = side("new", said, ["a"] * 50, ["b"] * 50)
    strict, lenient = (Rule(metric="pref/win_consistent", require="superior", max_missing=most) for most in (0.0, 0.25))
    assert concluded(base, new, rules=(strict,)).verdicts[0].outcome != "pass"
    assert concluded(base, new, rules=(lenient,)).verdicts[0].outcome == "pass"


def test_parts_by_language_have_rates_of_their_own_and_small_ones_none() -> None:
    slices = [{"language": "en"}] * 30 + [{"language": "zh"}] * 30 + [{"language": "de"}] * 3
    said = [(1.0, 1.0)] * 21 + [(0.0, 0.0)] * 9 + [(1.0, 1.0)] * 12 + [(0.0, 0.0)] * 18 + [(1.0, 1.0)] * 3
    texts = [f"text {index}" for index in range(63)]
    base = even(["b"] * 63, slices=slices)
    whole, de, en, zh = rates(base, side("new", said, texts, ["b"] * 63, slices=slices))
    assert whole.value == ""
    assert (en.value, en.rate) == ("en", pytest.approx(0.7))
    assert (zh.value, zh.rate) == ("zh", pytest.approx(0.4))
    assert (de.rate, de.note) == (None, "n too small: 3 items or clusters, under 10")


def test_many_slices_keep_their_rates_and_say_that_only_the_first_are_controlled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["harness.gate.win_rates"], "MOST_CONTROLLED", 1)
    slices = [{"language": ("en", "zh")[index % 2]} for index in range(40)]
    base = even(["b"] * 40, slices=slices)
    new = side("new", [(1.0, 1.0)] * 25 + [(0.0, 0.0)] * 15, [f"a{'x' * index}" for index in range(40)], ["b"] * 40, slices=slices)
    whole, en, zh = rates(base, new)
    assert None not in (whole.length, en.length, zh.rate)
    assert (zh.length, zh.note) == (None, "length and style are controlled for in the first 1 slices only")


def test_where_nearly_everything_is_won_no_item_has_a_share_of_the_controlled_rate() -> None:
    base = even(["b" * 5] * 50)
    new = side("new", [(1.0, 1.0)] * 48 + [(0.0, 0.0)] * 2, ["a" * (3 + index) for index in range(50)], ["b" * 5] * 50)
    assert all("win_length" not in (sample.scores or {}) for sample in new.samples)
    (rate,) = rates(base, new)
    assert rate.length is not None
    assert rate.length_low is not None
    assert "hardly any item was lost" in rate.note


def test_items_that_weigh_differently_are_not_controlled_for_and_it_says_so() -> None:
    weights = [1.0] * 20 + [2.0] * 20
    base = even(["b"] * 40, weight=weights)
    new = side("new", [(1.0, 1.0)] * 25 + [(0.0, 0.0)] * 15, ["a"] * 40, ["b"] * 40, weight=weights)
    (rate,) = rates(base, new)
    assert rate.rate == pytest.approx((20 + 2 * 5) / 60)
    assert rate.length is None
    assert "weigh differently" in rate.note


def test_several_candidates_have_strengths_and_an_unbeaten_one_is_named() -> None:
    """Each only met the baseline: the odds of 30:10 and of 10:30, so that ln 3 lies between neighbours."""
    base = even(["b"] * 40)
    good = side("good", [(1.0, 1.0)] * 30 + [(0.0, 0.0)] * 10, ["g"] * 40, ["b"] * 40)
    bad = side("bad", [(1.0, 1.0)] * 10 + [(0.0, 0.0)] * 30, ["x"] * 40, ["b"] * 40)
    (found,) = concluded(base, good, bad).strengths
    assert dict(zip(found.names, found.strengths, strict=True)) == pytest.approx(
        {"base": 0.0, "good": math.log(3), "bad": -math.log(3)}, abs=1e-6
    )
    assert (found.comparisons, found.items) == (80, 40)
    assert all(low is not None and low < each for low, each in zip(found.lows, found.strengths, strict=True))
    perfect = side("good", [(1.0, 1.0)] * 40, ["g"] * 40, ["b"] * 40)
    (none,) = concluded(base, perfect, bad).strengths
    assert none.strengths == ()
    assert "good never lost, or tied" in none.note


def test_strengths_are_not_read_from_items_that_weigh_differently() -> None:
    weights = [1.0] * 20 + [3.0] * 20
    base = even(["b"] * 40, weight=weights)
    one, two = (
        side(name, [(1.0, 1.0)] * 25 + [(0.0, 0.0)] * 15, ["a"] * 40, ["b"] * 40, weight=weights) for name in ("one", "two")
    )
    (found,) = concluded(base, one, two).strengths
    assert (found.strengths, found.note) == ((), "items weigh differently, and strengths know no weights")


# ---------------------------------------------------------------------------------------------------- beside people


def votes(said: dict[str, dict[str, float]], *, weights: dict[str, float] | None = None) -> tuple[Measured, Measured]:
    """Item -> rater -> score, as imported votes of ``pref`` are kept; and the baseline's side of it."""
    rows, evens = [], []
    for key, by_rater in said.items():
        shared: dict[str, Any] = {"key": f"pref/{key}", "task": "", "weight": (weights or {}).get(key, 1.0)}
        opinions = tuple(Judgment(score=score, judge=f"human:{rater}", order="left") for rater, score in by_rater.items())
        rows.append(Sample(**shared, scores={"win": sum(by_rater.values()) / len(by_rater)}, judgments=opinions))
        evens.append(Sample(**shared, scores={"win": 0.5}))
    about: dict[str, Any] = {"suite": "human", "metrics": {"win": Metric(kind="bounded")}, "primary": "win", "use": "human"}
    return measured("base", evens, **about), measured("new", rows, **about)


def judged_and_seen(count: int, labelled: int, *, right: float = 0.85, raters: int = 1, seed: int = 5) -> tuple[Measured, ...]:
    """A judge that says what people say in a share ``right`` of the items; people saw the first ``labelled``."""
    rng = np.random.default_rng(seed)
    truth = (rng.random(count) < 0.6).astype(float)
    verdicts = np.where(rng.random(count) < right, truth, 1 - truth)
    base = even(["b"] * count)
    new = side("new", [(float(each), float(each)) for each in verdicts], ["a"] * count, ["b"] * count)
    said = {f"k{at}": {f"rater {r}": float(truth[at]) for r in range(raters)} for at in range(labelled)}
    return base, new, *votes(said)


def calibrated(*runs: Measured) -> Calibrated:
    (found,) = concluded(*runs).calibrated
    return found


def test_few_labels_and_many_verdicts_give_the_prediction_powered_rate_with_what_it_saved() -> None:
    """By the formula of STATISTICS §9, worked out here from the scores."""
    runs = judged_and_seen(400, 100)
    found = calibrated(*runs)
    f = np.array([(sample.scores or {})["win"] for sample in runs[1].samples]) - 0.5
    y = np.array([(sample.scores or {})["win"] for sample in runs[3].samples]) - 0.5
    n, rest = 100, 300
    lam = ((y - y.mean()) * (f[:n] - f[:n].mean())).mean() / ((1 + n / rest) * f.var(ddof=1))
    assert found.lam == pytest.approx(min(max(lam, 0), 1))
    assert found.powered == pytest.approx(0.5 + lam * f[n:].mean() + (y - lam * f[:n]).mean())
    assert found.human == pytest.approx(0.5 + y.mean())
    assert found.judged == pytest.approx(0.5 + f.mean())
    assert (found.items, found.labelled, found.raters, found.because) == (400, 100, 1, "")
    assert found.saved is not None
    assert found.saved > 10
    assert _width(found.powered_low, found.powered_high) < _width(found.human_low, found.human_high)
    table = np.array(found.confusion)
    assert table.sum() == 100
    assert found.accuracy == pytest.approx((table[0, 0] + table[2, 2]) / 100)


def _width(low: float | None, high: float | None) -> float:
    assert low is not None
    assert high is not None
    return high - low


def test_below_the_minimum_people_alone_decide_and_nothing_was_saved() -> None:
    found = calibrated(*judged_and_seen(200, 49))
    assert found.saved is None
    assert found.lam == 0.0
    assert (found.powered, found.powered_low, found.powered_high) == (found.human, found.human_low, found.human_high)
    assert "49 labelled items count; under 50 people alone decide" in found.because


def test_a_judge_without_ties_is_corrected_by_its_errors_and_one_with_ties_is_not() -> None:
    """Rogan and Gladen's estimate by hand: (share called won + specificity − 1) / (sensitivity + specificity − 1)."""
    runs = judged_and_seen(400, 200)
    found = calibrated(*runs)
    (won_won, _, won_lost), _, (lost_won, _, lost_lost) = found.confusion
    sensitivity, specificity = won_won / (won_won + lost_won), lost_lost / (lost_lost + won_lost)
    share = np.mean([(sample.scores or {})["win"] for sample in runs[1].samples[200:]])
    assert found.corrected == pytest.approx((share + specificity - 1) / (sensitivity + specificity - 1))
    tied = side("new", [(0.5, 0.5)] + [(1.0, 1.0)] * 59 + [(0.0, 0.0)] * 40, ["a"] * 100, ["b"] * 100)
    people = votes({f"k{at}": {"r": float(at < 50)} for at in range(90)})
    assert "the judge is undecided on 1 of 100 items" in calibrated(even(["b"] * 100), tied, *people).corrected_because


def test_a_judge_stands_beside_what_people_reach_among_themselves() -> None:
    """Two people who agree on everything and a judge that agrees with them: nothing is between them. One rater: no ceiling."""
    found = calibrated(*judged_and_seen(200, 100, right=1.0, raters=2))
    assert (found.judge_kappa, found.people_kappa, found.gap, found.shared) == (1.0, 1.0, 0.0, 100)
    assert found.kappa == 1.0
    alone = calibrated(*judged_and_seen(200, 100))
    assert alone.people_kappa is None
    assert "no item that the judge rated has two people's ratings" in alone.gap_because
    assert alone.kappa is not None


def test_items_drawn_with_unequal_chances_stand_for_as_many_as_they_were_drawn_from() -> None:
    """Half of 400 items were seen with chance 1/4, and of the others all: their votes weigh 4 and 1."""
    rng = np.random.default_rng(3)
    truth = np.concatenate([(rng.random(400) < 0.8), (rng.random(100) < 0.2)]).astype(float)
    base = even(["b"] * 500)
    new = side("new", [(float(each), float(each)) for each in truth], ["a"] * 500, ["b"] * 500)
    seen = [*range(0, 400, 4), *range(400, 500)]
    people = votes({f"k{at}": {"r": float(truth[at])} for at in seen}, weights={f"k{at}": 4.0 if at < 400 else 1.0 for at in seen})
    found = calibrated(base, new, *people)
    weights = np.array([4.0 if at < 400 else 1.0 for at in seen])
    assert found.human == pytest.approx(float((truth[seen] * weights).sum() / weights.sum()))
    assert found.powered == pytest.approx(float(truth.mean()))  # this judge is people's word
    assert "not drawn alike" in found.corrected_because


def test_turns_of_one_conversation_are_no_items_of_their_own_for_the_correction() -> None:
    """Its interval counts items: of two that always say the same it would be too narrow by a third."""
    rng = np.random.default_rng(5)
    truth = np.repeat((rng.random(200) < 0.6).astype(float), 2)
    clusters = [f"c{at // 2}" for at in range(400)]
    base = even(["b"] * 400, cluster=clusters)
    new = side("new", [(float(each), float(each)) for each in truth], ["a"] * 400, ["b"] * 400, cluster=clusters)
    found = calibrated(base, new, *votes({f"k{at}": {"r": float(truth[at])} for at in range(200)}))
    assert found.corrected is None
    assert found.corrected_because == "items stand in clusters, and this correction takes each for itself"
    assert found.saved is not None  # whole clusters are what counts there


def test_votes_that_weigh_less_than_their_items_are_not_put_together_with_the_judge() -> None:
    """A chance above 1: once it was taken for an equal one, and the win rate of a tilted sample for that of all."""
    base, new, *_ = judged_and_seen(200, 0)
    people = votes({f"k{at}": {"r": 1.0} for at in range(100)}, weights={f"k{at}": 0.5 + at / 50 for at in range(100)})
    found = calibrated(base, new, *people)
    assert (found.powered, found.saved) == (None, None)
    assert "nobody knows how these were drawn" in found.note


def test_votes_on_items_picked_by_hand_are_not_put_together_with_the_judge() -> None:
    """Nobody knows of which items they are typical. Of packages of both kinds the votes are those on items that were drawn."""
    *runs, people = judged_and_seen(400, 100)
    hand, drawn = (People(package=name, suite="pref", picked=name == "p") for name in "pd")
    found = calibrated(*runs, Measured(run=structs.replace(people.run, people=(hand,)), samples=people.samples))
    assert (found.powered, found.human, found.saved, found.kappa) == (None, None, None, None)
    assert (found.items, found.labelled) == (400, 100)
    assert found.note == (
        "the items that people saw were picked by hand (package p), and no sample: people and judge are not put together"
    )
    both = calibrated(*runs, Measured(run=structs.replace(people.run, people=(hand, drawn)), samples=people.samples))
    assert both == calibrated(*runs, people)


def test_equal_answers_do_not_count_for_the_judge_nor_for_people() -> None:
    base, new, human_base, human_new = judged_and_seen(100, 60)
    same = tuple(Sample(**{**_fields(sample), "outputs": ("b ",)}) if at >= 80 else sample for at, sample in enumerate(new.samples))
    found = calibrated(base, Measured(run=new.run, samples=same), human_base, human_new)
    assert (found.items, found.labelled) == (80, 60)


def test_votes_on_answers_that_were_asked_for_otherwise_do_not_stand_beside_the_judge() -> None:
    base, new, human_base, human_new = judged_and_seen(200, 100)

    def asked(run: Measured, *hashes: str) -> Measured:
        fields = [{**_fields(each), "prompt_hash": hashes[at % len(hashes)]} for at, each in enumerate(run.samples)]
        return Measured(run=run.run, samples=tuple(Sample(**each) for each in fields))

    now, people = (asked(base, "now"), asked(new, "now")), (human_base, human_new)
    assert calibrated(*now, *(asked(each, "now") for each in people)).labelled == 100
    assert calibrated(*now, *(asked(each, "now", "before") for each in people)).labelled == 50
    assert concluded(*now, *(asked(each, "before") for each in people)).calibrated == ()


def test_without_votes_nothing_is_calibrated_and_votes_about_another_suite_do_not_count() -> None:
    base, new, *_ = judged_and_seen(60, 20)
    assert concluded(base, new).calibrated == ()
    other = votes({"other/k1": {"r": 1.0}})
    assert concluded(base, new, *other).calibrated == ()
