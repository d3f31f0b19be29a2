"""Is a judge asked as it should be, for the verdict that it thinks best? An endpoint's ``extra_body`` beats what a request says."""

from __future__ import annotations

from collections.abc import Iterator

from harness.pipeline.preparing import Pair, Prepared
from harness.protocols import judges_of


def unsteady(prepared: Prepared, pair: Pair) -> Iterator[str]:
    """A sentence for each judge of the suite whose verdicts are drawn by lot."""
    for judge in judges_of(prepared.suites[pair[0]]):
        body = prepared.candidates[judge].options.get("extra_body")
        temperature = body.get("temperature", 0) if isinstance(body, dict) else 0
        if temperature != 0:
            yield (
                f"{judge}, which judges {pair[0]}, is asked at temperature {temperature} (extra_body), and not at 0: another draw "
                "may say otherwise"
            )
