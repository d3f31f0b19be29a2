"""Have the judges look at the answers: one engine after another, each judge after its examination."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from harness.pipeline.asking import Asking, repeating, replicates
from harness.pipeline.examining import Testimonies, examine, testify, weigh
from harness.pipeline.grading import Gathered
from harness.pipeline.preparing import Pair, Prepared
from harness.protocols import Judged, Suite, judges_of, jury_of
from harness.records import Admission, Answer, Item
from harness.schedule import Desk, Done, Talk, drive


def consult(asking: Asking, pending: Sequence[Pair]) -> dict[str, Admission]:
    """The judgments go into what was gathered; returned is how each suite's judge, or jury, did on its labels."""
    prepared, gathered, progress = asking.prepared, asking.gathered, asking.progress
    admissions: dict[str, Admission] = {}
    testimonies: dict[str, Testimonies] = {}
    for judge in dict.fromkeys(judge for suite, _ in pending for judge in judges_of(prepared.suites[suite])):
        pairs = [pair for pair in pending if judge in judges_of(prepared.suites[pair[0]])]
        suites = dict.fromkeys(suite for suite, _ in pairs)
        before = time.perf_counter()
        examinations = sum(prepared.config.suite(name).options.get("admission") is not None for name in suites)
        progress.stage(f"consulting {judge}", sum(len(gathered[pair].answers) for pair in pairs) + examinations)
        with Desk({judge: asking.opener([judge])}) as desk:
            admissions |= examine(asking, desk, [name for name in suites if jury_of(prepared.suites[name]) is None])
            testify(asking, desk, judge, [name for name in suites if jury_of(prepared.suites[name])], into=testimonies)
            for replicate in replicates(prepared, pairs):
                talks = _consultations(prepared, judge, repeating(prepared, pairs, replicate), gathered)
                for finished in drive(talks, desk, journal=asking.journal, asked=asking.prints, replicate=replicate):
                    _note(asking, judge, finished)
                    progress.advance()
        for pair in pairs:
            gathered[pair].seconds += time.perf_counter() - before
    for name, heard in testimonies.items():
        admission, weights = weigh(prepared, name, heard)
        admissions |= {} if admission is None else {name: admission}
        for pair in pending:
            if pair[0] == name:
                _weigh_opinions(gathered[pair], weights)
    return admissions


def _weigh_opinions(into: Gathered, weights: Mapping[str, float]) -> None:
    for key, judgments in into.judgments.items():
        into.judgments[key] = tuple(msgspec.structs.replace(each, weight=weights.get(each.judge, 1.0)) for each in judgments)


def _consultations(prepared: Prepared, judge: str, pairs: Sequence[Pair], gathered: Mapping[Pair, Gathered]) -> Iterator[Talk]:
    for pair in pairs:
        suite = prepared.suites[pair[0]]
        others = gathered[(pair[0], prepared.config.baseline)].answers if suite.needs_baseline else {}
        for item in prepared.items(pair[0]):
            answer, other = gathered[pair].answers[item.key], others.get(item.key)
            own = pair[1] == prepared.config.baseline
            if answer.error is not None:
                continue
            if suite.needs_baseline and not own and (other is None or other.error is not None):
                gathered[pair].judge_errors[item.key] = "the baseline has no answer to compare with"
                continue
            talk = _consultation(suite, judge, item, answer, None if own else other)
            if talk is not None:
                yield Talk(id=(pair, item.key), candidate=judge, conversation=talk)


def _consultation(suite: Suite, judge: str, item: Item, answer: Answer, other: Answer | None) -> Any:
    jury = jury_of(suite)
    if jury is not None:
        return jury.hear(judge, item, answer, other)
    return suite.consult(item, answer, other) if isinstance(suite, Judged) else None


def _note(asking: Asking, judge: str, finished: Done) -> None:
    pair, key = finished.id
    into = asking.gathered[pair]
    if finished.error is None:
        into.judgments[key] = (*into.judgments.get(key, ()), *(finished.value or ()))
    else:
        into.judge_errors[key] = f"the judge failed: {finished.error}"
    read, written = into.judge_tokens.get(judge, (0, 0))
    into.judge_tokens[judge] = (read + finished.tokens_in, written + finished.tokens_out)
    asking.count(into, finished)
