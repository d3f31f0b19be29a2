"""Whatever is asked and whenever a run is cut off: the next run asks only what is missing, and ends as if nothing had happened.

Hypothesis draws the conversations (turns, several requests per turn, the same requests again within and across candidates, helper
engines, requests that fail), the order in which engines answer, and the polls at which runs are cut off: by Ctrl-C, by an engine
that breaks, or by a death in which nobody tidies up.
"""

from __future__ import annotations

import random
import sqlite3
import tempfile
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import EngineError
from harness.fingerprint import journal_key
from harness.journal import Journal
from harness.protocols import Answered, Asked, Conversation
from harness.records import Completion, Request
from harness.schedule import Desk, Talk, drive

FAILS = 5
"""This question no engine can answer, and the next one is answered by a completion that says it is an error."""

ASKED = {"base": "weights", "again": "weights", "tuned": "other weights", "rival": "a rival", "judge": "a judge"}
"""``base`` and ``again`` are the same weights under two names; base, again and tuned share an engine."""


MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Hundreds of journals are written here, and a disk would spend the time on flushing them."""


class Killed(BaseException):
    """Nobody catches it, nobody tidies up: what kill -9 looks like from inside."""


class Turn(NamedTuple):
    """One turn: the questions asked at once, each of a destination (None: the candidate itself) and a draw."""

    questions: list[tuple[int, str | None, int]]
    depends: bool  # do the questions quote what was answered before?


class Cut(NamedTuple):
    """When a run is cut off, counted in polls, and how."""

    poll: int
    how: type[BaseException]


turns = st.builds(
    Turn,
    st.lists(st.tuples(st.integers(0, FAILS + 1), st.sampled_from([None, None, None, "judge"]), st.integers(0, 1)), max_size=4),
    st.booleans(),
)
scripts = st.lists(st.tuples(st.sampled_from(["base", "again", "tuned", "rival"]), st.lists(turns, max_size=3)), max_size=24)
cuts = st.lists(st.builds(Cut, st.integers(0, 12), st.sampled_from([KeyboardInterrupt, EngineError, Killed])), max_size=3)


def converse(script: Sequence[Turn]) -> Conversation[list[str]]:
    said: list[str] = []
    for turn in script:
        before = "|".join(said) if turn.depends else ""
        completions = yield [Request(prompt=f"{before}#{question}", to=to, draw=draw) for question, to, draw in turn.questions]
        said += [completion.text for completion in completions]
    return said


class Watch:
    """What the engines of one run were asked and have answered; and the end of that run, if it has one."""

    def __init__(self, cut: Cut | None) -> None:
        self.cut = cut
        self.polls = 0
        self.sent: list[str] = []
        self.answered: list[str] = []  # handed over, and no error
        self.recent: deque[list[str]] = deque(maxlen=3)  # of these, by the last poll of each engine

    @property
    def last(self) -> list[str]:
        return [key for keys in self.recent for key in keys]


class Engine:
    """Answers some of what it holds, in any order. What it says follows from the question and the weights alone."""

    def __init__(self, watch: Watch, seed: int, capacity: int) -> None:
        self.watch, self.capacity = watch, capacity
        self.random = random.Random(seed)
        self.held: list[Asked] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, asked: Sequence[Asked]) -> None:
        assert len(self.held) + len(asked) <= self.capacity
        self.held += asked
        self.watch.sent += [journal_key(one.request, ASKED[one.candidate]) for one in asked]

    def poll(self, timeout: float) -> Sequence[Answered]:
        if timeout > 0:
            self.watch.polls += 1
            if self.watch.cut is not None and self.watch.polls > self.watch.cut.poll:
                raise self.watch.cut.how("cut off")
        self.random.shuffle(self.held)
        count = self.random.randint(1, len(self.held)) if self.held else 0
        done, self.held = self.held[:count], self.held[count:]
        replies = [Answered(ticket=one.ticket, result=answer(one)) for one in done]
        keys = [journal_key(one.request, ASKED[one.candidate]) for one in done if not failing(one.request)]
        self.watch.answered += keys
        self.watch.recent.append(keys)
        return replies


def failing(request: Request) -> bool:
    return str(request.prompt).rpartition("#")[2] in {str(FAILS), str(FAILS + 1)}


def answer(asked: Asked) -> Completion | EngineError:
    if failing(asked.request):
        broken = str(asked.request.prompt).endswith(str(FAILS))
        return EngineError("no answer") if broken else Completion(finish="error", text="no answer")
    digest = journal_key(asked.request, ASKED[asked.candidate])
    return Completion(text=f"{asked.candidate in {'base', 'again'}}:{digest[:8]}", tokens_in=1, tokens_out=2)


def attempt(
    script: Sequence[tuple[str, Sequence[Turn]]], path: Path, watch: Watch, seed: int, capacity: int, concurrency: int | None
) -> dict[int, tuple[Any, str | None]]:
    """One run over the journal at ``path``: how every conversation ended."""
    family, rival, judge = (Engine(watch, seed + number, capacity) for number in range(3))
    openers: dict[str, Any] = dict.fromkeys(("base", "again", "tuned"), lambda: family)
    openers |= {"rival": lambda: rival, "judge": lambda: judge}
    talks = (Talk(id=number, candidate=name, conversation=converse(turns)) for number, (name, turns) in enumerate(script))
    with Journal(path) as journal, Desk(openers) as desk:
        ended = list(drive(talks, desk, journal=journal, asked=ASKED, concurrency=concurrency))
    assert sorted(done.id for done in ended) == list(range(len(script))), "everybody ends, once"
    return {done.id: (done.value, done.error) for done in ended}


def known(path: Path) -> set[str]:
    """All keys of a journal."""
    if not path.exists():
        return set()
    with closing(sqlite3.connect(path)) as connection:
        return {key.hex() for (key,) in connection.execute("SELECT key FROM completions")}


@settings(max_examples=120, deadline=None)
@given(scripts, cuts, st.integers(0, 10**6), st.integers(1, 6), st.sampled_from([None, 1, 3]))
def test_after_any_interruption_the_results_are_those_of_an_undisturbed_run(
    script: list[tuple[str, list[Turn]]], cuts: list[Cut], seed: int, capacity: int, concurrency: int | None
) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        quiet = Watch(None)
        expected = attempt(script, Path(folder) / "quiet.sqlite", quiet, seed, capacity, concurrency)
        path = Path(folder) / "journal.sqlite"
        everything: list[str] = []
        ends: list[Cut | None] = [*cuts, None]
        results: dict[int, tuple[Any, str | None]] = {}
        for number, cut in enumerate(ends):
            watch = Watch(cut)
            before = known(path)
            try:
                results = attempt(script, path, watch, seed + 100 * number, capacity, concurrency)
            except (KeyboardInterrupt, EngineError, Killed):
                assert cut is not None
            everything += watch.answered
            assert not before & set(watch.sent), "what the journal knows is never asked"
            kept = known(path)
            assert before <= kept <= set(everything), "what was kept stays kept, and errors are never journalled"
            lost = set(everything) - kept
            assert not lost or (cut is not None and cut.how is Killed), "what was answered is kept, to the last answer"
            assert lost <= set(watch.last), "a death loses what the last polls brought, at most"
            everything = sorted(kept)
            twice = [key for key, count in Counter(watch.sent).items() if count > 1]
            assert not set(twice) & kept, "nothing is asked twice in one run, unless it failed"
        assert results == expected


@settings(max_examples=40, deadline=None)
@given(scripts, st.integers(0, 10**6), st.integers(1, 6), st.sampled_from([None, 1, 3]))
def test_a_finished_run_asks_again_only_what_failed(
    script: list[tuple[str, list[Turn]]], seed: int, capacity: int, concurrency: int | None
) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        path = Path(folder) / "journal.sqlite"
        first, second = Watch(None), Watch(None)
        expected = attempt(script, path, first, seed, capacity, concurrency)
        assert attempt(script, path, second, seed + 1, capacity, concurrency) == expected
        assert not set(second.sent) & set(first.answered)
        if all(error is None for _, error in expected.values()):
            assert second.sent == []


@pytest.mark.parametrize("how", [KeyboardInterrupt, EngineError])
def test_what_one_engine_answered_is_kept_when_another_breaks_in_the_same_round(tmp_path: Path, how: type[BaseException]) -> None:
    class Good(Engine):
        def poll(self, timeout: float) -> Sequence[Answered]:
            return super().poll(timeout) if timeout > 0 else []

    class Bad(Engine):
        def poll(self, timeout: float) -> Sequence[Answered]:
            raise how("gone")

    watch = Watch(None)
    good, bad = Good(watch, 0, 8), Bad(watch, 0, 8)
    talks = [Talk(id=name, candidate=name, conversation=converse([Turn([(0, None, 0)], False)])) for name in ("base", "rival")]
    path = tmp_path / "journal.sqlite"
    with pytest.raises(how), Journal(path) as journal, Desk({"base": lambda: good, "rival": lambda: bad}) as desk:
        list(drive(talks, desk, journal=journal, asked=ASKED))
    assert len(watch.answered) == 1
    assert known(path) == set(watch.answered)
