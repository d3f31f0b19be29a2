"""The scheduler keeps engines full, asks nothing twice, and keeps one item's trouble to that item."""

from __future__ import annotations

import itertools
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import ConfigError, EngineError
from harness.journal import Journal
from harness.protocols import Answered, Asked, Conversation
from harness.records import Candidate, Completion, Frame, Message, Request
from harness.schedule import Desk, Done, Talk, drive

Reply = Callable[[Asked], Completion | EngineError]


def say(asked: Asked) -> Completion:
    return Completion(text=f"{asked.candidate}:{asked.request.prompt}", tokens_in=3, tokens_out=2)


class Memory:
    """An engine without a model: holds what it is given, and answers some of it, shuffled, at each poll."""

    def __init__(self, reply: Reply = say, *, capacity: int = 8, seed: int = 0) -> None:
        self.reply, self.capacity = reply, capacity
        self.random = random.Random(seed)
        self.held: list[Asked] = []
        self.seen: list[Asked] = []
        self.most = self.polls = 0
        self.opened = self.closed = False

    @classmethod
    def describe(cls, candidate: Candidate) -> Mapping[str, Any]:
        return {}

    def __enter__(self) -> Self:
        self.opened = True
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True

    def submit(self, asked: Sequence[Asked]) -> None:
        self.held += asked
        self.seen += asked
        self.most = max(self.most, len(self.held))

    def poll(self, timeout: float) -> Sequence[Answered]:
        self.polls += 1
        self.random.shuffle(self.held)
        count = self.random.randint(0, len(self.held)) if len(self.held) > 1 else len(self.held)
        done, self.held = self.held[:count], self.held[count:]
        return [Answered(ticket=asked.ticket, result=self.reply(asked)) for asked in done]


def once(prompt: str, **fields: Any) -> Conversation[str]:
    (completion,) = yield [Request(prompt=prompt, **fields)]
    return completion.text


def talk(prompt: str, candidate: str = "m", **fields: Any) -> Talk:
    return Talk(id=prompt, candidate=candidate, conversation=once(prompt, **fields))


def go(talks: Sequence[Talk] | Iterator[Talk], *engines: Memory, journal: Journal | None = None, **fields: Any) -> list[Done]:
    """Drive ``talks`` over engines called m, n, o."""
    openers = {name: (lambda engine=engine: engine) for name, engine in zip("mno", engines, strict=False)}
    with Desk(openers) as desk:
        return list(drive(talks, desk, journal=journal, asked={name: name * 8 for name in openers}, **fields))


def values(done: Sequence[Done]) -> dict[Any, Any]:
    assert all(ended.error is None for ended in done), done
    return {ended.id: ended.value for ended in done}


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


# --------------------------------------------------------------------------------------------------- conversations


def test_tokens_are_those_of_the_candidate_and_not_of_whom_it_needs() -> None:
    def helped() -> Conversation[str]:
        written, own = yield [Request(prompt="write", to="n"), Request(prompt="answer")]
        return written.text + own.text

    (done,) = go([Talk(id="x", candidate="m", conversation=helped())], Memory(), Memory())
    assert (done.sent, done.tokens_in, done.tokens_out) == (2, 3, 2)


def test_what_the_candidate_saw_is_told_first_request_and_last_turn_whatever_comes_first() -> None:
    def framed(asked: Asked) -> Completion:
        frame = Frame(parts=("m sees ", *range(len(asked.request.contents))))
        return Completion(frame=None if asked.request.prompt == "by a server" else frame)

    def turn(*contents: str) -> tuple[Message, ...]:
        return tuple(Message(role="user", content=content) for content in contents)

    def several(*prompts: str) -> Conversation[str]:
        yield [Request(prompt="judge", to="n"), *(Request(prompt=prompt) for prompt in prompts)]
        return ""

    def turns() -> Conversation[str]:
        yield [Request(messages=turn("a"), draw=draw) for draw in range(3)]
        yield [Request(messages=turn("elsewhere", "b")), Request(messages=turn("a", "b"))]
        yield [Request(messages=turn("a", "b"), max_tokens=1), Request(messages=turn("c"))]
        return ""

    for seed in range(5):
        talks = {"first": several("x", "y", "z"), "turns": turns(), "nobody knows": several("by a server")}
        listed = [Talk(id=name, candidate="m", conversation=each) for name, each in talks.items()]
        done = go(listed, Memory(framed, seed=seed), Memory(framed, seed=seed))
        seen = {ended.id: None if ended.seen is None else ended.seen[1].text(ended.seen[0].contents) for ended in done}
        assert seen == {"first": "m sees x", "turns": "m sees ab", "nobody knows": None}


def test_every_conversation_gets_its_own_answers() -> None:
    done = go([talk(str(i)) for i in range(500)], Memory())
    assert values(done) == {str(i): f"m:{i}" for i in range(500)}
    assert {(ended.sent, ended.reused, ended.tokens_in, ended.tokens_out) for ended in done} == {(1, 0, 3, 2)}


def test_follow_up_turns_see_what_was_answered_before() -> None:
    def turns(name: str) -> Conversation[list[str]]:
        said: list[str] = []
        for turn in range(3):
            (completion,) = yield [Request(prompt=f"{name}.{turn}.{len(said)}")]
            said.append(completion.text)
        return said

    done = go([Talk(id=name, candidate="m", conversation=turns(str(name))) for name in range(40)], Memory(capacity=4))
    assert values(done) == {name: [f"m:{name}.{turn}.{turn}" for turn in range(3)] for name in range(40)}
    assert {ended.sent for ended in done} == {3}


def test_several_requests_at_once_are_answered_in_their_order() -> None:
    def choices() -> Conversation[list[str]]:
        completions = yield [Request(prompt=str(i)) for i in range(20)]
        return [completion.text for completion in completions]

    done = go([Talk(id=0, candidate="m", conversation=choices())], Memory(capacity=3))
    assert values(done) == {0: [f"m:{i}" for i in range(20)]}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 4), max_size=4), max_size=30), st.integers(1, 9), st.integers(0, 99))
def test_any_shape_of_conversation_comes_to_its_end(shapes: list[list[int]], capacity: int, seed: int) -> None:
    def shaped(name: int, turns: list[int]) -> Conversation[list[str]]:
        said = []
        for turn, count in enumerate(turns):
            completions = yield [Request(prompt=f"{name}.{turn}.{i}") for i in range(count)]
            said += [completion.text for completion in completions]
        return said

    engine = Memory(capacity=capacity, seed=seed)
    done = go([Talk(id=name, candidate="m", conversation=shaped(name, turns)) for name, turns in enumerate(shapes)], engine)
    expected = {
        name: [f"m:{name}.{turn}.{i}" for turn, count in enumerate(turns) for i in range(count)]
        for name, turns in enumerate(shapes)
    }
    assert values(done) == expected
    assert engine.most <= capacity


def test_a_conversation_that_asks_nothing_ends_without_an_engine() -> None:
    def silent() -> Conversation[int]:
        assert (yield []) == ()
        return 7

    engine = Memory()
    assert values(go([Talk(id=0, candidate="m", conversation=silent())], engine)) == {0: 7}
    assert not engine.opened


def test_no_talks_end_at_once() -> None:
    assert go([], Memory()) == []


def test_first_requests_are_told_once_and_before_anything_is_sent() -> None:
    def turns() -> Conversation[None]:
        yield [Request(prompt="a"), Request(prompt="b")]
        yield [Request(prompt="c")]

    told: list[tuple[Any, list[str | None]]] = []
    go([Talk(id="x", candidate="m", conversation=turns())], Memory(),
       first_requests=lambda key, requests: told.append((key, [request.prompt for request in requests])))  # fmt: skip
    assert told == [("x", ["a", "b"])]


# --------------------------------------------------------------------------------------------------------- engines


def test_an_engine_is_kept_full_and_never_overfull() -> None:
    engine = Memory(capacity=16)
    go([talk(str(i)) for i in range(300)], engine)
    assert engine.most == 16


def test_conversations_are_started_as_they_are_needed() -> None:
    started: list[int] = []

    def talks() -> Iterator[Talk]:
        for i in range(5000):
            started.append(i)
            yield talk(str(i))

    with Desk({"m": lambda: Memory(capacity=4)}) as desk:
        next(drive(talks(), desk, journal=None, asked={"m": "a"}))
    assert len(started) < 1000


def test_concurrency_bounds_the_conversations() -> None:
    live = most = 0

    def watched(name: int) -> Conversation[None]:
        nonlocal live, most
        live += 1
        most = max(most, live)
        for turn in range(2):
            yield [Request(prompt=f"{name}.{turn}")]
        live -= 1

    engine = Memory(capacity=64)
    done = go([Talk(id=i, candidate="m", conversation=watched(i)) for i in range(30)], engine, concurrency=3)
    assert (len(done), most, engine.most) == (30, 3, 3)


def test_candidates_that_share_an_opener_share_the_engine() -> None:
    engine, starts = Memory(), []

    def start() -> Memory:
        starts.append(1)
        return engine

    with Desk({"base": start, "tuned": start}) as desk:
        talks = [talk(f"{name}{i}", name) for i in range(20) for name in ("base", "tuned")]
        done = list(drive(talks, desk, journal=None, asked={}))
        assert desk.opened == 1
    assert values(done)["tuned7"] == "tuned:tuned7"
    assert len(starts) == 1
    assert engine.closed


def test_batches_mix_candidates_as_their_talks_are_mixed() -> None:
    engine = Memory(capacity=10)
    with Desk({"base": (start := lambda: engine), "tuned": start}) as desk:
        talks = (talk(f"{name}{i}", name) for i in range(50) for name in ("base", "tuned"))
        list(drive(talks, desk, journal=None, asked={}))
    for first in range(0, 100, 10):
        assert Counter(asked.candidate for asked in engine.seen[first : first + 10]) == {"base": 5, "tuned": 5}


def test_a_request_can_go_to_another_engine() -> None:
    def judged() -> Conversation[list[str]]:
        (own,) = yield [Request(prompt="question")]
        opinion, score = yield [Request(prompt=own.text, to="n"), Request(kind="score", prompt="p", continuation="c", to="n")]
        return [own.text, opinion.text, score.text]

    one, two = Memory(), Memory()
    done = go([Talk(id=0, candidate="m", conversation=judged())], one, two)
    assert values(done) == {0: ["m:question", "n:m:question", "n:p"]}
    assert [asked.request.kind for asked in two.seen] == ["generate", "score"]
    assert one.closed
    assert two.closed


def test_two_engines_work_side_by_side() -> None:
    one, two = Memory(capacity=4), Memory(capacity=4, seed=1)
    done = go([talk(f"{name}{i}", name) for i in range(100) for name in "mn"], one, two)
    assert len(values(done)) == 200
    assert len(one.seen) == len(two.seen) == 100


def test_an_engine_that_is_not_needed_is_not_opened() -> None:
    one, two = Memory(), Memory()
    go([talk("a")], one, two)
    assert (one.opened, two.opened) == (True, False)


def test_an_address_that_nobody_has_is_a_config_error_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"addressed to 'mm'.*Did you mean 'm'"):
        go([talk("a", to="mm")], Memory())


# -------------------------------------------------------------------------------------------------------- fairness


class Slow(Memory):
    """Works at every poll, and gives one answer at every tenth."""

    def poll(self, timeout: float) -> Sequence[Answered]:
        time.sleep(0.0005)
        self.polls += 1
        count = 0 if self.polls % 10 else 1
        done, self.held = self.held[:count], self.held[count:]
        return [Answered(ticket=asked.ticket, result=self.reply(asked)) for asked in done]


def test_an_engine_with_a_full_queue_does_not_delay_another() -> None:
    slow, fast = Slow(capacity=4), Memory(capacity=4)
    behind = []

    def listening(name: str) -> Conversation[str]:
        (completion,) = yield [Request(prompt=name)]
        if len(fast.seen) - len(fast.held) == 300:
            behind.append(len(slow.seen))
        return completion.text

    names = [(f"{name}{i}", name) for i in range(300) for name in "mn"]
    done = go([Talk(id=id_, candidate=name, conversation=listening(id_)) for id_, name in names], slow, fast)
    assert len(values(done)) == 600
    assert behind
    assert behind[0] < 100, "the fast engine was done long before the slow one had been asked everything"
    for engine, name in ((slow, "m"), (fast, "n")):
        assert [asked.request.prompt for asked in engine.seen] == [f"{name}{i}" for i in range(300)], "each in the caller's order"


def test_a_slow_helper_does_not_delay_conversations_that_do_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.schedule.floor._UNOPENED", 8)
    fast, slow = Memory(capacity=4), Slow(capacity=4)

    def helped(name: int) -> Conversation[str]:
        (first,) = yield [Request(prompt=f"{name}")]
        (second,) = yield [Request(prompt=first.text, to="n")]
        return second.text

    talks = [Talk(id=i, candidate="m", conversation=helped(i)) for i in range(60)] + [talk(f"plain{i}") for i in range(60)]
    order = [ended.id for ended in go(talks, fast, slow)]
    assert len(order) == 120
    assert sum(isinstance(name, str) for name in order[:80]) == 60, "the plain ones did not wait for the helper"


def test_talks_are_taken_from_further_down_the_list_only_as_far_as_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.schedule.talks._AHEAD", 50)
    monkeypatch.setattr("harness.schedule.floor._LIVE", 30)
    taken = 0

    def talks() -> Iterator[Talk]:
        nonlocal taken
        for i in range(2000):
            taken += 1
            yield talk(str(i))

    most = 0
    slow, other = Slow(capacity=4), Memory(capacity=4)
    with Desk({"m": lambda: slow, "n": lambda: other}) as desk:
        for _ in itertools.islice(drive(talks(), desk, journal=None, asked={}), 20):
            most = max(most, taken)
    assert 50 <= most <= 50 + 30 + 20, "those that wait for the full engine, those that are live, those that ended"


def test_an_engine_that_works_while_it_is_polled_is_not_kept_from_it_by_one_that_only_waits() -> None:
    class Worker(Memory):
        """Thirty steps of three milliseconds to every answer."""

        def poll(self, timeout: float) -> Sequence[Answered]:
            time.sleep(0.003)
            self.polls += 1
            return [] if self.polls % 30 else super().poll(timeout)

    class Waiter(Memory):
        """A server that answers when the other engine is done."""

        waited = 0.0

        def poll(self, timeout: float) -> Sequence[Answered]:
            if worker.held:
                self.waited += timeout
                time.sleep(timeout)
                return []
            return super().poll(timeout)

    worker, waiter = Worker(capacity=1), Waiter(capacity=1)
    assert len(values(go([talk("a"), talk("b", "n"), talk("c")], worker, waiter))) == 3
    assert worker.polls >= 60
    assert waiter.waited <= 0.5 * worker.polls * 0.003


@pytest.mark.parametrize("engines", [1, 2])
def test_an_engine_that_has_nothing_and_does_not_wait_keeps_nobody_busy(engines: int) -> None:
    class Silent(Memory):
        def poll(self, timeout: float) -> Sequence[Answered]:
            self.polls += 1
            return super().poll(timeout) if time.monotonic() > until else []

    silent = [Silent(capacity=4, seed=seed) for seed in range(engines)]
    until = time.monotonic() + 0.5
    assert len(values(go([talk("a", "mn"[seed]) for seed in range(engines)], *silent))) == 1
    for engine in silent:
        assert engine.polls < 60, "a loop without pauses polls a hundred thousand times"


# --------------------------------------------------------------------------------------------------------- journal


def test_a_second_run_opens_no_engine(journal: Journal) -> None:
    first = go([talk(str(i)) for i in range(300)], Memory(), journal=journal)
    again = Memory()
    second = go([talk(str(i)) for i in range(300)], again, journal=journal)
    assert values(second) == values(first)
    assert not again.opened
    assert {(ended.sent, ended.reused, ended.tokens_out) for ended in second} == {(0, 1, 2)}


def test_only_what_is_missing_is_asked(journal: Journal) -> None:
    go([talk(str(i)) for i in range(0, 2000, 2)], Memory(), journal=journal)
    engine = Memory()
    done = go([talk(str(i)) for i in range(2000)], engine, journal=journal)
    assert sorted(int(asked.request.prompt or "") for asked in engine.seen) == list(range(1, 2000, 2))
    assert sum(ended.reused for ended in done) == 1000


def test_follow_up_turns_are_answered_from_the_journal_too(journal: Journal) -> None:
    def turns() -> Conversation[str]:
        (first,) = yield [Request(prompt="a")]
        (second,) = yield [Request(prompt=first.text)]
        return second.text

    for expected in (True, False):
        engine = Memory()
        done = go([Talk(id=0, candidate="m", conversation=turns())], engine, journal=journal)
        assert values(done) == {0: "m:m:a"}
        assert engine.opened is expected


def test_identical_requests_are_sent_once_and_answered_to_all(journal: Journal) -> None:
    engine = Memory()
    done = go([Talk(id=i, candidate="m", conversation=once("same", item=str(i))) for i in range(50)], engine, journal=journal)
    assert values(done) == dict.fromkeys(range(50), "m:same")
    assert len(engine.seen) == 1
    assert (sum(ended.sent for ended in done), sum(ended.reused for ended in done)) == (1, 49)


def test_draws_replicates_and_other_weights_are_never_merged(journal: Journal) -> None:
    def draws() -> Conversation[int]:
        return len((yield [Request(prompt="p", draw=draw) for draw in range(4)]))

    engine = Memory()
    go([Talk(id=0, candidate="m", conversation=draws())], engine, journal=journal)
    assert len(engine.seen) == 4
    go([Talk(id=0, candidate="m", conversation=draws())], engine, journal=journal, replicate=1)
    assert len(engine.seen) == 8
    with Desk({"m": lambda: engine}) as desk:
        list(drive([Talk(id=0, candidate="m", conversation=draws())], desk, journal=journal, asked={"m": "retrained"}))
    assert len(engine.seen) == 12


def test_a_candidate_with_another_name_and_the_same_weights_is_not_asked_again(journal: Journal) -> None:
    engine = Memory()
    with Desk({"a": (start := lambda: engine), "b": start}) as desk:
        done = list(drive([talk("p", "a"), talk("p", "b")], desk, journal=journal, asked={"a": "same", "b": "same"}))
    assert len(engine.seen) == 1
    assert {ended.value for ended in done} == {"a:p"}


def test_without_a_journal_every_request_is_sent() -> None:
    engine = Memory()
    done = go([Talk(id=i, candidate="m", conversation=once("same")) for i in range(10)], engine)
    assert len(engine.seen) == 10
    assert {ended.sent for ended in done} == {1}


def test_an_answer_is_journalled_before_the_conversation_sees_it(journal: Journal) -> None:
    counts = []

    def looking() -> Conversation[None]:
        yield [Request(prompt="p")]
        counts.append(journal.count())

    go([Talk(id=0, candidate="m", conversation=looking())], Memory(), journal=journal)
    assert counts == [1]


# ---------------------------------------------------------------------------------------------------------- errors


def fail_on(*prompts: str) -> Reply:
    return lambda asked: EngineError(f"no answer to {asked.request.prompt}") if asked.request.prompt in prompts else say(asked)


def test_a_failed_request_ends_its_own_conversation_only(journal: Journal) -> None:
    done = {ended.id: ended for ended in go([talk(str(i)) for i in range(20)], Memory(fail_on("7")), journal=journal)}
    assert done["7"].error == "no answer to 7"
    assert done["7"].value is None
    assert sum(ended.error is None for ended in done.values()) == 19
    assert journal.count() == 19


def test_a_failed_request_is_asked_again_by_the_next_run(journal: Journal) -> None:
    go([talk("a"), talk("b")], Memory(fail_on("a")), journal=journal)
    engine = Memory()
    assert values(go([talk("a"), talk("b")], engine, journal=journal)) == {"a": "m:a", "b": "m:b"}
    assert [asked.request.prompt for asked in engine.seen] == ["a"]


def test_a_completion_that_says_error_is_an_error_and_not_an_answer(journal: Journal) -> None:
    engine = Memory(lambda asked: Completion(finish="error", text="out of memory"))
    (ended,) = go([talk("a")], engine, journal=journal)
    assert (ended.value, ended.error) == (None, "out of memory")
    assert journal.count() == 0


def test_an_empty_answer_is_an_answer() -> None:
    (ended,) = go([talk("a")], Memory(lambda asked: Completion(text="", finish="length")))
    assert (ended.value, ended.error) == ("", None)


def test_a_failed_conversation_is_closed_and_its_other_requests_do_no_harm(journal: Journal) -> None:
    closed = []

    def many() -> Conversation[None]:
        try:
            yield [Request(prompt=str(i)) for i in range(40)]
        finally:
            closed.append(True)

    engine = Memory(fail_on(*map(str, range(40))), capacity=5)
    done = go([Talk(id="many", candidate="m", conversation=many()), talk("other")], engine, journal=journal)
    assert sorted((ended.id, ended.error is None) for ended in done) == [("many", False), ("other", True)]
    assert closed == [True]
    assert len(engine.seen) < 41, "what nobody waits for any more is not sent"


def test_what_was_dropped_with_a_failed_conversation_can_still_be_asked_by_another(journal: Journal) -> None:
    def failing() -> Conversation[None]:
        yield [Request(prompt="bad"), Request(prompt="dropped")]

    def later() -> Conversation[str]:
        yield [Request(prompt="first")]
        (completion,) = yield [Request(prompt="dropped")]
        return completion.text

    talks = [Talk(id=0, candidate="m", conversation=failing()), Talk(id=1, candidate="m", conversation=later())]
    done = {ended.id: ended for ended in go(talks, Memory(fail_on("bad"), capacity=1), journal=journal, concurrency=1)}
    assert done[0].error is not None
    assert done[1].value == "m:dropped"


def test_whoever_shares_a_failed_request_fails_with_it(journal: Journal) -> None:
    done = go([talk("a"), Talk(id="b", candidate="m", conversation=once("a"))], Memory(fail_on("a")), journal=journal)
    assert {ended.error for ended in done} == {"no answer to a"}


@pytest.mark.parametrize("turn", [0, 1])
def test_an_exception_in_a_suite_is_this_items_error(turn: int) -> None:
    def buggy() -> Conversation[None]:
        for now in range(2):
            if now == turn:
                raise KeyError("target")
            yield [Request(prompt="p")]

    done = {ended.id: ended for ended in go([Talk(id=0, candidate="m", conversation=buggy()), talk("fine")], Memory())}
    assert done[0].error == "KeyError: 'target'"
    assert done["fine"].error is None


def test_yielding_something_else_than_requests_is_this_items_error() -> None:
    def wrong() -> Any:
        yield Request(prompt="p")

    (ended,) = go([Talk(id=0, candidate="m", conversation=wrong())], Memory())
    assert "TypeError" in str(ended.error)


def test_an_engine_that_cannot_start_ends_the_run() -> None:
    def start() -> Memory:
        raise EngineError("no room on the device")

    with pytest.raises(EngineError, match="no room"), Desk({"m": start}) as desk:
        list(drive([talk("a")], desk, journal=None, asked={}))


def test_an_engine_that_breaks_ends_the_run_and_keeps_what_was_answered(journal: Journal) -> None:
    class Breaking(Memory):
        def poll(self, timeout: float) -> Sequence[Answered]:
            if self.polls > 3:
                raise EngineError("the device process died")
            return super().poll(timeout)

    engine = Breaking(capacity=4)
    with pytest.raises(EngineError, match="died"):
        go([talk(str(i)) for i in range(100)], engine, journal=journal)
    assert engine.closed
    assert journal.count() == len(engine.seen) - len(engine.held) > 0


def test_an_answer_that_nobody_asked_for_is_the_engines_fault() -> None:
    class Confused(Memory):
        def poll(self, timeout: float) -> Sequence[Answered]:
            return [Answered(ticket=10**9, result=Completion())]

    with pytest.raises(EngineError, match="does not hold"):
        go([talk("a")], Confused())


def test_text_that_utf8_cannot_hold_is_made_writable(journal: Journal) -> None:
    engine = Memory(lambda asked: Completion(text="好\ud800!", reasoning="\udfff"))
    assert values(go([talk("a")], engine, journal=journal)) == {"a": "好?!"}
    assert values(go([talk("a")], Memory(), journal=journal)) == {"a": "好?!"}


# ------------------------------------------------------------------------------------------------------- stopping


def test_ctrl_c_journals_what_is_already_answered(journal: Journal) -> None:
    class Interrupted(Memory):
        def poll(self, timeout: float) -> Sequence[Answered]:
            if timeout:
                raise KeyboardInterrupt
            done, self.held = self.held[:3], self.held[3:]
            return [Answered(ticket=asked.ticket, result=say(asked)) for asked in done]

    engine = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        go([talk(str(i)) for i in range(20)], engine, journal=journal)
    assert journal.count() == 3
    assert engine.closed


def test_a_broken_engine_does_not_hide_ctrl_c(journal: Journal) -> None:
    class Broken(Memory):
        def poll(self, timeout: float) -> Sequence[Answered]:
            raise KeyboardInterrupt if timeout else EngineError("gone")

    with pytest.raises(KeyboardInterrupt):
        go([talk("a")], Broken(), journal=journal)


def test_who_stops_listening_closes_every_conversation() -> None:
    closed: list[int] = []

    def held(name: int) -> Conversation[None]:
        try:
            yield [Request(prompt=str(name))]
        except GeneratorExit:
            closed.append(name)
            raise

    with Desk({"m": lambda: Memory(capacity=2)}) as desk:
        running = drive([Talk(id=i, candidate="m", conversation=held(i)) for i in range(10)], desk, journal=None, asked={})
        first = next(running)
        running.close()
    assert first.id not in closed
    assert len(closed) >= 1


# ------------------------------------------------------------------------------------------------- running out of time


class Clock:
    """Time that goes on by a second whenever an engine is polled, and stands still else."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("harness.schedule.floor.time", made)
    return made


class Stuck(Memory):
    """Does not answer what begins with "stuck" before its time has come."""

    def __init__(self, clock: Clock, *, wakes: float = math.inf, **fields: Any) -> None:
        super().__init__(**fields)
        self.clock, self.wakes = clock, wakes

    def poll(self, timeout: float) -> Sequence[Answered]:
        self.clock.now += 1
        awake = self.clock.now > self.wakes
        done = [asked for asked in self.held if awake or not str(asked.request.prompt).startswith("stuck")]
        self.held = [asked for asked in self.held if asked not in done]
        return [Answered(ticket=asked.ticket, result=self.reply(asked)) for asked in done]


LATE = "no answer within 5 seconds (timeout_seconds)"


def hurried(prompt: str, id: str = "") -> Talk:  # noqa: A002
    return Talk(id=id or prompt, candidate="m", conversation=once(prompt), timeout_seconds=5)


def test_a_conversation_that_runs_out_of_time_is_an_error_and_holds_nobody(journal: Journal, clock: Clock) -> None:
    talks = [hurried("stuck"), hurried("stuck too"), hurried("a"), hurried("b")]
    done = go(talks, Stuck(clock, capacity=2), journal=journal)
    assert {ended.id: ended.error for ended in done} == {"stuck": LATE, "stuck too": LATE, "a": None, "b": None}


def test_a_late_answer_is_nobody_elses(clock: Clock) -> None:
    engine = Stuck(clock, wakes=7)
    with Desk({"m": lambda: engine}) as desk:
        (first,) = drive([hurried("stuck")], desk, journal=None, asked={"m": "m"})
        assert first.error == LATE
        assert len(engine.held) == 1
        second = list(drive([talk("stuck a"), talk("b")], desk, journal=None, asked={"m": "m"}))
    assert values(second) == {"stuck a": "m:stuck a", "b": "m:b"}
    assert not engine.held


def test_who_joins_a_request_in_flight_has_its_own_time(journal: Journal, clock: Clock) -> None:
    both = go([hurried("stuck"), hurried("stuck", "twin")], Stuck(clock), journal=journal)
    assert [ended.error for ended in both] == [LATE, LATE]
    patient = Talk(id="patient", candidate="m", conversation=once("stuck"))
    found = go([hurried("stuck"), patient], Stuck(clock, wakes=clock.now + 9), journal=journal)
    assert {ended.id: ended.error for ended in found} == {"stuck": LATE, "patient": None}


def test_each_turn_has_its_own_time(clock: Clock) -> None:
    def three() -> Conversation[int]:
        for number in range(3):
            yield [Request(prompt=str(number))]
        return 3

    class Steady(Memory):
        def poll(self, timeout: float) -> Sequence[Answered]:
            clock.now += 3
            return super().poll(timeout)

    talks = [Talk(id="t", candidate="m", conversation=three(), timeout_seconds=5)]
    assert values(go(talks, Steady(capacity=1))) == {"t": 3}
