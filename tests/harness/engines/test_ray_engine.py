"""A fleet of actors over a real Ray cluster on this machine, with engines that need no model."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.engines.fake import Fake
from harness.engines.ray_actor import Actor, source_digest
from harness.engines.ray_cluster import cluster
from harness.engines.ray_engine import Ray
from harness.errors import ConfigError, EngineError, ProbeError
from harness.fingerprint import candidate_fingerprints
from harness.protocols import Answered, Asked
from harness.records import Candidate, Completion, Fingerprints, Message, Request
from tests.harness.engines.asking import answers, ask
from tests.harness.engines.wrapped import HERE

pytest.importorskip("ray")


@pytest.fixture(scope="module")
def running() -> Iterator[None]:
    """One cluster for the tests of this file; engines that find it do not start their own."""
    with cluster(None, {}):
        yield


def fleet(kind: str, actors: int | str = 2, *, options: dict[str, Any] | None = None, **resources: Any) -> Candidate:
    resources = {"actors": actors, "num_cpus": 0.5, **resources}
    return Candidate(name="a", engine="ray", options={"engine": kind, **(options or {})}, resources=resources)


def told(kind: str) -> str:
    return f"{HERE}:{kind}"


def prompts(*texts: str) -> list[tuple[str, Request]]:
    return [("a", Request(prompt=text)) for text in texts]


def finish(engine: Ray, count: int, seconds: float = 60.0) -> list[Answered]:
    """Poll until so many have been answered."""
    found: list[Answered] = []
    deadline = time.monotonic() + seconds
    while len(found) < count and time.monotonic() < deadline:
        found += engine.poll(0.5)
    return found


# ------------------------------------------------------------------------------------------------------- answers


def test_a_fleet_answers_as_the_engine_in_it_does(running: None) -> None:
    options = {"answers": {"where?": "here"}, "fail": ["boom"]}
    asked = [*prompts("where?", "boom", "echo this"), ("a", Request(kind="score", prompt="where?", continuation="here")),
             ("b", Request(prompt="x"))]  # fmt: skip
    plain = ask(Fake([Candidate(name="a", options=options)]), asked)
    with Ray([fleet("fake", options=options)]) as engine:
        assert engine.capacity == 2 * 64
        spread = ask(engine, asked)
    assert [str(one) if isinstance(one, EngineError) else one for one in spread] == [
        str(one) if isinstance(one, EngineError) else one for one in plain
    ]
    assert sum(isinstance(one, EngineError) for one in spread) == 2


def test_every_actor_works_and_none_holds_more_than_its_engine_likes(running: None) -> None:
    with Ray([fleet(told("Told"))]) as engine:
        assert engine.capacity == 16
        found = answers(engine, prompts(*(f"question {number}" for number in range(60))))
    pids, held, _ = zip(*(answer.text.split(" ") for answer in found), strict=True)
    share = Counter(pids)
    assert len(share) == 2
    assert min(share.values()) >= 15
    assert max(map(int, held)) <= 8


def test_choices_of_one_question_and_turns_of_one_chat_stay_together(running: None) -> None:
    choices = [("a", Request(kind="score", prompt=f"q{item}", continuation=f" {letter}")) for item in range(4) for letter in "abc"]
    first = (Message(role="system", content="s"), Message(role="user", content="u"))
    chat = [("a", Request(messages=turns)) for turns in (first, (*first, Message(role="assistant", content="x")))]
    with Ray([fleet(told("Roomy"))]) as engine:
        where = [answer.text.split(" ")[0] for answer in answers(engine, choices)]
        turns = [answers(engine, [one])[0].text.split(" ")[0] for one in chat]
    assert all(len(set(where[start : start + 3])) == 1 for start in range(0, 12, 3))
    assert len(set(where)) == 2
    assert len(set(turns)) == 1


def test_poll_keeps_to_its_timeout_and_never_waits_for_nothing(running: None) -> None:
    with Ray([fleet(told("Stuck"), 1)]) as engine:
        began = time.monotonic()
        assert list(engine.poll(30.0)) == []
        assert time.monotonic() - began < 5.0
        engine.submit([Asked(ticket=number, candidate="a", request=Request(prompt="x")) for number in range(8)])
        began = time.monotonic()
        engine.poll(0.0)
        assert time.monotonic() - began < 5.0
        assert len(finish(engine, 8)) >= 7
    assert [str(answer) for answer in ask(engine, prompts("late"))] == ["this engine is closed"]


def test_two_adapters_and_a_judge_beside_them(running: None) -> None:
    base = fleet("fake", 1, num_cpus=0.3)
    family = [Candidate(name=name, engine="ray", options=base.options, resources=base.resources) for name in ("a", "one", "two")]
    judge = Candidate(name="judge", engine="ray", options={"engine": "fake", "behaviour": "refuse"}, resources=base.resources)
    with Ray(family) as engine, Ray([judge]) as helper:
        found = answers(engine, [(name, Request(prompt=f"to {name}")) for name in ("a", "one", "two")])
        verdict = answers(helper, [("judge", Request(prompt="?"))])
    assert [answer.text for answer in found] == ["to a", "to one", "to two"]
    assert "cannot" in verdict[0].text
    with pytest.raises(EngineError, match="cannot share"):
        Ray([base, Candidate(name="b", engine="ray", options={"engine": "fake", "behaviour": "empty"}, resources=base.resources)])


def test_actors_get_the_variables_that_change_answers(running: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_BATCH_INVARIANT", "1")
    with Ray([fleet(told("Told"), 1)]) as engine:
        assert answers(engine, prompts("x"))[0].text.split(" ")[2] == "1"


# -------------------------------------------------------------------------------------------------------- failures


@pytest.mark.parametrize("how", ["kill -9", "ray.kill"])
def test_an_actor_that_dies_loses_nothing(running: None, how: str) -> None:
    import ray

    with Ray([fleet(told("Told"))]) as engine:
        engine.submit([Asked(ticket=number, candidate="a", request=Request(prompt=f"q{number}")) for number in range(50)])
        found = finish(engine, 6)
        victim = engine.seats[0]
        assert victim.held
        if how == "ray.kill":
            ray.kill(victim.actor, no_restart=False)
        else:
            assert victim.local_pid is not None
            os.kill(victim.local_pid, signal.SIGKILL)
        found += finish(engine, 50 - len(found))
        assert victim.restarts == 1
        found += list(engine.poll(0.3))
    assert sorted(answer.ticket for answer in found) == list(range(50)), "every ticket once"
    assert all(isinstance(answer.result, Completion) for answer in found)


def test_a_request_that_kills_actors_becomes_its_own_error(running: None) -> None:
    with Ray([fleet(told("Poisoned"), max_restarts=3)]) as engine:
        found = ask(engine, prompts(*(f"q{number}" for number in range(6)), "poison", *(f"r{number}" for number in range(6))))
        assert sum(seat.restarts for seat in engine.seats) == 3
        again = answers(engine, prompts("still there?"))
    errors = [number for number, answer in enumerate(found) if isinstance(answer, EngineError)]
    assert errors == [6]
    assert "3 actors" in str(found[6])
    assert "alone" in str(found[6])
    assert again


def test_when_no_actor_is_left_that_is_said_and_not_waited_for(running: None) -> None:
    with Ray([fleet(told("Poisoned"), max_restarts=0)]) as engine:
        engine.submit([Asked(ticket=number, candidate="a", request=Request(prompt=f"poison {number}")) for number in range(40)])
        with pytest.raises(EngineError, match=r"no actor of engine 'ray' is left.*after 0 restarts.*run again"):
            finish(engine, 40)


def test_an_engine_that_broke_is_replaced_and_its_requests_asked_again(running: None, tmp_path: Path) -> None:
    fuse = tmp_path / "fuse"
    fuse.touch()
    with Ray([fleet(told("Breaks"), 1, options={"fuse": str(fuse)})]) as engine:
        found = answers(engine, prompts(*(f"q{number}" for number in range(12))))
        assert (engine.seats[0].restarts, "out of memory" in engine.seats[0].reason) == (1, True)
    assert len({answer.text.split(" ")[0] for answer in found}) == 2


def test_an_actor_that_falls_silent_is_taken_for_dead(running: None, tmp_path: Path) -> None:
    fuse = tmp_path / "fuse"
    fuse.touch()
    with Ray([fleet(told("Stuck"), 1, options={"fuse": str(fuse)}, stalled_seconds=20.0)]) as engine:
        engine.fleet = type(engine.fleet)(stalled_seconds=1.0)
        engine.submit([Asked(ticket=0, candidate="a", request=Request(prompt="stuck"))])
        finish(engine, 1, seconds=3.0)
        assert "silent for 1 seconds while ready" in engine.seats[0].reason


def test_an_unforeseen_fault_of_the_engine_names_itself(running: None) -> None:
    with Ray([fleet(told("Raises"), 1, max_restarts=0)]) as engine:
        engine.submit([Asked(ticket=0, candidate="a", request=Request(prompt="x"))])
        with pytest.raises(EngineError, match="KeyError: 'a fault of the engine'"):
            finish(engine, 1)


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        (told("NotLive"), ProbeError, "^the adapter of 'one' is not live$"),
        (told("DiesAtStart"), EngineError, "the actor died: .*exit"),
        ("vllm", ConfigError, "^candidates.a.model: model folder '/nowhere/at/all' does not exist"),
    ],
)
def test_an_engine_that_cannot_start_in_its_actor_says_why(running: None, kind: str, error: type[Exception], words: str) -> None:
    broken = fleet(kind)
    if kind == "vllm":
        broken = Candidate(name="a", model="/nowhere/at/all", engine="ray", options=broken.options, resources=broken.resources)
    with pytest.raises(error, match=words), Ray([broken]):
        pass


def test_a_fleet_that_does_not_fit_is_told_what_there_is(running: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.engines.ray_cluster.ROOM_SECONDS", 0.5)
    with pytest.raises(
        EngineError, match=r"room for \d+ actors of 0.5 CPU each, and 999 are wanted; it has \d+ CPU, 0 GPU on 1 nodes"
    ):
        Ray([fleet("fake", 999)]).__enter__()
    with pytest.raises(EngineError, match=r"room for 0 actors of 0.5 CPU and 1 GPU each, and at least 1 are wanted"):
        Ray([fleet("fake", "auto", num_gpus=1)]).__enter__()


def test_a_cluster_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    with pytest.raises(EngineError, match=r"the Ray cluster at '127.0.0.1:9' cannot be joined: .*refused"):
        Ray([fleet("fake", address="127.0.0.1:9")]).__enter__()


# ----------------------------------------------------------------------------------------------------- what a node has


class _Here(Actor):
    """An actor that has not left this process."""


def _arrival(candidate: Candidate, expected: Fingerprints, facts: dict[str, Any], code: str, home: str = "elsewhere") -> str:
    arrival = _Here([candidate], 0, {}).arrive({candidate.name: expected}, {candidate.name: facts}, home, code)
    assert arrival.pid == os.getpid()
    return str(arrival.problem)


def test_a_node_that_would_answer_otherwise_is_refused_by_name(running: None, tmp_path: Path) -> None:
    import ray

    host = ray.util.get_node_ip_address()
    base = tmp_path / "model"
    base.mkdir()
    (base / "model.safetensors").write_bytes(b"weights")
    (base / "config.json").write_text("{}")
    candidate = Candidate(name="a", model=str(base), engine="vllm")
    from harness.engines.vllm import Vllm

    facts = dict(Vllm.describe(candidate))
    expected = candidate_fingerprints(candidate, facts, nonce="")
    assert _arrival(candidate, expected, facts, source_digest()) == "None"
    assert f"({host}) has another version of sftgate" in _arrival(candidate, expected, facts, "another")
    wrong = _arrival(candidate, expected, {**facts, "dtype": "bfloat16"}, source_digest())
    assert f"({host}) would serve 'a' with dtype = 'float32'" in wrong
    assert "'bfloat16'" in wrong
    (base / "model.safetensors").write_bytes(b"older weights")
    assert f"({host}) has another weights for 'a'" in _arrival(candidate, expected, facts, source_digest())
    gone = Candidate(name="a", model=str(tmp_path / "mode"), engine="vllm")
    assert f"({host}) cannot serve: candidates.a.model: model folder" in _arrival(gone, expected, facts, source_digest())


# -------------------------------------------------------------------------------------------------- without a cluster


def test_what_a_fleet_cannot_be_is_told_before_anything_starts() -> None:
    for resources, place, words in (
        ({"actors": 0}, "actors", "at least 1"),
        ({"actors": "many"}, "actors", "none of the words|auto"),
        ({"address": "ray://head:10001"}, "address", "HOST:PORT"),
        ({"num_gpus": 1.5}, "num_gpus", "whole number"),
        ({"num_gpus": 1, "tensor_parallel_size": 2}, "num_gpus", "at least 2"),
        ({"num_gpus": 0.5}, "gpu_memory_utilization", "Set it below that: 0.45"),
        ({"max_restarts": -1}, "max_restarts", "not negative"),
        ({"num_cpus": 0, "num_gpus": 0}, "num_cpus", "above 0"),
        ({"stalled_seconds": 0}, "stalled_seconds", "above 0"),
        ({"actor": 2}, "resources", "'actor'.*kv_cache_gib.*Engine 'ray' itself knows: actors"),
    ):
        candidate = Candidate(name="a", model="m", engine="ray", options={"engine": "vllm"}, resources=resources)
        with pytest.raises(ConfigError, match=words) as caught:
            Ray.check(candidate, where="candidates[0]")
        assert place in caught.value.where
    with pytest.raises(ConfigError, match="max_model_len"):
        Ray.check(Candidate(name="a", engine="ray", options={"engine": "vllm", "max_model_length": 5}), where="candidates[0]")
    for options in ({}, {"engine": "ray"}, {"engine": 7}):
        with pytest.raises(ConfigError, match="expected the name of another engine"):
            Ray.check(Candidate(name="a", engine="ray", options=options), where="candidates[0]")
    with pytest.raises(ConfigError, match=r"unknown engine 'vlm'.*Did you mean 'vllm'"):
        Ray.check(Candidate(name="a", engine="ray", options={"engine": "vlm"}), where="candidates[0]")


def test_an_actor_asks_for_as_many_gpus_as_its_engine_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    def need(**resources: Any) -> dict[str, float]:
        return Ray([Candidate(name="a", model="m", engine="ray", options={"engine": "vllm"}, resources=resources)]).need

    assert need() == {"CPU": 1.0}
    monkeypatch.setattr("harness.engines.serving.device_kind", lambda: "cuda")
    assert need() == {"CPU": 1.0, "GPU": 1.0}
    assert need(tensor_parallel_size=4, num_cpus=8) == {"CPU": 8.0, "GPU": 4.0}
    assert need(num_gpus=0.5, num_cpus=0) == {"GPU": 0.5}
    judge = Candidate(name="j", engine="ray", options={"engine": "fake"})
    assert Ray([judge]).need == {"CPU": 1.0}


def test_a_fleet_and_the_engine_in_it_share_fingerprint_and_journal() -> None:
    plain = Candidate(name="a", engine="fake", options={"behaviour": "refuse"})
    spread = Candidate(name="a", engine="ray", options={"engine": "fake", **plain.options}, resources={"actors": 7})
    assert Ray.describe(spread) == Fake.describe(plain)
    prints = [candidate_fingerprints(one, Fake.describe(plain), nonce="n") for one in (plain, spread)]
    assert prints[0] == prints[1]
    other = Candidate(name="a", engine="ray", options={"engine": "fake", "behaviour": "echo"})
    assert candidate_fingerprints(other, Fake.describe(plain), nonce="n").asked != prints[0].asked


@pytest.mark.full
def test_a_node_that_is_lost_loses_nothing(short: Path) -> None:
    """Two nodes on this machine; the second is not the driver's, so it has to prove that it has the same code and contents."""
    mark = f"SFTGATE_NODES_{os.getpid()}"
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_TMPDIR": str(short), mark: "1"}
    done = subprocess.run([sys.executable, "-c", NODES], capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "2 nodes, 60 answered once, 1 restart, errors: 0"
    assert _left(mark) == []


NODES = """
from harness.engines.ray_engine import Ray
from harness.protocols import Asked
from harness.records import Candidate, Completion, Request
from ray.cluster_utils import Cluster

small = dict(num_cpus=1, object_store_memory=100 << 20)
cluster = Cluster(initialize_head=True, head_node_args={**small, "include_dashboard": False})
second = cluster.add_node(**small)
cluster.wait_for_nodes()
options = {"engine": "tests.harness.engines.wrapped:Told"}
resources = {"address": cluster.address, "actors": 2, "num_cpus": 1}
try:
    with Ray([Candidate(name="a", engine="ray", options=options, resources=resources)]) as engine:
        homes = len({seat.local_pid is None for seat in engine.seats})
        engine.submit([Asked(ticket=number, candidate="a", request=Request(prompt=f"q{number}")) for number in range(60)])
        found = []
        while len(found) < 60:
            found += engine.poll(1.0)
            if len(found) > 5 and second is not None:
                assert all(seat.held for seat in engine.seats)
                cluster.remove_node(second, allow_graceful=False)
                second = None
        restarts = sum(seat.restarts for seat in engine.seats)
finally:
    cluster.shutdown()
tickets = sorted(answer.ticket for answer in found)
assert tickets == list(range(60)), tickets
errors = sum(not isinstance(answer.result, Completion) for answer in found)
print(f"{homes} nodes, {len(found)} answered once, {restarts} restart, errors: {errors}")
"""


def _processes(word: str) -> list[int]:
    """Processes whose command line or environment holds ``word``; a zombie has neither."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                seen = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except OSError:
                continue
            if word.encode() in seen and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


OWN = """
import os, signal, time
from harness.engines.ray_engine import Ray
from harness.protocols import Asked
from harness.records import Candidate, Request

before = signal.getsignal(signal.SIGTERM)
one = Candidate(name="a", engine="ray", options={"engine": "fake"}, resources={"actors": 2, "num_cpus": 0.5})
with Ray([one]) as engine:
    engine.submit([Asked(ticket=7, candidate="a", request=Request(prompt="hello"))])
    print(engine.poll(30.0)[0].result.text, os.environ["RAY_USAGE_STATS_ENABLED"], flush=True)
    os.kill(engine.seats[0].local_pid, signal.SIGKILL)
    asked = [Asked(ticket=number, candidate="a", request=Request(prompt=f"q{number}")) for number in range(20)]
    engine.submit(asked)
    found = []
    while len(found) < 20:
        found += engine.poll(1.0)
    time.sleep(2.0)  # Ray takes a while to say what it has to say
    print(len(found), engine.notes[0].split(";")[0])
import ray
print(ray.is_initialized(), signal.getsignal(signal.SIGTERM) == before, os.listdir(os.environ["RAY_TMPDIR"]))
"""


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short path: sockets go there."""
    with tempfile.TemporaryDirectory(prefix="r", dir="/tmp") as folder:
        yield Path(folder)


def test_nothing_is_left_of_a_cluster_that_was_started_here(short: Path, tmp_path: Path) -> None:
    mark = f"SFTGATE_MARK_{os.getpid()}"
    environment = {**os.environ, "RAY_TMPDIR": str(short), "HOME": str(tmp_path), mark: "1"}
    done = subprocess.run([sys.executable, "-c", OWN], capture_output=True, text=True, timeout=180, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["hello 0", "20 actors that died: 1", "False True []"]
    assert done.stderr == ""
    assert _left(mark) == []
    assert list(tmp_path.iterdir()) == [], "nothing in the user's home"


def _left(mark: str) -> Sequence[int]:
    """What is still there after a while."""
    deadline = time.monotonic() + 30
    while (found := _processes(mark)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found
