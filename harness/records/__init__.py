"""The nouns of sftgate: frozen msgspec structs and nothing else.

Every struct here can be written to JSON and read back by msgspec, so there is no hand-written (de)serialiser in the
project. Files that are persisted carry ``format = 1``. Unknown fields are refused only in the user's own config
(``harness.config`` derives strict variants where a noun appears there).
"""

from __future__ import annotations

from harness.records.asked import Candidate, Completion, Message, Request
from harness.records.audited import Audit, AuditedFile, Check, Exposure, Level, Match, Spot, Spread, Tally, Touched
from harness.records.decided import (
    Comparison,
    Conclusion,
    Finding,
    Health,
    History,
    HistoryPoint,
    Parity,
    Quarantined,
    Rule,
    SliceReading,
    Verdict,
)
from harness.records.measured import (
    IMPORTED,
    Admission,
    Answer,
    Fingerprints,
    Item,
    Judgment,
    Looks,
    Measured,
    Metric,
    Run,
    Sample,
    Sequential,
)
from harness.records.noise import Noise, Plant, Repetition, SelfTest, Sight
from harness.records.record import FORMAT, SHARES, Direction, Flag, MetricKind, Outcome, Record, Require, Severity
from harness.records.trained import Evaluation, Handover, Merge, Reading, Training, TrainingPoint, ValidationPoint

__all__ = [
    "FORMAT",
    "IMPORTED",
    "SHARES",
    "Admission",
    "Answer",
    "Audit",
    "AuditedFile",
    "Candidate",
    "Check",
    "Comparison",
    "Completion",
    "Conclusion",
    "Direction",
    "Evaluation",
    "Exposure",
    "Finding",
    "Fingerprints",
    "Flag",
    "Handover",
    "Health",
    "History",
    "HistoryPoint",
    "Item",
    "Judgment",
    "Level",
    "Looks",
    "Match",
    "Measured",
    "Merge",
    "Message",
    "Metric",
    "MetricKind",
    "Noise",
    "Outcome",
    "Parity",
    "Plant",
    "Quarantined",
    "Reading",
    "Record",
    "Repetition",
    "Request",
    "Require",
    "Rule",
    "Run",
    "Sample",
    "SelfTest",
    "Sequential",
    "Severity",
    "Sight",
    "SliceReading",
    "Spot",
    "Spread",
    "Tally",
    "Touched",
    "Training",
    "TrainingPoint",
    "ValidationPoint",
    "Verdict",
]
