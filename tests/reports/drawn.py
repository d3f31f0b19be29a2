"""Where the texts of a picture lie, by widths of letters that are not those of the code under test."""

from __future__ import annotations

import unicodedata
from itertools import combinations
from xml.etree import ElementTree

from markupsafe import Markup

SIZES = {"label": 12.5, "axis": 12.0}
Text = tuple[float, float, float, float, str]


def texts(picture: Markup) -> tuple[float, float, list[Text]]:
    """Width and height of a picture, and left, top, right, bottom and content of its texts."""
    root = ElementTree.fromstring(str(picture))
    width, height = (float(value) for value in root.attrib["viewBox"].split()[2:])
    found = []
    for each in root.iter("text"):
        size = next((SIZES[name] for name in (each.get("class") or "").split() if name in SIZES), 11.0)
        said = each.text or ""
        wide = sum(size * (1.0 if unicodedata.east_asian_width(sign) in "WF" else 0.56) for sign in said)
        left = float(each.attrib["x"]) - {"start": 0.0, "middle": wide / 2, "end": wide}[each.get("text-anchor", "start")]
        base = float(each.attrib["y"])
        found.append((left, base - 0.75 * size, left + wide, base + 0.22 * size, said))
    return width, height, found


def faults(picture: Markup) -> list[str]:
    """Texts that leave the picture or touch each other, and places that are no number."""
    width, height, found = texts(picture)
    wrong = [f"outside: {each[4]}" for each in found if each[0] < -1 or each[1] < -1 or each[2] > width + 1 or each[3] > height + 1]
    for one, other in combinations(found, 2):
        if one[0] < other[2] - 1 and other[0] < one[2] - 1 and one[1] < other[3] - 1 and other[1] < one[3] - 1:
            wrong.append(f"touching: {one[4]} | {other[4]}")
    for element in ElementTree.fromstring(str(picture)).iter():
        wrong += [f"{name}: {value}" for name, value in element.items() if name in PLACES and {"nan", "inf"} & set(_words(value))]
    return wrong


PLACES = frozenset({"x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width", "height", "points", "d"})


def _words(value: str) -> list[str]:
    return value.replace("-", " ").replace(",", " ").replace("M", " ").replace("L", " ").replace("Z", " ").split()
