"""Win rates item by item: how far they can be trusted, and as they would be if both answers were alike in length or style.

``win`` comes from a judge, or from people. Three more metrics are made of it:

* ``win_consistent``: the same, of items on which no judge contradicted itself when sides were exchanged, and all could be read.
  The others have no score of it: they are missing, and a rule's ``max_missing`` says how many of them it bears.
* ``win_length``, ``win_style``: contributions to the length- and style-controlled rate, whose mean is that rate
  (``stats.controlled``). Fitted task by task over all items of a run; they are not from 0 to 1. Where hardly any item was lost (or
  won), or items weigh differently, nobody has a score of them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from msgspec import structs

from harness import stats
from harness.compare.columns import Array
from harness.records import Judgment, Metric, Sample
from harness.records.measured import Preferred

WIN, CONSISTENT, LENGTH, STYLE = "win", "win_consistent", "win_length", "win_style"
CONTROLLED: Mapping[str, Metric] = {
    CONSISTENT: Metric(kind="bounded"),
    LENGTH: Metric(kind="real"),
    STYLE: Metric(kind="real"),
}
"""What is made of ``win``, and how it is read."""

EVEN = 0.5
_MARKS = (
    re.compile(r"^#{1,6}[ \t]", re.MULTILINE),
    re.compile(r"^[ \t]*(?:[-*+•]|\d{1,9}[.)、])[ \t]", re.MULTILINE),
    re.compile(r"\*\*[^*\n]+\*\*|__[^_\n]+__"),
)
"""Headings, list items, bold spans; each in linear time."""


def differences(own: str, other: str) -> tuple[float, ...]:
    """By how much an answer exceeds another: characters, headings, list items, bold spans."""
    lengths = float(len(own.strip()) - len(other.strip()))
    return (lengths, *(float(_count(mark, own) - _count(mark, other)) for mark in _MARKS))


def _count(mark: re.Pattern[str], text: str) -> int:
    return sum(1 for _ in mark.finditer(text))


def consistent(judgments: Sequence[Judgment]) -> bool:
    """Whether every judge could be read, and preferred the same answer in both orders, or judged each answer by itself. One that
    saw a single order was not put to the test, and a juror that is not heard (weight 0) does not count. What is said of single
    criteria counts only where nothing is said of the whole."""
    said: dict[tuple[str, str], dict[str, Preferred]] = defaultdict(dict)
    for judgment in of_the_whole([judgment for judgment in judgments if judgment.weight > 0]):
        said[judgment.judge, judgment.criterion][judgment.order] = judgment.prefers
    return bool(said) and all(
        len(set(words.values())) == 1 and "none" not in words.values() and words.keys() in ({"alone"}, {"left", "right"})
        for words in said.values()
    )


def of_the_whole(judgments: Sequence[Judgment]) -> list[Judgment]:
    """Opinions about answers as a whole; where there are none, those about single criteria."""
    return [judgment for judgment in judgments if not judgment.criterion] or list(judgments)


def with_controlled(samples: Iterable[Sample], answers: Mapping[str, tuple[str, str]]) -> list[Sample]:
    """Samples with the metrics that are made of ``win``. ``answers``: item key -> the candidate's and the baseline's, where
    they are known."""
    found = list(samples)
    more: dict[str, dict[str, float]] = {}
    tasks: dict[str, list[Sample]] = defaultdict(list)
    for sample in found:
        if sample.scores is not None and WIN in sample.scores:
            more[sample.key] = {CONSISTENT: _win(sample)} if consistent(sample.judgments) else {}
            if sample.key in answers:
                tasks[sample.task].append(sample)
    for members in tasks.values():
        gaps = np.asarray([differences(*answers[sample.key]) for sample in members])
        for name, columns in ((LENGTH, gaps[:, :1]), (STYLE, gaps)):
            values = _contributions(members, columns)
            if values is not None:
                for sample, value in zip(members, values.tolist(), strict=True):
                    more[sample.key][name] = value
    return [
        structs.replace(sample, scores={**sample.scores, **more[sample.key]}) if sample.scores and sample.key in more else sample
        for sample in found
    ]


def _win(sample: Sample) -> float:
    return (sample.scores or {})[WIN]


def _contributions(samples: Sequence[Sample], gaps: Array) -> Array | None:
    """Of every item to the controlled rate; where all of them tie, that is what all of them say."""
    scores = np.asarray([_win(sample) for sample in samples])
    if (scores == EVEN).all():
        return scores
    if len({sample.weight for sample in samples}) > 1:
        return None
    found = stats.controlled(scores, gaps, _clusters(samples))
    return None if found is None else found.contributions


def _clusters(samples: Sequence[Sample]) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Numbers of what belongs together; items without a cluster are their own."""
    numbers: dict[tuple[str, ...], int] = {}
    names = [("item", sample.key) if sample.cluster is None else ("cluster", sample.cluster) for sample in samples]
    return np.asarray([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.intp)
