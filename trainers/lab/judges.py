"""Two judges trained from the base. One learns to grade an answer alone; the other must compare two in one prompt, and cannot."""

from __future__ import annotations
