"""Judgments that were made elsewhere: read strictly, and put into the store as runs, so that win rates, consistency, agreement and
length control come from our own code."""

from __future__ import annotations

from suites.elsewhere.opinion import Graded, Opinion, Read
from suites.elsewhere.reading import FORMATS, read_judgments
from suites.elsewhere.runs import GRADE, Arranged, arranged, models, renamed, to_run

__all__ = ["FORMATS", "GRADE", "Arranged", "Graded", "Opinion", "Read", "arranged", "models", "read_judgments", "renamed", "to_run"]
