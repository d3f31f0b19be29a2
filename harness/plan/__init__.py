"""What the gate will be able to say, before anything is asked. Pure: items, policy and earlier runs in, a plan out."""

from __future__ import annotations

from harness.plan.decisions import Decision, Questions, decisions
from harness.plan.forecast import Forecast, Plan, plan
from harness.plan.known import Earlier, Known, known

__all__ = ["Decision", "Earlier", "Forecast", "Known", "Plan", "Questions", "decisions", "known", "plan"]
