"""The runs behind pins, read from the store by content, so that an old baseline stands beside what was measured now."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from harness.baselines import PREFIX, PROMOTED, Pin, PinnedRun, no_promoted, pin_name, read_pins
from harness.config import Loaded
from harness.errors import ComparabilityError
from harness.lines import located
from harness.records import Measured
from harness.store import Store


def meant_pins(loaded: Loaded) -> dict[str, Pin]:
    """The pins that the config speaks of, by ``pin:NAME``: its baseline, and what its rules are against.

    ComparabilityError where there is no such baseline yet, ConfigError for a name that no pin has.
    """
    config = loaded.config
    if config.baseline == PROMOTED:
        raise no_promoted(loaded.pins)
    places = {rule.against: f"rules[{index}].against" for index, rule in enumerate(config.rules)} | {config.baseline: "baseline"}
    meant = {text: place for text, place in places.items() if text.startswith(PREFIX)}
    if not meant:
        return {}
    pins = read_pins(loaded.pins)
    with located(loaded.file):
        return {
            text: pins.pin(pin_name(text) or "", file=loaded.pins, where=place, config=loaded.file) for text, place in meant.items()
        }


def check_meant(loaded: Loaded) -> None:
    """The pins that the config speaks of must be there, and the baseline have a run of every suite. The store is not looked at."""
    for text, pin in meant_pins(loaded).items():
        list(_wanted(loaded, text, pin))


def find_pinned(loaded: Loaded) -> dict[tuple[str, str], Path]:
    """The folders of the runs of all meant pins, in the suites that the config judges by them, by (suite, ``pin:NAME``).

    ComparabilityError where the baseline holds no run of a suite, or where the store lacks a run.
    """
    return {
        (suite, text): _find(loaded, text, pin, suite, run)
        for text, pin in meant_pins(loaded).items()
        for suite, run in _wanted(loaded, text, pin)
    }


def read_pinned(loaded: Loaded) -> dict[tuple[str, str], Measured]:
    """The runs of all meant pins; nobody's forgetting is measured for them. ComparabilityError as ``find_pinned``."""
    store = Store(loaded.store)
    return {pair: _nobodys(store.read(path)) for pair, path in find_pinned(loaded).items()}


def read_pin(loaded: Loaded, text: str) -> dict[tuple[str, str], Measured]:
    """The runs of any pin of the pin file, ``pin:NAME``, whether or not the config speaks of it, in those suites of the config that
    it has. ConfigError for a name that no pin has; ComparabilityError where there are no pins, where it shares no suite with the
    config, or where the store lacks a run."""
    pin = read_pins(loaded.pins).pin(pin_name(text) or "", file=loaded.pins)
    shared = [suite.name for suite in loaded.config.suites if suite.name in pin.runs]
    if not shared:
        suites = ", ".join(suite.name for suite in loaded.config.suites)
        raise ComparabilityError(f"{text} was pinned on {pin.day} with {', '.join(pin.runs)}, and {loaded.file} has only {suites}.")
    store = Store(loaded.store)
    return {(suite, text): _nobodys(store.read(_find(loaded, text, pin, suite, pin.runs[suite]))) for suite in shared}


def promoted_pin(loaded: Loaded) -> str:
    """``pin:NAME`` of the promoted pin; ComparabilityError where there is none."""
    promoted = read_pins(loaded.pins).promoted
    if not promoted:
        raise no_promoted(loaded.pins)
    return f"{PREFIX}{promoted}"


def _nobodys(measured: Measured) -> Measured:
    """Nobody's forgetting is measured for what is pinned."""
    return msgspec.structs.replace(measured, run=msgspec.structs.replace(measured.run, reference=None))


def _wanted(loaded: Loaded, text: str, pin: Pin) -> Iterator[tuple[str, PinnedRun]]:
    """The runs of a pin that anything is judged by. Where only rules speak of it, a suite may be younger than the pin: the rule's
    finding says so."""
    own = text == loaded.config.baseline
    rules = [rule for rule in loaded.config.rules if rule.against == text]
    for suite in loaded.config.suites:
        if not own and not any(fnmatchcase(suite.name, rule.metric.split("/", 1)[0]) for rule in rules):
            continue
        if suite.name in pin.runs:
            yield suite.name, pin.runs[suite.name]
        elif own:
            raise ComparabilityError(
                f"the baseline {text} holds no run of suite {suite.name!r}; it was pinned on {pin.day} with {', '.join(pin.runs)}. "
                f"Measure its weights in {suite.name!r} too (as a candidate, with --set baseline=NAME) and pin them under another "
                "name, or leave the suite out."
            )


def _find(loaded: Loaded, text: str, pin: Pin, suite: str, pinned: PinnedRun) -> Path:
    store = Store(loaded.store)
    for path in store.attempts(suite, pin.candidate, pinned.graded):
        if store.run(path).samples_hash == pinned.samples:
            return path
    folder = str(store.folder(suite, pin.candidate, pinned.graded))
    raise ComparabilityError(
        f"the run of {text} in suite {suite!r} is not in the store: expected {folder!r} "
        f"with the answers of {pin.day} (samples {pinned.samples[:12]}). Copy that folder from the store in which it was pinned; "
        "measured again, its answers may be others."
    )
