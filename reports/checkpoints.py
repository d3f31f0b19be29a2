"""Checkpoints of a training: what each gained on the target, what it lost of the rest, and which of them nothing betters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from markupsafe import Markup

from harness.records import Evaluation, MetricKind, Record, Training
from reports.axes import step_axis
from reports.charts import frame, shape
from reports.figures import Figure, count_figure, gain_figure, pointer
from reports.front import front, front_line
from reports.svg import Scale, picture, tag, ticks
from reports.svg import span as data_range
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
    """Target gain and gain on the rest, checkpoint by checkpoint."""
    width, left, right, top, low = 520.0, 58.0, 92.0, 12.0, 150.0
    steps = [each.step for each in points]
    values = [value for each in points for value in (each.target, each.general) if value is not None]
    x = Scale((min(0, *steps), max(steps)), (left, width - right))
    y = Scale(data_range(values, pad=0.08, include=(0.0,)), (low, top))
    parts: list[Markup] = []
    for value in ticks(y.low, y.high, 5):
        parts.append(tag("line", x1=left, x2=width - right, y1=y(value), y2=y(value), class_="zero" if value == 0 else "grid"))
        parts.append(tag("text", gain_text(value, kind).replace(".0 pp", " pp"), x=left - 6, y=y(value) + 4, text_anchor="end"))
    if handed_over in steps:
        parts.append(tag("line", x1=x(handed_over), x2=x(handed_over), y1=top, y2=low, class_="margin"))
    previous = -99.0
    lines: list[tuple[str, list[tuple[int, float]], str]] = [
        ("target", [(each.step, each.target) for each in points if each.target is not None], "series-0"),
        ("general", [(each.step, each.general) for each in points if each.general is not None], "series-1"),
    ]
    for word, line, style in sorted((each for each in lines if each[1]), key=lambda each: y(each[1][-1][1])):
        parts.append(tag("polyline", points=" ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in line), class_=f"line {style}"))
        parts += [tag("circle", cx=x(a), cy=y(b), r=2.2, class_=f"dot {style}") for a, b in line]
        previous = max(y(line[-1][1]), previous + 13)
        parts.append(tag("text", word, x=width - right + 6, y=previous + 4, class_=f"label {style}"))
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
        parts.append(tag("text", str(each.step), x=x(target), y=y(general) - 8, text_anchor="middle", class_="quiet"))
    nothing = ", ".join(str(placed[index][0].step) for index in front(at))
    words = f"Checkpoints of {name} by target gain and gain on the rest; nothing betters those of steps {nothing}"
    return picture(width, height, f"Trade-off of {name}", words, parts, name=f"{key}-plane")
