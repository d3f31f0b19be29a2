"""Pictures of numbers that nobody expects: nothing touches, nothing leaves the picture, no axis says one thing twice."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable

import pytest

from harness.records import Evaluation, MetricKind, Spread, Training, TrainingPoint, ValidationPoint
from reports import charts
from reports.audit import histogram
from reports.drawing.axes import looks, named_lines
from reports.drawing.lettering import fitted, tick_texts, width_of
from reports.drawing.svg import Scale, tag, ticks
from reports.pace.spread import Quantiles, spread_cards
from reports.standing import Gain, Standing
from reports.trained import curves
from reports.wording import badge
from tests.reports.drawn import faults, texts

LONG = "a-very-long-candidate-name-without-any-place-to-break-" * 3
NAMES = {"latin": LONG, "cjk": "一个非常长的候选模型名称没有任何空格可以换行" * 2, "rtl": "مرشح باسم طويل جدا لا ينتهي أبدا" * 2}
SCALES = {"tiny": 1e-9, "plain": 1.0, "huge": 1e9}


def standing(name: str, target: float, general: float, kind: MetricKind = "binary") -> Standing:
    target_gain, general_gain = (Gain(metric="m", against="b", gain=value, kind=kind) for value in (target, general))
    return Standing(candidate=name, outcome="pass", target=target_gain, general=general_gain)


def tradeoff(*points: Standing, margin: float | None = 0.05) -> list[str]:
    drawn = charts.tradeoff(points, margin, {each.candidate: badge("pass") for each in points})
    assert drawn is not None
    return faults(drawn)


@pytest.mark.parametrize("scale", SCALES)
def test_a_trade_off_of_any_size_has_room_for_its_numbers(scale: str) -> None:
    size = SCALES[scale]
    assert tradeoff(standing("a", size, -2 * size, "real"), standing("b", 0.1 * size, 0.0, "real"), margin=None) == []


@pytest.mark.parametrize("points", [[(0.0, 0.0)], [(0.2, 0.2)] * 5, [(1.0, -1.0), (-1.0, 1.0)], [(0.3, math.nan), (0.2, 0.1)]])
def test_a_trade_off_of_one_point_of_equal_ones_and_of_all_or_nothing(points: list[tuple[float, float]]) -> None:
    assert tradeoff(*(standing(f"c{index}", *each) for index, each in enumerate(points))) == []


def test_sixty_candidates_and_names_of_any_script_do_not_cover_each_other() -> None:
    dice = random.Random(1)
    assert tradeoff(*(standing(f"candidate-{index}", dice.random(), -dice.random()) for index in range(60))) == []
    for name in NAMES.values():
        assert tradeoff(standing(f"{name}1", 0.9, -0.1), standing(f"{name}2", 0.88, -0.1), standing("c", 0.1, 0.0)) == []


def training(points: list[TrainingPoint], **more: object) -> list[str]:
    (card,) = curves.training_cards({"x": Training(name="x", method="full", base="b", points=tuple(points), **more)})  # type: ignore[arg-type]
    drawn = [card.picture, card.apart]
    drawn += [card.checkpoints.course, card.checkpoints.plane] if card.checkpoints else []
    return [fault for each in drawn if each is not None for fault in faults(each)]


def point(step: int, loss: float, rate: float = 1e-3, norm: float = 1.0) -> TrainingPoint:
    return TrainingPoint(step=step, loss=loss, learning_rate=rate, grad_norm=norm, supervised_tokens=1)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("count", [1, 2, 200])
def test_a_loss_of_any_size_has_room_for_its_numbers(scale: str, count: int) -> None:
    size = SCALES[scale]
    assert training([point(step, size / step, size, size / step) for step in range(1, count + 1)], best_step=count) == []


def test_a_loss_that_overflowed_interrupts_its_line_and_is_no_number_of_a_table() -> None:
    losses = [1.0, 0.9, math.nan, math.inf, 0.8, 0.7]
    looks = tuple(ValidationPoint(step=step, losses={"a": loss}, divergences={"a": loss}) for step, loss in enumerate(losses))
    points = [point(step, loss, norm=loss) for step, loss in enumerate(losses)]
    made = Training(name="x", method="full", base="b", points=tuple(points), validations=looks, handed_over=2)
    assert training(points, validations=looks, handed_over=2) == []
    (card,) = curves.training_cards({"x": made})
    assert str(card.picture).count('class="line train"') == 2, "before and after what is no number"
    (loss,) = card.losses
    assert (loss.best and loss.best.value, loss.last and loss.last.value, loss.divergence) == (0.7, 0.7, None)
    assert (
        curves.training_cards({"x": Training(name="x", method="full", base="b", points=(point(1, math.nan),))})[0].picture is None
    )


def test_twelve_validation_sets_with_long_names_fit_beside_the_picture() -> None:
    looks = tuple(
        ValidationPoint(step=step, losses={f"{NAMES['cjk']}{index}": 1 + index / 1e4 for index in range(30)}, divergences={})
        for step in range(0, 200, 20)
    )
    assert training([point(step, 1 / step) for step in range(1, 200)], validations=looks) == []


def test_two_hundred_checkpoints_and_three_in_one_place_are_named_where_there_is_room() -> None:
    dice = random.Random(2)
    many = tuple(Evaluation(step=step, target=dice.random() / 99, loss=dice.random() / 99) for step in range(0, 2000, 10))
    assert training([point(1, 1.0)], evaluations=many) == []
    assert training([point(1, 1.0)], evaluations=tuple(Evaluation(step=step, target=0.0, loss=0.0) for step in (5, 10, 15))) == []


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", NAMES)
def test_a_spread_of_any_size_and_name_stays_in_its_picture(scale: str, name: str) -> None:
    found = [
        Quantiles(
            suite="s", task="", metric="seconds", candidate=f"{index}{NAMES[name]}", unit="s", items=9,
            cuts=tuple(SCALES[scale] * each for each in (1, 2, 3, 4, 9)),
        )
        for index in range(60)
    ]  # fmt: skip
    (card,) = spread_cards(found)
    assert faults(card.picture) == []


def test_no_two_of_sixteen_lines_look_alike() -> None:
    assert len({looks(index) for index in range(16)}) == 16
    values = {f"set {index}": [(0, float(index)), (9, index + 1.0)] for index in range(8)}
    drawn = "".join(map(str, named_lines(values, Scale((0, 9), (0, 90)), Scale((0, 9), (90, 0)), 90, [])))
    assert drawn.count('class="line series-0"') == drawn.count('class="line series-0 again"') == 1
    assert drawn.count("<circle") == 8, "the others have dots of another shape"


@pytest.mark.parametrize("low", [-1e9, -3.0, -1e-9, 0.0, 0.9, 1.0, 1e9])
@pytest.mark.parametrize("wide", [1e-10, 1e-4, 0.003, 0.2, 7.0, 1e9])
@pytest.mark.parametrize("kind", ["binary", "real"])
@pytest.mark.parametrize("write", [lambda text: text, lambda text: text.replace("+", "")])
def test_no_axis_says_one_thing_twice(low: float, wide: float, kind: MetricKind, write: Callable[[str], str]) -> None:
    if abs(low) * 1e-9 > wide:
        return  # beyond what numbers hold apart
    places = ticks(low, low + wide, 5)
    for gain in (True, False):
        said = [write(text) for text in tick_texts(places, kind, gain=gain)]
        assert len(set(said)) == len(said), said


@pytest.mark.parametrize("largest", [1, 2, 3, 14_400, 10**9])
@pytest.mark.parametrize("edge", [0.001, 1.0, 1234.0, 1e9])
def test_a_histogram_counts_in_whole_numbers_and_shows_a_single_row(largest: int, edge: float) -> None:
    counts = (largest, 0, 1, *([0] * 12), 1)
    spread = Spread(
        name="length",
        unit="tokens",
        rows=9,
        mean=1.0,
        quantiles=(1.0,) * 7,
        counts=counts,
        edges=tuple(edge * 2**at for at in range(17)),
    )
    drawn = histogram(spread, "x")
    assert faults(drawn) == []
    counted = [text for *_, right, _, text in texts(drawn)[2] if right == pytest.approx(44)]
    assert len(counted) == len(set(counted)) > 1, counted
    talls = [float(each) for each in re.findall(r'height="([\d.]+)" class="bar"', str(drawn))]
    assert (len(talls), min(talls) >= 1.5) == (3, True)


def test_a_text_is_cut_where_it_no_longer_fits() -> None:
    assert fitted("short", 100) == "short"
    for name in NAMES.values():
        cut = fitted(name, 100)
        assert cut.endswith("…")
        assert width_of(cut) <= 100


def test_the_measure_itself_finds_faults() -> None:
    bad = tag("svg", tag("text", "abc", x=98, y=20), tag("text", "abd", x=100, y=22), viewBox="0 0 100 40")
    assert [fault.partition(":")[0] for fault in faults(bad)] == ["outside", "outside", "touching"]
    assert texts(bad)[0] == 100
