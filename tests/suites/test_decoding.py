"""Presets are names for values: the values are sent, checked and hashed, and one's own win."""

from __future__ import annotations

import pytest

from harness.errors import ConfigError
from suites.decoding import PRESETS, Decoding
from suites.preference import Preference
from suites.prompted import Prompted

ROWS = [{"key": "k", "prompt": "?", "target": "4"}]


@pytest.fixture
def requests(jsonl, builds, converses):
    def run(**options):
        suite = builds(Prompted, items=str(jsonl(ROWS)), **options)
        return converses(suite, next(iter(suite.items())), lambda _: "4")[1]

    return run


@pytest.mark.parametrize(
    ("preset", "values"),
    [
        ("greedy", (0.0, 1.0, 0, 0.0, None)),
        ("thinking", (0.6, 0.95, 20, 0.0, True)),
        ("non_thinking", (0.7, 0.8, 20, 0.0, False)),
        ("deepseek_r1", (0.6, 0.95, 0, 0.0, None)),
    ],
)
def test_a_preset_is_sent_as_its_values(requests, preset, values):
    assert set(PRESETS) == {"greedy", "thinking", "non_thinking", "deepseek_r1"}
    (request,) = requests(preset=preset)
    assert (request.temperature, request.top_p, request.top_k, request.min_p, request.enable_thinking) == values
    assert request.repetition_penalty == 1.0


def test_ones_own_values_override_the_preset_even_where_they_are_the_usual_ones(requests):
    (request,) = requests(preset="thinking", temperature=0.0, top_k=0, enable_thinking=False)
    assert (request.temperature, request.top_p, request.top_k, request.enable_thinking) == (0.0, 0.95, 0, False)
    assert request.seed == 0
    (sampled,) = requests(preset="thinking")
    assert sampled.seed != 0


def test_the_values_are_hashed_and_not_the_name(jsonl, builds):
    def fingerprint(suite=Prompted, **options):
        return builds(suite, items=str(jsonl(ROWS)), **options).fingerprint()

    written_out = {"temperature": 0.6, "top_p": 0.95, "top_k": 20, "enable_thinking": True}
    assert fingerprint(preset="thinking") == fingerprint(**written_out)
    assert fingerprint() == fingerprint(preset="greedy", temperature=0.0)
    assert fingerprint() != fingerprint(preset="thinking") != fingerprint(preset="non_thinking")
    assert fingerprint(Preference, judge="j", preset="thinking") == fingerprint(Preference, judge="j", **written_out)
    assert fingerprint(Preference, judge="j", preset="thinking") != fingerprint(Preference, judge="j")


def test_checks_look_at_what_is_sent(requests):
    assert len(requests(preset="thinking", draws=3)) == 3
    with pytest.raises(ConfigError, match="all the same answer"):
        requests(preset="thinking", temperature=0.0, draws=3)
    with pytest.raises(ConfigError, match="top_p"):
        requests(preset="thinking", top_p=0.0)


def test_what_does_not_fit_is_an_error_unless_the_suite_says_otherwise(requests):
    assert requests()[0].overlong == "error"
    assert requests(overlong="truncate_left")[0].overlong == "truncate_left"
    assert Decoding().sampling == PRESETS["greedy"]
