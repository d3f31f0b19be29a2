"""Endpoints that will be asked must answer now, and be able to do what they will be asked."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import EngineError
from harness.pipeline.expecting import first_opinion
from harness.pipeline.preparing import Pair, Prepared, first_requests
from harness.protocols import helper_of, judges_of


def reach(prepared: Prepared, pending: Sequence[Pair], *, asking: bool = True) -> list[str]:
    """The names of the endpoints that these pairs need; none is an engine in this process.

    EngineError for those that are down, and, ``asking``, that cannot score where there are choices, or verdicts, to score: before
    the candidates' engine starts. Not ``asking`` (a dry run), no model is put to work.
    """
    reached, missed = [], []
    for name in _needed(prepared, pending):
        look = getattr(prepared.engines[name], "reach", None)
        if look is None:
            continue
        suites = [suite for suite, candidate in pending if candidate == name and asking]
        asked = [request for suite in suites for request in first_requests(prepared.suites[suite], prepared.items(suite)[0])]
        judged = dict.fromkeys(suite for suite, _ in pending if asking and name in judges_of(prepared.suites[suite]))
        asked += [each for suite in judged for each in first_opinion(prepared.suites[suite], name, prepared.items(suite)[0])]
        try:
            look(prepared.candidates[name], asked)
        except EngineError as error:
            missed.append(f"{name} cannot be asked: {error}")
        else:
            reached.append(name)
    if missed:
        raise EngineError("; ".join(missed))
    return reached


def _needed(prepared: Prepared, pending: Sequence[Pair]) -> list[str]:
    """Candidates, judges and helpers that something is still to be asked of."""
    suites = [prepared.suites[suite] for suite, _ in pending]
    judges = [judge for suite in suites for judge in judges_of(suite)]
    helpers = [helper for suite in suites if (helper := helper_of(suite)) is not None]
    return list(dict.fromkeys([*(name for _, name in pending), *judges, *helpers]))
