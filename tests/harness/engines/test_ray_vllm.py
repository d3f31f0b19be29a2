"""Two actors, each with a vLLM engine of its own, against one vLLM engine without Ray; and one of them killed on the way."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from harness.engines.ray_engine import Ray
from harness.fingerprint import candidate_fingerprints
from harness.journal import Journal
from harness.protocols import Conversation
from harness.records import Answer, Candidate, Completion, Message, Request
from harness.schedule import Desk, Talk, drive
from tests.harness.engines.asking import answers
from tests.harness.engines.conftest import save_adapter
from trainers.lab import LabPaths

pytestmark = [pytest.mark.models, pytest.mark.vllm]

FLEET = {"actors": 2, "num_cpus": 1, "kv_cache_gib": 1, "threads": 1}


class Family(NamedTuple):
    """A base and an adapter, as candidates of either engine."""

    plain: list[Candidate]
    spread: list[Candidate]


@pytest.fixture(scope="module")
def lab_family(lab_test: LabPaths, tmp_path_factory: pytest.TempPathFactory) -> Family:
    pytest.importorskip("vllm")
    pytest.importorskip("ray")
    adapter = save_adapter(lab_test.base, tmp_path_factory.mktemp("fleet") / "one", rank=8, seed=1, dead=False)
    models: dict[str, dict[str, str]] = {"base": {}, "one": {"adapter": str(adapter)}}
    return Family(
        [Candidate(name=name, model=str(lab_test.base), **model) for name, model in models.items()],
        [
            Candidate(name=name, model=str(lab_test.base), engine="ray", options={"engine": "vllm"}, resources=FLEET, **model)
            for name, model in models.items()
        ],
    )


@pytest.fixture(scope="module")
def asked(lab_test: LabPaths) -> list[tuple[str, Request]]:
    """Greedy answers, sampled answers, choices that share their context, rolling text; all of the base and of the adapter."""
    rows = [json.loads(line)["messages"] for line in (lab_test.data / "general.validation.jsonl").read_text().splitlines()[:40]]
    found = []
    for number, chat in enumerate(rows):
        messages = tuple(Message(**turn) for turn in chat[:-1])
        for name in ("base", "one"):
            found.append((name, Request(messages=messages, max_tokens=24)))
            found.append((name, Request(messages=messages, max_tokens=8, temperature=1.0, top_p=0.9, seed=number)))
            choices = [other[-1]["content"] for other in rows[number - 2 : number + 1]]
            found += [(name, Request(kind="score", messages=messages, continuation=choice)) for choice in choices]
            found.append((name, Request(kind="score_rolling", prompt=chat[0]["content"])))
    return found


@pytest.fixture(scope="module")
def alone(lab_family: Family, asked: list[tuple[str, Request]]) -> list[Completion]:
    """What one vLLM engine in this process answers."""
    from harness.engines.vllm import Vllm

    with Vllm(lab_family.plain) as engine:
        return answers(engine, asked)


@pytest.fixture(scope="module")
def fleet(lab_family: Family) -> Iterator[Ray]:
    with Ray(lab_family.spread) as engine:
        yield engine


def test_a_fleet_of_vllm_answers_like_one(fleet: Ray, alone: list[Completion], asked: list[tuple[str, Request]]) -> None:
    found = answers(fleet, asked)
    assert len({seat.local_pid for seat in fleet.seats}) == 2
    _agree(found, alone)
    assert len({answer.text for answer in found}) > 20


def _agree(found: list[Completion], expected: list[Completion]) -> None:
    scored = 0
    for left, right in zip(found, expected, strict=True):
        assert (left.text, left.token_ids, left.finish) == (right.text, right.token_ids, right.finish)
        assert (left.tokens_in, left.tokens_out, left.greedy, left.tokens) == (
            right.tokens_in, right.tokens_out, right.greedy, right.tokens,
        )  # fmt: skip
        if left.logprob is not None and right.logprob is not None:
            scored += 1
            assert left.logprob == pytest.approx(right.logprob, abs=1e-4)
    assert scored > 0


def test_a_killed_actor_loses_nothing_and_nothing_is_answered_twice(
    fleet: Ray, lab_family: Family, alone: list[Completion], asked: list[tuple[str, Request]], tmp_path: Path
) -> None:
    def once(request: Request) -> Conversation[Answer]:
        (completion,) = yield [request]
        return Answer(key="", completions=(completion,))

    class Lent:
        """The running engine, which the desk neither opens nor closes."""

        def __enter__(self) -> Ray:
            return fleet

        def __exit__(self, *_: object) -> None:
            return None

    from harness.engines.vllm import Vllm

    prints = {plain.name: candidate_fingerprints(plain, Vllm.describe(plain), nonce="").asked for plain in lab_family.plain}
    assert prints == {
        spread.name: candidate_fingerprints(spread, Ray.describe(spread), nonce="").asked for spread in lab_family.spread
    }
    found: dict[int, Completion] = {}
    victim = fleet.seats[0].local_pid
    with Journal(tmp_path / "journal.sqlite") as journal, Desk({"base": Lent, "one": Lent}) as desk:
        talks = (Talk(id=number, candidate=name, conversation=once(request)) for number, (name, request) in enumerate(asked))
        for done in drive(talks, desk, journal=journal, asked=prints):
            assert done.error is None, done.error
            assert done.id not in found
            found[done.id] = done.value.completions[0]
            if len(found) == 30 and victim is not None:
                assert fleet.seats[0].held, "there is something to lose"
                os.kill(victim, signal.SIGKILL)
        assert journal.count() == len({(name, request) for name, request in map(_frozen, asked)})
    assert fleet.seats[0].restarts == 1
    _agree([found[number] for number in range(len(asked))], alone)


def _frozen(asked: tuple[str, Request]) -> tuple[str, str]:
    return asked[0], repr(asked[1])
