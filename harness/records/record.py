"""What all nouns share, and the closed sets of words that they use."""

from __future__ import annotations

from typing import Literal

import msgspec

FORMAT = 1
"""Every persisted file carries it."""

MetricKind = Literal["binary", "bounded", "real", "count", "ordinal", "corpus", "ratio"]
SHARES: tuple[MetricKind, ...] = ("binary", "bounded")
"""Kinds whose scores lie between 0 and 1."""

Direction = Literal["higher", "lower"]
Flag = Literal["truncated", "empty", "unparsable", "refused", "conflict", "disputed", "context_cut", "boundary"]
Outcome = Literal["pass", "fail", "inconclusive", "insensitive", "invalid", "not_comparable", "no_baseline"]
Require = Literal["superior", "non_inferior", "not_regressed", "at_least", "at_most"]
Severity = Literal["block", "warn", "inform"]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Frozen, keyword-only."""
