"""Checkpoints of a training: what each gained on the target, what it lost of the rest, and which of them nothing betters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from markupsafe import Markup

from harness.records import SHARES, Evaluation, MetricKind, Record, Training
from reports.charts import frame, shape
from reports.drawing.axes import height_axis, named_lines, step_axis
from reports.drawing.naming import named_points
from reports.drawing.svg import Scale, picture, tag
from reports.drawing.svg import span as data_range
from reports.figures import Figure, count_figure, gain_figure, pointer
from reports.front import front, front_line
from reports.wording import gain_text

Bound = Literal["kept", "not proven", "broken"]
_OUTCOMES: dict[Bound, Literal["pass", "inconclusive", "fail"]] = {"kept": "pass", "not proven": "inconclusive", "broken": "fail"}
_TONES: dict[Bound, str] = {"kept": "good", "not proven": "unsure", "broken": "bad"}


class CheckpointRow(Record, frozen=True, kw_only=True):
    step: Figure
    target: Figure
    general: Figure
    broken: Figure
    unproven: Figure
    bound: Bound
    chosen: bool


class CheckpointCard(Record, frozen=True, kw_only=True):
    course: Markup
    plane: Markup | None
    rows: tuple[CheckpointRow, ...]


class Shown(Record, frozen=True, kw_only=True):
    """What the page embeds of one checkpoint. ``general``: the mean gain on what should have been kept."""

    step: int
    target: float | None
    general: float | None
    broken: int
    unproven: int


def shown(training: Training) -> tuple[Shown, ...]:
    """The checkpoints that were measured, as the page embeds them."""
    return tuple(
        Shown(
            step=each.step, target=each.target, general=None if each.loss is None else -each.loss, broken=each.broken,
            unproven=each.unproven,
        )
        for each in training.evaluations
    )  # fmt: skip


def checkpoint_card(index: int, name: str, training: Training) -> CheckpointCard | None:
    """Table and pictures; None where no checkpoint was measured."""
    points = shown(training)
    if not points:
        return None
    kind = target_kind(training.evaluations)
    rows = []
    for place, each in enumerate(points):
        at = pointer("training", name, "checkpoints", place)
        rows.append(
            CheckpointRow(
                step=count_figure(each.step, f"{at}/step"),
                target=gain_figure(each.target, f"{at}/target", kind),
                general=gain_figure(each.general, f"{at}/general", "binary"),
                broken=count_figure(each.broken, f"{at}/broken"),
                unproven=count_figure(each.unproven, f"{at}/unproven"),
                bound=bound_of(each),
                chosen=each.step == training.handed_over,
            )
        )
    key = f"checkpoints-{index}"
    return CheckpointCard(
        course=course(points, kind, key, name, training.handed_over), plane=plane(points, kind, key, name), rows=tuple(rows)
    )


def target_kind(evaluations: Sequence[Evaluation]) -> MetricKind:
    """How gains of the target are written."""
    return next((reading.kind for each in evaluations for reading in each.readings if reading.role == "target"), "binary")


def bound_of(each: Shown) -> Bound:
    """Whether a checkpoint kept what it must keep."""
    return "broken" if each.broken else "not proven" if each.unproven else "kept"


def course(points: Sequence[Shown], kind: MetricKind, key: str, name: str, handed_over: int) -> Markup:
    """Target gain and gain on the rest, checkpoint by checkpoint; below each other where they are of different kinds."""
    width, left, right, top, tall = 520.0, 58.0, 92.0, 12.0, 138.0
    steps = [each.step for each in points]
    x = Scale((min(0, *steps), max(steps)), (left, width - right))
    lines: dict[str, list[tuple[int, float]]] = {
        "target": [(each.step, each.target) for each in points if each.target is not None],
        "general": [(each.step, each.general) for each in points if each.general is not None],
    }
    drawn = {word: line for word, line in lines.items() if line}
    together = kind in SHARES or len(drawn) < 2
    parts: list[Markup] = []
    low = top + tall
    for number, panel in enumerate([drawn] if together else [{word: line} for word, line in drawn.items()]):
        start = top + number * (tall + 24)
        low = start + tall
        y = Scale(data_range([value for line in panel.values() for _, value in line], pad=0.08, include=(0.0,)), (low, start))
        parts += height_axis(y, left, width - right, 5, "binary" if "target" not in panel else kind, gain=True)
        if handed_over in steps:
            parts.append(tag("line", x1=x(handed_over), x2=x(handed_over), y1=start, y2=low, class_="margin"))
        parts += named_lines(panel, x, y, width - right, [])
    parts += step_axis(x, x.low, low + 18)
    last = points[-1]
    words = f"Gains of {name} at {len(points)} checkpoints; at the last, target {gain_text(last.target, kind)}, "
    words += f"general {gain_text(last.general, 'binary')}"
    return picture(width, low + 26, f"Checkpoints of {name}", words, parts, name=f"{key}-course")


def plane(points: Sequence[Shown], kind: MetricKind, key: str, name: str) -> Markup | None:
    """Target gain against gain on the rest, with the front of those that nothing betters; None without a rest."""
    placed = [(each, each.target, each.general) for each in points if each.target is not None and each.general is not None]
    if len(placed) < 2:
        return None
    width, height, box = 520.0, 260.0, (64.0, 24.0, 28.0, 46.0)
    left, right, top, low = box
    at = [(target, general) for _, target, general in placed]
    x = Scale(data_range([target for target, _ in at], pad=0.12, include=(0.0,)), (left, width - right))
    y = Scale(data_range([general for _, general in at], pad=0.12, include=(0.0,)), (height - low, top))
    parts = frame(x, y, (kind, "binary"), (left, right, top, low, width, height))
    parts += front_line(at, x, y)
    for each, target, general in placed:
        bound = bound_of(each)
        parts.append(shape(x(target), y(general), _OUTCOMES[bound], _TONES[bound], 4.5))
    steps = [(str(each.step), x(target), y(general)) for each, target, general in placed]
    parts += named_points(steps, (left, top, width, height - low), 5.5, "quiet")
    nothing = ", ".join(str(placed[index][0].step) for index in front(at))
    words = f"Checkpoints of {name} by target gain and gain on the rest; nothing betters those of steps {nothing}"
    return picture(width, height, f"Trade-off of {name}", words, parts, name=f"{key}-plane")
