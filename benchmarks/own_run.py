"""Our side, without the pipeline around it: a suite's conversations driven over an engine that is already open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

from harness.engines.encoder import Encoder
from harness.engines.transformers_engine import Transformers
from harness.journal import Journal
from harness.protocols import Engine, Suite
from harness.records import Answer, Candidate, Completion, Item, Request, Sample
from harness.schedule import Desk, Talk, drive
from suites.lm_eval import LmEval, LmEvalOptions

MODEL = "model"


class Answered(NamedTuple):
    """A suite, the completions by item key, and the graded samples."""

    suite: Suite
    completions: Mapping[str, Sequence[Completion]]
    samples: list[Sample]


def lm_eval_suite(folder: Path, names: Sequence[str]) -> LmEval:
    """The suite of some of the tasks in ``folder``."""
    return LmEval("bench", LmEvalOptions(tasks=tuple(names), include=str(folder)), seed=0, folder=folder, where="suites[0]")


@contextmanager
def open_engine(model: Path, *, adapter: Path | None = None, threads: int, dtype: str = "float32") -> Iterator[Transformers]:
    """The transformers engine with the one candidate ``model``."""
    candidate = Candidate(
        name=MODEL,
        model=str(model),
        adapter=None if adapter is None else str(adapter),
        engine="transformers",
        options={"dtype": dtype},
        resources={"threads": threads},
    )
    with Transformers([candidate]) as engine:
        yield engine


def forget(engine: Transformers) -> None:
    """Forget the tokens and prefixes of earlier runs: a timed run has to do what lm-eval does in each of its own."""
    for tokens in engine._tokens.values():
        tokens.encode = Encoder(tokens.tokenizer)
    engine._scorer._prefixes.clear()


def answer(engine: Engine, folder: Path, names: Sequence[str], journal: Path, *, documents: Sequence[int] = ()) -> Answered:
    """From task files to graded samples, every answer journalled on the way; of some ``documents`` only, if they are named.

    The engine serves one candidate, called ``model``.
    """
    suite = lm_eval_suite(folder, names)
    items = [item for item in suite.items() if not documents or item.data["document"] in documents]
    talks = (Talk(id=item.key, candidate=MODEL, conversation=suite.ask(item)) for item in items)
    answers: dict[str, Answer] = {}
    with Journal(journal) as kept, Desk({MODEL: lambda: nullcontext(engine)}) as desk:  # type: ignore[dict-item, return-value]
        for done in drive(talks, desk, journal=kept, asked={MODEL: MODEL}):
            if done.error is not None:
                raise RuntimeError(f"item {done.id}: {done.error}")
            assert isinstance(done.value, Answer)
            answers[done.id] = done.value
    completions = {key: answer.completions for key, answer in answers.items()}
    return Answered(suite, completions, list(suite.grade(list(answers.values()), {}, {})))


def numbers(suite: Suite) -> dict[str, tuple[str, int]]:
    """Item key -> (task, number of its document), which is what lm-eval calls it."""
    return {item.key: (item.task, item.data["document"]) for item in suite.items()}


def logprobs(suite: Suite, completions: Mapping[str, Sequence[Completion]], task: str) -> dict[tuple[int, int], float]:
    """(document, choice) -> log-probability in nats."""
    places = numbers(suite)
    return {
        (places[key][1], index): float("nan") if completion.logprob is None else completion.logprob
        for key, own in completions.items()
        if places[key][0] == task
        for index, completion in enumerate(own)
    }


def item_scores(suite: Suite, samples: Sequence[Sample], task: str, metric: str) -> dict[int, float]:
    """Document -> score; a document that failed has none, and so differs from lm-eval's."""
    places = numbers(suite)
    return {places[sample.key][1]: sample.scores[metric] for sample in samples if sample.task == task and sample.scores is not None}


def questions(suite: Suite, task: str) -> dict[int, list[str]]:
    """Document -> every text that is scored or answered, in order."""
    found: dict[int, list[str]] = {}
    for item in suite.items():
        if item.task == task:
            found[item.data["document"]] = [text for request in requests(suite, item) for text in _texts(request)]
    return found


def requests(suite: Suite, item: Item) -> Sequence[Request]:
    """What a suite asks about an item."""
    conversation = suite.ask(item)
    try:
        return tuple(next(conversation))
    finally:
        conversation.close()


def _texts(request: Request) -> list[str]:
    return [text for text in (request.prompt, request.continuation) if text is not None]
