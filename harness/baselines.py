"""The pin file: which runs of the store are remembered under a name, and which of them is the baseline now.

A small TOML file (``pins`` of the config, by default ``baselines.toml`` beside it) that belongs under version control. It says what
was pinned, by content; the answers stay in the store. Pins never change, and only ``sftgate baseline promote`` changes which one is
promoted: a baseline does not drift by itself.

    promoted = "w46"
    promotions = [ { created = …, by = …, from = …, to = "w46", outcome = "pass", … } ]      the latest last
    [pins.w46]                                                                               sorted by name
    [pins.w46.runs.SUITE]
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from pathlib import Path

import msgspec

from harness.errors import ComparabilityError, ConfigError, UsageError
from harness.plugins import did_you_mean
from harness.records import FORMAT, Outcome, Record
from harness.store import atomic_write
from harness.strict import convert, read

PROMOTED = "pin"
"""``baseline = "pin"`` means the promoted pin."""

PREFIX = "pin:"
"""``pin:NAME`` means the pin NAME, in ``baseline`` and in a rule's ``against``."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HASH = re.compile(r"[0-9a-f]{64}")
_HEADER = (
    "# Baselines of sftgate, written by `sftgate baseline`. Keep this file under version control; the answers are in the store.\n"
)


class PinnedRun(Record, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One run of a pin: ``graded`` names its folder in the store, ``samples`` is the hash of what it holds. ``metric``, ``score``
    and ``items`` (with an answer) are for reading; the verdict never looks at them."""

    graded: str
    samples: str
    metric: str = ""
    score: float | None = None
    items: int = 0


class Pin(Record, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Who was pinned: the candidate's name then, what it was (paths by their last two parts; content hashes), when and by whom,
    what the gate had said of it, ``against`` which baseline and by which rules (``policy``: their hash), and its run in every
    suite."""

    candidate: str
    created: str
    by: str
    model: str = ""
    revision: str | None = None
    adapter: str | None = None
    weights_hash: str | None = None
    adapter_hash: str | None = None
    outcome: Outcome | None = None
    sentence: str = ""
    against: str = ""
    policy: str = ""
    runs: dict[str, PinnedRun]

    @property
    def day(self) -> str:
        """The day on which it was pinned."""
        return self.created[:10]


class Promotion(Record, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, rename={"earlier": "from"}):
    """When which pin took the place of which, by whom, and on what verdict ``against`` which baseline; ``reason``: why it was done
    without a pass."""

    created: str
    by: str
    earlier: str = ""
    to: str
    outcome: Outcome | None = None
    sentence: str = ""
    against: str = ""
    reason: str = ""


class Pins(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    format: int = FORMAT
    promoted: str = ""
    promotions: tuple[Promotion, ...] = ()
    pins: dict[str, Pin] = {}

    def pin(self, name: str, *, file: Path, where: str = "", config: str = "") -> Pin:
        """The pin named ``name``; ConfigError where there is none, ComparabilityError where there are no pins at all.

        ``where`` and ``config`` say who asks for it.
        """
        if name in self.pins:
            return self.pins[name]
        if not self.pins:
            raise ComparabilityError(f"there is no pin {name!r}: {str(file)!r} holds none. {_FIRST}")
        raise ConfigError(f"no pin of {str(file)!r} is named {name!r}. {did_you_mean(name, self.pins)}", where=where, file=config)


_FIRST = (
    "The first one: sftgate measure CONFIG --set baseline=CANDIDATE, then sftgate baseline pin CONFIG NAME --of CANDIDATE, and for "
    'baseline = "pin" sftgate baseline promote CONFIG pin:NAME --anyway --reason "the first".'
)


def pin_name(text: str) -> str | None:
    """``prod`` of ``pin:prod``; None for what is no pin."""
    return text.removeprefix(PREFIX) if text.startswith(PREFIX) else None


def means_pin(text: str) -> bool:
    """Whether a baseline or an ``against`` means a pin."""
    return text == PROMOTED or text.startswith(PREFIX)


def no_promoted(file: Path) -> ComparabilityError:
    """What to say where ``baseline = "pin"`` has nothing to mean."""
    return ComparabilityError(f"the baseline is the promoted pin, and {str(file)!r} has none. {_FIRST}")


def check_name(name: str) -> None:
    """UsageError for what cannot be a pin's name."""
    if not _NAME.fullmatch(name) or len(name) > 100:
        raise UsageError(f"{name!r} cannot be the name of a pin. Use letters, digits, '.', '_' and '-', at most 100 of them.")


def read_pins(file: Path) -> Pins:
    """What the file holds; no pins where there is no file. ConfigError, with the place, for anything that does not fit."""
    if file.suffix != ".toml":
        raise ConfigError(f"the pin file is {str(file)!r}; expected a name that ends in .toml", where="pins")
    if not file.exists():
        return Pins()
    raw = read(file)
    if isinstance(raw, dict) and raw.get("format", FORMAT) != FORMAT:
        said = f"has format {raw['format']!r}, and this sftgate reads format {FORMAT}; use the sftgate that wrote it"
        raise ConfigError(said, file=str(file))
    _convert_named(raw, str(file))
    pins = convert(raw, Pins, file=str(file))
    _check(pins, str(file))
    return pins


def _convert_named(raw: object, file: str) -> None:
    """Each pin, and each run of it, by itself first: so that a complaint names the one that is wrong."""
    pins = raw.get("pins") if isinstance(raw, dict) else None
    for name, pin in pins.items() if isinstance(pins, dict) else ():
        runs = pin.get("runs") if isinstance(pin, dict) else None
        for suite, run in runs.items() if isinstance(runs, dict) else ():
            convert(run, PinnedRun, where=f"pins.{name}.runs.{suite}", file=file)
        convert(pin, Pin, where=f"pins.{name}", file=file)


def write_pins(file: Path, pins: Pins) -> None:
    """Write the file at once, pins sorted by name."""
    ordered = msgspec.structs.replace(pins, pins=dict(sorted(pins.pins.items())))
    _check(ordered, str(file))
    plain = {name: value for name, value in msgspec.to_builtins(ordered).items() if value not in ("", (), [], {})}
    atomic_write(file, _HEADER + msgspec.toml.encode(plain).decode())


def _check(pins: Pins, file: str) -> None:
    """What types alone do not say: names that exist, hashes that are hashes, days that are days, scores that are numbers."""

    def wrong(message: str, where: str) -> ConfigError:
        return ConfigError(message, where=where, file=file)

    for name, pin in pins.pins.items():
        where = f"pins.{name}"
        if not _NAME.fullmatch(name):
            raise wrong(f"{name!r} cannot be the name of a pin. Use letters, digits, '.', '_' and '-'.", "pins")
        if not _is_time(pin.created):
            raise wrong(f"expected a time such as 2026-11-12T09:30:00+00:00, found {pin.created!r}", f"{where}.created")
        if not pin.runs:
            raise wrong("the pin holds no run of any suite", f"{where}.runs")
        for suite, run in pin.runs.items():
            place = f"{where}.runs.{suite}"
            for what, text in (("graded", run.graded), ("samples", run.samples)):
                if not _HASH.fullmatch(text):
                    raise wrong(f"expected a hash of 64 hexadecimal digits, found {text!r}", f"{place}.{what}")
            if run.score is not None and not math.isfinite(run.score):
                raise wrong(f"expected a finite number, found {run.score}", f"{place}.score")
    if pins.promoted and pins.promoted not in pins.pins:
        known = did_you_mean(pins.promoted, pins.pins) if pins.pins else "The file holds no pin."
        raise wrong(f"no pin is named {pins.promoted!r}. {known}", "promoted")
    for index, promotion in enumerate(pins.promotions):
        if not _is_time(promotion.created):
            place = f"promotions[{index}].created"
            raise wrong(f"expected a time such as 2026-11-12T09:30:00+00:00, found {promotion.created!r}", place)
    last = pins.promotions[-1].to if pins.promotions else ""
    if pins.promoted != last:
        said = f"the latest promotion was of {last!r}" if last else "no promotion is recorded"
        raise wrong(f"{pins.promoted!r} is promoted, but {said}. Only `sftgate baseline promote` changes it.", "promoted")


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
