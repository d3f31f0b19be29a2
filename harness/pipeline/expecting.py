"""What judges will be asked, before anybody is."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import msgspec

from harness.pipeline.preparing import Pair, Prepared
from harness.protocols import Conversation, Judged, Suite, judges_of, jury_of
from harness.records import Answer, Completion, Item, Request


def judging(prepared: Prepared, finished: Collection[Pair]) -> Iterator[str]:
    """A sentence for each suite and judge that has something left to judge; the examination apart."""
    for entry in prepared.config.suites:
        suite = prepared.suites[entry.name]
        left = [pair for pair in prepared.pairs() if pair[0] == entry.name and pair not in finished]
        if suite.needs_baseline:
            left = [pair for pair in left if pair[1] != prepared.config.baseline]
        for judge in judges_of(suite):
            requests = len(left) * sum(len(first_opinion(suite, judge, item)) for item in prepared.items(entry.name))
            if requests:
                yield f"{judge} judges {entry.name}: up to {requests:,} requests, without its examination"


def first_opinion(suite: Suite, judge: str, item: Item) -> Sequence[Request]:
    """What a judge is asked about one item's answers, where all are answered; nothing where a suite of the user's does not go on
    with answers that say nothing."""
    try:
        answer = _driven(suite.ask(item))
        other = msgspec.structs.replace(answer, completions=(Completion(text="another answer"),) * len(answer.completions))
        jury = jury_of(suite)
        if jury is not None:
            return next(jury.hear(judge, item, answer, other))
        return next(suite.consult(item, answer, other)) if isinstance(suite, Judged) else ()
    except Exception:  # a suite is user code; what it raises here it raises again where it counts
        return ()


def _driven(talk: Conversation[Answer]) -> Answer:
    try:
        asked = next(talk)
        while True:
            asked = talk.send([Completion(text="an answer")] * len(asked))
    except StopIteration as ended:
        found: Answer = ended.value
        return found
