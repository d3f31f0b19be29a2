"""Checkpoints in the report: the front, the pictures, the table."""

from __future__ import annotations

import random
from xml.etree import ElementTree

from harness.records import Evaluation, Reading, Training
from reports.front import front
from reports.trained.checkpoints import checkpoint_card
from tests.reports import fixtures
from tests.reports.trained import trainings


def naive_front(points: list[tuple[float, float]]) -> set[tuple[float, float]]:
    return {p for p in points if not any((a >= p[0] and b > p[1]) or (a > p[0] and b >= p[1]) for a, b in points)}


def test_the_front_is_what_nothing_betters_in_both() -> None:
    dice = random.Random(5)
    for size in (1, 2, 3, 8, 40):
        points = [(dice.randrange(6) / 6, dice.randrange(6) / 6) for _ in range(size)]
        found = [points[index] for index in front(points)]
        assert set(found) == naive_front(points)
        assert len(found) == len(set(found)), "equal points once"
        assert found == sorted(found)
    assert front([]) == []


def looked(*points: tuple[int, float | None, float | None]) -> Training:
    evaluations = tuple(Evaluation(step=step, target=target, loss=loss) for step, target, loss in points)
    return Training(name="a", method="full", base="b", best_step=10, handed_over=20, evaluations=evaluations)


def test_a_card_says_which_checkpoint_was_handed_over_and_what_its_bound_did() -> None:
    card = checkpoint_card(0, "careless", trainings()["careless"])
    assert card is not None
    assert [(row.step.text, row.bound, row.chosen) for row in card.rows] == [
        ("60", "kept", False), ("120", "not proven", False), ("180", "broken", False), ("240", "broken", False),
    ]  # fmt: skip
    assert [row.chosen for row in checkpoint_card(0, "a", looked((10, 0.1, 0.0), (20, 0.3, 0.2))).rows] == [False, True]  # type: ignore[union-attr]
    assert card.rows[0].general.text.startswith("−")
    for picture in (card.course, card.plane):
        assert ElementTree.fromstring(str(picture)).tag.endswith("svg")


def test_what_was_not_measured_is_a_dash_and_draws_nothing() -> None:
    card = checkpoint_card(0, "a", looked((10, None, None), (20, 0.3, None)))
    assert card is not None
    assert (card.rows[0].target.text, card.rows[0].general.text) == ("–", "–")
    assert card.plane is None
    assert checkpoint_card(0, "a", looked()) is None


def test_the_target_is_written_in_its_own_kind() -> None:
    reading = Reading(metric="t/score", require="superior", role="target", outcome="pass", reason="", gain=1.25, kind="real")
    training = Training(
        name="a", method="full", base="b", evaluations=(Evaluation(step=1, target=1.25, loss=0.02, readings=(reading,)),)
    )
    card = checkpoint_card(0, "a", training)
    assert card is not None
    assert card.rows[0].target.text == "+1.25"
    assert card.rows[0].general.text == "−2.0 pp"


def test_the_page_shows_them() -> None:
    from reports import page

    conclusion, runs, training = fixtures.small()
    text = page.render(conclusion, runs, training)
    assert all(f"Checkpoints of {name}" in text for name in ("careless", "full-replay"))
    assert "KL from the base" in text
    assert 'class="line front"' in text
