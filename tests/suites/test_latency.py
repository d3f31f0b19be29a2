"""Latency is measured, never remembered."""

from __future__ import annotations

import pytest

from harness.errors import ConfigError
from harness.records import Completion
from suites.latency import Latency, times

ROWS = [{"key": "a", "prompt": "Count to ten."}]


def test_times_are_those_of_the_completion(jsonl, builds, grades):
    suite = builds(Latency, items=str(jsonl(ROWS)))
    sample = grades(suite, lambda _: Completion(text="x", seconds=2.5, first_token_seconds=0.5, tokens_out=11))["a"]
    assert sample.scores == {
        "seconds": 2.5,
        "tokens_per_second": 4.4,
        "first_token_seconds": 0.5,
        "seconds_per_token": 0.2,
        "reasoning_tokens": 0.0,
    }
    assert {name for name, metric in suite.metrics.items() if metric.direction == "higher"} == {"tokens_per_second"}


def test_it_is_never_answered_from_the_journal_and_runs_one_at_a_time(jsonl, builds):
    suite = builds(Latency, items=str(jsonl(ROWS)))
    assert (suite.journalled, suite.concurrency, suite.watched) == (False, 1, ())
    assert builds(Latency, items="items.jsonl", concurrency=8).concurrency == 8


def test_what_was_not_measured_has_no_score():
    measured = times(Completion(seconds=1.0, tokens_out=1, reasoning="hm", reasoning_tokens=1))
    assert measured == {"seconds": 1.0, "tokens_per_second": 1.0, "reasoning_tokens": 1.0}
    assert "reasoning_tokens" not in times(Completion(seconds=1.0, tokens_out=1, reasoning="of unknown length"))
    assert "seconds_per_token" not in times(Completion(seconds=1.0, first_token_seconds=1.0, tokens_out=1))


def test_draws_are_averaged(jsonl, builds, grades):
    suite = builds(Latency, items=str(jsonl(ROWS)), draws=2, temperature=1.0)
    sample = grades(suite, lambda request: Completion(seconds=1.0 + request.draw, tokens_out=2))["a"]
    assert sample.scores["seconds"] == 1.5
    assert sample.draws["seconds"] == [1.0, 2.0]


def test_no_concurrency_is_refused(jsonl, builds):
    with pytest.raises(ConfigError, match="at least 1"):
        builds(Latency, items=str(jsonl(ROWS)), concurrency=0)
