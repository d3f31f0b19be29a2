"""Who is asked what, without Ray: together while loads allow, suspects alone, and nothing lost when a seat is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.engines.ray_seats import Seat, Waiting, context
from harness.protocols import Asked
from harness.records import Message, Request


def asked(ticket: int, prompt: str = "", candidate: str = "a") -> Asked:
    return Asked(ticket=ticket, candidate=candidate, request=Request(prompt=prompt or f"q{ticket}"))


def seats(count: int, capacity: int = 8) -> list[Seat]:
    return [Seat(number, state="ready", capacity=capacity) for number in range(count)]


def sent(seat: Seat) -> list[int]:
    """Send what is in the outbox, as the engine does; the tickets."""
    tickets = [entry.ticket for entry in seat.outbox]
    seat.outbox.clear()
    return tickets


def test_a_seat_that_is_far_fuller_than_another_is_not_filled_further() -> None:
    waiting, (one, two) = Waiting(), seats(2, capacity=64)
    waiting.add([asked(ticket, prompt="the same") for ticket in range(40)])
    waiting.spread([one, two])
    assert min(len(one.held), len(two.held)) >= 12
    assert not waiting


def test_what_finds_no_room_waits_in_order() -> None:
    waiting, (one, two) = Waiting(), seats(2, capacity=2)
    two.state = "opening"
    waiting.add([asked(ticket) for ticket in range(5)])
    waiting.spread([one, two])
    assert (sent(one), len(waiting)) == ([0, 1], 3)
    one.held.clear()
    waiting.spread([one, two])
    assert (sent(one), len(waiting)) == ([2, 3], 1)


def test_what_was_given_but_not_sent_is_no_suspect() -> None:
    waiting, (only,) = Waiting(), seats(1)
    waiting.add([asked(0), asked(1)])
    waiting.spread([only])
    for _ in range(5):
        assert waiting.take_back(only, "gone") == []
        waiting.spread([only])
    assert sent(only) == [0, 1]


def test_a_suspect_is_alone_and_the_others_do_not_wait_for_it_elsewhere() -> None:
    waiting, (one, two) = Waiting(), seats(2)
    waiting.add([asked(0)])
    for _ in range(2):
        waiting.spread([one])
        assert sent(one) == [0]
        assert waiting.take_back(one, "gone") == []
    waiting.add([asked(ticket) for ticket in range(1, 7)])
    waiting.spread([one, two])
    alone, other = (one, two) if one.alone else (two, one)
    assert (sent(alone), sorted(sent(other))) == ([0], [1, 2, 3, 4, 5, 6])
    waiting.add([asked(7)])
    waiting.spread([one, two])
    assert (sent(alone), sent(other)) == ([], [7])
    (given_up,) = waiting.take_back(alone, "killed by signal 9")
    assert given_up.ticket == 0
    assert "3 actors" in str(given_up.result)
    assert "killed by signal 9" in str(given_up.result)


def test_a_suspect_that_is_answered_frees_its_seat() -> None:
    waiting, (only,) = Waiting(), seats(1)
    waiting.add([asked(0), asked(1)])
    for _ in range(2):
        waiting.spread([only])
        sent(only)
        waiting.take_back(only, "gone")
    for ticket in (0, 1):
        waiting.spread([only])
        assert sent(only) == [ticket]
        waiting.spread([only])
        assert sent(only) == []
        only.held.clear()
    waiting.add([asked(2), asked(3)])
    waiting.spread([only])
    assert sent(only) == [2, 3]


def test_choices_and_turns_share_a_context_and_candidates_do_not() -> None:
    turns = (Message(role="system", content="s"), Message(role="user", content="u"))
    later = (*turns, Message(role="assistant", content="x"), Message(role="user", content="y"))
    chats = [Asked(ticket=0, candidate="a", request=Request(messages=messages)) for messages in (turns, later)]
    assert context(chats[0]) == context(chats[1])
    assert context(asked(0, "p")) == context(asked(1, "p"))
    assert context(asked(0, "p")) != context(asked(0, "p", candidate="b"))
    assert context(asked(0, "\ud800")) != context(asked(0, "q")), "text that UTF-8 cannot hold is text too"


@given(st.lists(st.tuples(st.sampled_from(["ask", "answer", "die"]), st.integers(0, 3)), max_size=80), st.integers(1, 4))
def test_every_request_is_answered_once_whatever_dies(steps: list[tuple[str, int]], count: int) -> None:
    waiting, all_seats, answered, ticket = Waiting(), seats(count, capacity=3), [], 0
    for step, number in [*steps, *[("answer", n % 4) for n in range(800)]]:
        seat = all_seats[number % count]
        if step == "ask":
            waiting.add([asked(ticket), asked(ticket + 1)])
            ticket += 2
        elif step == "answer" and seat.held:
            answered.append(seat.held.pop(next(iter(seat.held))).asked.ticket)
        elif step == "die":
            answered += [given_up.ticket for given_up in waiting.take_back(seat, "gone")]
        waiting.spread(all_seats)
        for each in all_seats:
            sent(each)
            assert len(each.held) <= 3
            assert not each.alone or len(each.held) <= 1
    assert sorted(answered) == list(range(ticket))
