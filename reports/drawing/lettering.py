"""Letters in a picture: how wide a text is, what of it fits, and how the numbers of an axis are written so that no two read alike.

Nobody measures fonts here: widths are those of the widest common interface fonts, so that what is reserved is rather too much.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

from harness.records import SHARES, MetricKind
from reports.wording import MINUS, fixed, signed

SMALL = 11.0
"""Size of most letters in a picture, in pixels; ``NAME``: of plain letters as wide as those of bold names, which
have 12.5."""
NAME = 13.5
_LARGE, _TINY = 1e5, 1e-3
"""Beyond these a number of an axis has an exponent: no margin is as wide as 1000000000."""


def width_of(text: str, size: float = SMALL) -> float:
    """Pixels that a text takes, at most."""
    return sum(_width(sign) for sign in text) * size


def _width(sign: str) -> float:
    if unicodedata.combining(sign) or unicodedata.category(sign) in ("Cf", "Mn"):
        return 0.0
    if unicodedata.east_asian_width(sign) in "WF":
        return 1.0
    if sign in "mwMW%@—…":
        return 0.98
    return 0.74 if sign.isupper() else 0.35 if sign in "iljtfrI.,:;'|! ()[]" else 0.62


def fitted(text: str, room: float, size: float = SMALL) -> str:
    """As much of a text as ``room`` pixels hold, with a mark where something is left out."""
    if width_of(text, size) <= room:
        return text
    kept, taken = "", _width("…") * size
    for sign in text:
        taken += _width(sign) * size
        if taken > room:
            break
        kept += sign
    return f"{kept.rstrip()}…"


def tick_texts(values: Sequence[float], kind: MetricKind = "real", *, gain: bool = False) -> list[str]:
    """What stands beside the ticks of an axis: as many decimals as their distance needs, per cent for shares (points for gains)."""
    share = kind in SHARES
    scaled = [value * 100 if share else value for value in values]
    apart = [abs(right - left) for left, right in pairwise(scaled)]
    step = min((each for each in apart if each > 0), default=max((abs(value) for value in scaled), default=0.0)) or 1.0
    largest = max((abs(value) for value in scaled), default=0.0)
    tail = (" pp" if gain else "%") if share else ""
    if largest >= _LARGE or 0 < largest < _TINY:
        digits = max(0, math.floor(math.log10(largest or step)) - _power(step))
        return [_exponent(value, digits, gain) + tail for value in scaled]
    write = signed if gain else fixed
    return [write(value, max(0, -_power(step))) + tail for value in scaled]


def _power(step: float) -> int:
    """Of ten, in which a step of 1, 2 or 5 is written; one lower where it takes a further digit (2.5)."""
    power = math.floor(math.log10(step) + 1e-9)
    lead = step / 10.0**power
    return power if abs(lead - round(lead)) < 1e-6 else power - 1


def _exponent(value: float, digits: int, gain: bool) -> str:
    if value == 0:
        return "0"
    lead, power = f"{value:.{digits}e}".split("e")
    short = lead.rstrip("0").rstrip(".") if "." in lead else lead
    return f"{'+' if gain and value > 0 else ''}{short}e{int(power)}".replace("-", MINUS)
