"""Row 2: four labels of one token each after a context of about 150. lm-eval's own cache already scores a document at once."""

from __future__ import annotations

from benchmarks.choices import Choices
from benchmarks.tasks import LETTERS

TARGET = 1.5

WIDE = Choices("single-token choices, 8 layers x 512, against lm-eval hf", TARGET, LETTERS, model="wide", documents=32)
LAB = Choices("single-token choices, lab base, against lm-eval hf", TARGET, LETTERS, model="lab", documents=200)
