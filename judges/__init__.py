"""Judges score open answers.

Each is a class ``Judge(to, *, prompt=…, max_tokens=None, probabilities=False, enable_thinking=None, folder, where)``.
"""

from __future__ import annotations

JUDGES: dict[str, str] = {
    "pairwise": "judges.pairwise:Pairwise",
    "pointwise": "judges.pointwise:Pointwise",
    "rubric": "judges.rubric:Rubric",
}
