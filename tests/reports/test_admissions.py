"""What the page says of a judge's examination: on pairs, or on single answers."""

from __future__ import annotations

import pytest

from harness.records import Admission
from reports.judging import admission_cards


@pytest.mark.parametrize(
    ("alone", "labels"),
    [
        (False, ["labelled pairs", "accuracy", "agreement κ", "unparsable", "same answer in both orders"]),
        (True, ["labelled answers", "accuracy", "agreement κ", "unparsable"]),
    ],
)
def test_a_judge_of_single_answers_knows_no_orders(alone: bool, labels: list[str]) -> None:
    found = Admission(judge="j", admitted=True, pairs=44, accuracy=0.9, kappa=0.8, consistency=1.0, unparsable=0.0, alone=alone)
    (card,) = admission_cards({"safety": found})
    assert [label for label, _ in card.figures] == labels
