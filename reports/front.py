"""The Pareto front: what nothing else betters in both of two things."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from reports.drawing.svg import Scale, tag


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """The points that no other betters in both coordinates (more is better), by rising first coordinate: the Pareto front."""
    best: list[int] = []
    for index in sorted(range(len(points)), key=lambda index: (-points[index][0], -points[index][1])):
        if not best or points[index][1] > points[best[-1]][1]:
            best.append(index)
    return best[::-1]


def front_line(points: Sequence[tuple[float, float]], x: Scale, y: Scale) -> list[Markup]:
    """The front as a line through its points; nothing where it is a single one."""
    along = [points[index] for index in front(points)]
    if len(along) < 2:
        return []
    return [tag("polyline", points=" ".join(f"{x(px):.1f},{y(py):.1f}" for px, py in along), class_="line front")]
