"""Training curves: the loss of every step, the validation losses, and the learning rate below, on one step axis; and how far the
model moved from its base."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from markupsafe import Markup

from harness.records import Concern, Record, Training, Written
from reports.drawing.axes import height_axis, named_lines, small_panel, step_axis
from reports.drawing.svg import Scale, broken, picture, tag, thinned
from reports.drawing.svg import span as data_range
from reports.figures import Figure, count_figure, pointer
from reports.trained.checkpoints import CheckpointCard, checkpoint_card
from reports.trained.checkpoints import shown as shown_checkpoints
from reports.trained.diagnostics import DiagnosticsCard, by_heart, diagnostics_card, norms
from reports.trained.series_table import Numbers, look_numbers, step_numbers
from reports.wording import fixed, significant

MOST_POINTS = 400
MOST_LETTERS = 2000
"""Of a row that is shown as text."""


class Series(Record, frozen=True, kw_only=True):
    """What the page embeds of one training, thinned to what can be seen."""

    steps: tuple[int, ...]
    loss: tuple[float, ...]
    learning_rate: tuple[float, ...]
    grad_norm: tuple[float, ...]
    validations: dict[str, tuple[tuple[int, float], ...]]
    divergences: dict[str, tuple[tuple[int, float], ...]]


class LastLoss(Record, frozen=True, kw_only=True):
    """What overflowed is None."""

    name: str
    first: Figure | None = None
    best: Figure | None = None
    last: Figure | None = None
    divergence: Figure | None = None


class TrainingCard(Record, frozen=True, kw_only=True):
    name: str
    method: str
    base: str
    picture: Markup | None
    apart: Markup | None
    facts: tuple[tuple[str, Figure], ...]
    losses: tuple[LastLoss, ...]
    best_step: int | None
    checkpoints: CheckpointCard | None
    diagnostics: DiagnosticsCard | None
    concerns: tuple[Concern, ...] = ()
    written: tuple[Written, ...] = ()
    trained_text: tuple[str, ...]
    numbers: tuple[Numbers, ...]


def series(training: Training) -> Series:
    points = thinned(training.points, MOST_POINTS)
    kept = {each.step for each in thinned(training.validations, MOST_POINTS)} | {training.handed_over}
    looks = [each for each in training.validations if each.step in kept]
    return Series(
        steps=tuple(each.step for each in points),
        loss=tuple(each.loss for each in points),
        learning_rate=tuple(each.learning_rate for each in points),
        grad_norm=tuple(each.grad_norm for each in points),
        validations=_by_set([(each.step, each.losses) for each in looks]),
        divergences=_by_set([(each.step, each.divergences) for each in looks]),
    )


def _by_set(looks: Sequence[tuple[int, Mapping[str, float]]]) -> dict[str, tuple[tuple[int, float], ...]]:
    """Name of a validation set -> (step, value) of each look that has one."""
    names = dict.fromkeys(name for _, values in looks for name in values)
    return {name: tuple((step, values[name]) for step, values in looks if name in values) for name in names}


def training_cards(training: Mapping[str, Training]) -> tuple[TrainingCard, ...]:
    return tuple(_card(index, name, each) for index, (name, each) in enumerate(training.items()))


def _card(index: int, name: str, training: Training) -> TrainingCard:
    shown = series(training)
    at = pointer("training", name, "facts")
    share = training.parameters_trained / training.parameters_total if training.parameters_total else 1.0
    facts = [
        ("steps", count_figure(training.steps, f"{at}/steps")),
        ("supervised tokens", count_figure(training.supervised_tokens, f"{at}/supervised_tokens")),
        ("parameters trained", count_figure(training.parameters_trained, f"{at}/parameters_trained")),
        ("of all", Figure(text=f"{significant(share * 100, 2)}%", value=share, at=f"{at}/share_trained")),
        ("seconds", Figure(text=f"{fixed(training.seconds, 1)} s", value=training.seconds, at=f"{at}/seconds")),
    ]
    if training.speed:
        speed = training.speed.tokens_per_second
        facts.append(("tokens per second", Figure(text=f"{fixed(speed, 0)}", value=speed, at=f"{at}/tokens_per_second")))
    if training.speed and (used := training.speed.utilisation) is not None:
        facts.append(("of the device (MFU)", Figure(text=f"{significant(used * 100, 2)}%", value=used, at=f"{at}/utilisation")))
    losses = []
    for key, line in shown.validations.items():
        here = pointer("training", name, "series", "validations", key)
        known = [position for position, (_, value) in enumerate(line) if math.isfinite(value)]
        best = min(known, key=lambda position, line=line: line[position][1], default=0)  # type: ignore[misc]
        numbers = {
            word: Figure(text=fixed(line[position][1], 3), value=line[position][1], at=f"{here}/{position}/1")
            for word, position in (("first", 0), ("best", best), ("last", len(line) - 1))
            if position in known
        }
        place = pointer("training", name, "series", "divergences", key)
        for position, (step, apart) in enumerate(shown.divergences.get(key, ())):
            if step == training.handed_over and math.isfinite(apart):
                numbers["divergence"] = Figure(text=fixed(apart, 3), value=apart, at=f"{place}/{position}/1")
        losses.append(LastLoss(name=key, **numbers))
    return TrainingCard(
        name=name,
        method=training.method,
        base=PurePath(training.base).name,
        picture=curve(shown, f"training-{index}", name, training.best_step),
        apart=divergence_curve(shown, f"divergence-{index}", name, training.handed_over),
        facts=tuple(facts),
        losses=tuple(losses),
        best_step=training.best_step,
        checkpoints=checkpoint_card(index, name, training),
        diagnostics=diagnostics_card(name, training),
        concerns=training.concerns,
        written=_last_written(training),
        trained_text=_shortened(training.trained_text),
        numbers=_numbers(shown, pointer("training", name, "series")),
    )


def _numbers(shown: Series, at: str) -> tuple[Numbers, ...]:
    lines = {"loss": shown.loss, "learning_rate": shown.learning_rate, "grad_norm": shown.grad_norm}
    names = {"loss": "loss", "learning_rate": "learning rate", "grad_norm": "gradient norm"}
    tables = (step_numbers(shown.steps, lines, names, at), look_numbers(shown.validations, shown.divergences, at))
    return tuple(table for table in tables if table.rows)


def _shortened(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]} …" for text in texts)


def _last_written(training: Training) -> tuple[Written, ...]:
    """What the model answered after the step that was handed over, else after the last one."""
    steps = [each.step for each in training.written]
    step = training.handed_over if training.handed_over in steps else max(steps, default=0)
    return tuple(each for each in training.written if each.step == step)


def embedded(training: Mapping[str, Training]) -> dict[str, dict[str, object]]:
    """What the page's data holds of the trainings: the drawn series and the facts beside them."""
    return {
        name: {
            "series": series(each),
            "checkpoints": shown_checkpoints(each),
            "trained_text": _shortened(each.trained_text),
            "facts": {
                "steps": each.steps,
                "supervised_tokens": each.supervised_tokens,
                "parameters_trained": each.parameters_trained,
                "share_trained": each.parameters_trained / each.parameters_total if each.parameters_total else 1.0,
                "seconds": each.seconds,
                **_speed(each),
            },
            "concerns": each.concerns,
            "written": _last_written(each),
            "flows": norms(each.flows),
            "heart": by_heart(each),
        }
        for name, each in training.items()
    }


def _speed(training: Training) -> dict[str, float | None]:
    speed = training.speed
    return {"tokens_per_second": speed.tokens_per_second, "utilisation": speed.utilisation} if speed else {}


def curve(shown: Series, key: str, name: str, best_step: int | None) -> Markup | None:
    """Loss above, learning rate and gradient norm below; None when there is nothing to draw."""
    losses = [*shown.loss, *(loss for line in shown.validations.values() for _, loss in line)]
    if not any(map(math.isfinite, losses)):
        return None
    width, left, right = 520.0, 54.0, 92.0
    steps = [*shown.steps, *(step for line in shown.validations.values() for step, _ in line)]
    x = Scale((min(steps), max(steps)), (left, width - right))
    y = Scale(data_range(losses, pad=0.05), (186.0, 12.0))
    parts = height_axis(y, left, width - right, 5)
    if best_step is not None:
        parts.append(tag("line", x1=x(best_step), x2=x(best_step), y1=12, y2=186, class_="margin"))
        late = x(best_step) > width - right - 32
        parts.append(
            tag("text", "best", x=x(best_step) + (-4 if late else 4), y=22, text_anchor="end" if late else "start", class_="quiet")
        )
    if shown.loss:
        parts += broken([(x(step), y(loss)) for step, loss in zip(shown.steps, shown.loss, strict=True)], "line train")
    last = next((loss for loss in reversed(shown.loss) if math.isfinite(loss)), None)
    own = [] if last is None else [(y(last), "training", "train")]
    parts += named_lines(shown.validations, x, y, width - right, own)
    low = 186.0
    for word, values in (("learning rate", shown.learning_rate), ("gradient norm", shown.grad_norm)):
        panel = small_panel(word, shown.steps, values, x, low + 18, 38, width - right)
        parts += panel
        low += 56 if panel else 0
    parts += step_axis(x, min(steps), low + 18)
    words = f"Loss of {name} over {max(steps)} steps; last training loss {significant(shown.loss[-1]) if shown.loss else 'unknown'}"
    return picture(width, low + 26, f"Training of {name}", words, parts, name=key)


def divergence_curve(shown: Series, key: str, name: str, handed_over: int) -> Markup | None:
    """KL from the base on every validation set, and the step that was handed over; None when there is nothing to draw."""
    values = [value for line in shown.divergences.values() for _, value in line]
    if not any(map(math.isfinite, values)):
        return None
    width, left, right, top, low = 520.0, 54.0, 92.0, 12.0, 110.0
    steps = [step for line in shown.divergences.values() for step, _ in line]
    x = Scale((min(steps), max(steps)), (left, width - right))
    y = Scale(data_range(values, pad=0.05, include=(0.0,)), (low, top))
    parts = height_axis(y, left, width - right, 4)
    if handed_over in steps:
        parts.append(tag("line", x1=x(handed_over), x2=x(handed_over), y1=top, y2=low, class_="margin"))
    parts += named_lines(shown.divergences, x, y, width - right, [])
    parts += step_axis(x, min(steps), low + 18)
    last = ", ".join(f"{significant(line[-1][1])} on {word}" for word, line in shown.divergences.items())
    words = f"KL of {name} from its base over {max(steps)} steps, in nats per token; in the end {last}"
    return picture(width, low + 26, f"How far {name} moved from its base", words, parts, name=key)
