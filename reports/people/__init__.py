"""What people said in a blind review: who won, whether the raters agree, and what habits they have. Figures from
``harness.stats``; here is only what they are computed of."""

from __future__ import annotations

from reports.people.telling import what_people_said

__all__ = ["what_people_said"]
