"""``[objective]``: what the loss is made of, beside the negative log-likelihood of trained tokens."""

from __future__ import annotations

from collections.abc import Iterable

from harness.records import Record
from trainers.config.complaints import Complaint


class ObjectiveConfig(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The loss. Without any key: nats per trained token."""


def complaints(objective: ObjectiveConfig) -> Iterable[Complaint]:
    """(where, what) of everything that types alone do not catch."""
    del objective
    return ()
