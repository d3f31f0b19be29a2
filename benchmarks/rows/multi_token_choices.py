"""Row 1: choices of about 12 tokens after a context of about 150, four per document."""

from __future__ import annotations

from benchmarks.choices import Choices
from benchmarks.tasks import CHOICES

TARGET = 5.0

WIDE = Choices("multi-token choices, 8 layers x 512, against lm-eval hf", TARGET, CHOICES, model="wide", documents=20)
LAB = Choices("multi-token choices, lab base, against lm-eval hf", TARGET, CHOICES, model="lab", documents=200)
