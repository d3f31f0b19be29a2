"""Ray: any engine in many actors, over one machine or many. What it answers is what the engine in them answers.

Every actor holds one whole engine of the family, entered and probed where it runs. The driver keeps the tickets: it hands an actor
as many requests as its engine likes to hold, and gets answers back in batches. An actor that dies loses nothing: what it had is
asked again of the others, or of the actor that takes its place.

Two exchanges are always under way with an actor that has something to do: while the answers of one travel and are journalled, the
next is already at work, so the engine does not wait for the driver.

Actors are replaced here and not by Ray (its own ``max_restarts`` is 0): so a replacement may come up on any node, says why when it
cannot, and is counted.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import msgspec

from harness.checkpoints import answering, source
from harness.engines import ENGINES, serving
from harness.engines.ray_actor import Actor, Arrival, Exchanged, source_digest
from harness.engines.ray_cluster import cluster, home, how_many
from harness.engines.ray_seats import Seat, Waiting
from harness.errors import ConfigError, EngineError, SftgateError
from harness.fingerprint import candidate_fingerprints
from harness.plugins import load
from harness.protocols import Answered, Asked, Engine
from harness.records import Candidate, Request

CALLS = 2
"""Exchanges under way with one actor."""

ARRIVAL_SECONDS = 300.0
"""How long the process of an actor may take to come up before anything heavy is loaded in it."""

LEAVING_SECONDS = 30.0

ADDRESS = re.compile(r"[^:/\s]+:\d+")

CARRIED = ("VLLM_BATCH_INVARIANT", "VLLM_ATTENTION_BACKEND", "CUBLAS_WORKSPACE_CONFIG")
"""Environment variables that change answers: the actors get the driver's."""

PARALLEL = ("tensor_parallel_size", "pipeline_parallel_size")
"""Resources of the engine in an actor that multiply the GPUs it takes."""


class Resources(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fleet; all other ``resources`` are those of the engine in the actors.

    ``actors``: how many, or ``auto`` for as many as fit. ``num_gpus`` per actor, fractions allowed; unset, what the engine's own
    parallel sizes ask for, or none on a CPU. ``address``: of a running cluster (``HOST:PORT``, or ``auto`` on a machine that is in
    one); unset, a cluster is started on this machine. ``max_restarts``: how often the actor of one seat is replaced. ``placement``:
    fill nodes one by one (``pack``), or ``spread`` over them. ``stalled_seconds``: an actor that is silent for so long is taken for
    dead. ``runtime_env`` goes to Ray.
    """

    actors: int | Literal["auto"] = "auto"
    num_cpus: float = 1
    num_gpus: float | None = None
    address: str | None = None
    max_restarts: int = 3
    placement: Literal["pack", "spread"] = "pack"
    stalled_seconds: float = 1800.0
    runtime_env: dict[str, Any] = {}


class Ray:
    """The engine ``ray``; see the module's docstring."""

    @classmethod
    def check(cls, candidate: Candidate, *, where: str) -> None:
        """ConfigError for a fleet that makes no sense, and for whatever the engine in the actors would refuse."""
        fleet = _fleet(candidate, where=where)
        inner = _inner(candidate)
        kind = _wrapped(inner, where=where)
        _check_fleet(fleet, inner, where=f"{where}.resources")
        checking = getattr(kind, "check", None)
        if checking is not None:
            try:
                checking(inner, where=where)
            except ConfigError as error:
                if not error.where.startswith(f"{where}.resources"):
                    raise
                own = ", ".join(Resources.__struct_fields__)
                raise ConfigError(f"{error.message} Engine 'ray' itself knows: {own}.", where=error.where) from error

    @classmethod
    def describe(cls, candidate: Candidate) -> Mapping[str, Any]:
        """The facts of the engine in the actors and nothing more: a fleet changes no answer."""
        inner = _inner(candidate)
        facts: Mapping[str, Any] = _wrapped(inner, where=f"candidates.{candidate.name}").describe(inner)
        return facts

    @classmethod
    def reach(cls, candidate: Candidate, asked: Sequence[Request] = ()) -> None:
        """Where the engine in the actors is an endpoint: it must answer now, and be able to do what it will be asked."""
        inner = _inner(candidate)
        reach = getattr(_wrapped(inner, where=f"candidates.{candidate.name}"), "reach", None)
        if reach is not None:
            reach(inner, asked)

    def __init__(self, candidates: Sequence[Candidate], *, seed: int = 0) -> None:
        first = serving.one_family(candidates)
        self.candidates = tuple(_inner(candidate) for candidate in candidates)
        self.fleet = _fleet(first, where=f"candidates.{first.name}")
        self.need = _need(self.fleet, self.candidates[0])
        self.seed = seed
        self.seats: list[Seat] = []
        self._waiting = Waiting()
        self._ready: list[Answered] = []
        self._calls: dict[Any, tuple[Seat, str]] = {}
        self._stack = contextlib.ExitStack()
        self._open = self._started = False
        self._notes: dict[int, tuple[str, ...]] = {}
        self._losses: list[str] = []

    @property
    def notes(self) -> list[str]:
        """What the engines in the actors say of how they worked, and how many actors were lost."""
        notes = dict.fromkeys(note for notes in self._notes.values() for note in notes)
        if not self._losses:
            return list(notes)
        return [*notes, f"actors that died: {len(self._losses)}; their requests were asked again. The last one: {self._losses[-1]}"]

    @property
    def capacity(self) -> int:
        """What the actors that are up like to hold, together."""
        return sum(seat.capacity for seat in self.seats if seat.state == "ready")

    # ---------------------------------------------------------------------------------------------- start and end

    def __enter__(self) -> Self:
        serving.require("ray", engine="ray")
        try:
            self._stack.enter_context(cluster(self.fleet.address, self.fleet.runtime_env))
            self._look_around()
            wanted = None if self.fleet.actors == "auto" else self.fleet.actors
            self.seats = [Seat(number) for number in range(how_many(wanted, self.need))]
            self._open = True
            for seat in self.seats:
                self._begin(seat)
            while any(seat.state != "ready" for seat in self.seats):
                self._listen(1.0)
            self._started = True
        except BaseException:
            self._leave()
            raise
        return self

    def _look_around(self) -> None:
        """What every actor is to find: the facts and contents that the answers will be filed under."""
        kind = _wrapped(self.candidates[0], where="options")
        self._facts = {candidate.name: dict(kind.describe(candidate)) for candidate in self.candidates}
        self._prints = {
            candidate.name: candidate_fingerprints(candidate, self._facts[candidate.name], nonce="")
            for candidate in self.candidates
        }
        self._home, self._code = home(), source_digest()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._leave()

    def _leave(self) -> None:
        """End the actors, wait until they are gone, and stop the cluster if it is ours."""
        self._open = False
        self._ready.clear()
        self._waiting.clear()
        self._calls.clear()
        seats, self.seats = self.seats, []
        with self._stack:
            import ray
            from ray.exceptions import RayError

            with contextlib.suppress(RayError):
                leaving = [seat.actor.close.remote() for seat in seats if seat.state == "ready"]
                if leaving:
                    ray.wait(leaving, num_returns=len(leaving), timeout=LEAVING_SECONDS)
            for seat in seats:
                with contextlib.suppress(RayError):
                    _kill(seat)
            _await_exit([seat.local_pid for seat in seats if seat.local_pid is not None])

    def _begin(self, seat: Seat) -> None:
        """Put a new actor on a seat; it says where it is before it loads anything."""
        import ray

        variables = {name: os.environ[name] for name in CARRIED if name in os.environ}
        placed = ray.remote(Actor).options(
            num_cpus=self.need.get("CPU", 0), num_gpus=self.need.get("GPU", 0), max_restarts=0, max_task_retries=0,
            scheduling_strategy="SPREAD" if self.fleet.placement == "spread" else "DEFAULT",
        )  # fmt: skip
        seat.state, seat.node, seat.local_pid = "arriving", "", None
        seat.actor = placed.remote(self.candidates, self.seed, variables)
        self._call(seat, "arrive", self._prints, self._facts, self._home, self._code)

    def _call(self, seat: Seat, method: str, *arguments: Any) -> None:
        call = getattr(seat.actor, method).remote(*arguments)
        seat.called(call)
        self._calls[call] = (seat, method)

    # ------------------------------------------------------------------------------------------------------ asking

    def submit(self, asked: Sequence[Asked]) -> None:
        """Spread requests over the actors; those that find no room wait here."""
        if not self._open:
            closed = EngineError("this engine is closed")
            self._ready += [Answered(ticket=entry.ticket, result=closed) for entry in asked]
            return
        self._waiting.add(asked)
        self._send()

    def poll(self, timeout: float) -> Sequence[Answered]:
        """What has come back, waiting at most ``timeout`` seconds for the first. Raises EngineError once no actor is left."""
        deadline = time.monotonic() + timeout
        while True:
            busy = self._open and (len(self._waiting) > 0 or any(seat.held for seat in self.seats))
            if busy and not self._ready:
                self._listen(max(0.0, deadline - time.monotonic()))
            if self._ready or not busy or time.monotonic() >= deadline:
                ready, self._ready = self._ready, []
                return ready

    def _send(self) -> None:
        """Fill the seats, and keep exchanges under way with those that have something to do."""
        self._waiting.spread(self.seats)
        for seat in self.seats:
            while seat.state == "ready" and seat.held and len(seat.calls) < CALLS:
                outbox, seat.outbox = seat.outbox, []
                self._call(seat, "exchange", outbox)

    def _listen(self, timeout: float) -> None:
        """Wait for a call to come back, and go on with what has."""
        import ray

        if all(seat.state == "closed" for seat in self.seats):
            raise EngineError(
                f"no actor of engine 'ray' is left: {self._reasons()}. What was answered is kept: run again to go on."
            )
        back, _ = ray.wait(list(self._calls), num_returns=1, timeout=min(timeout, 1.0))
        if back:
            back, _ = ray.wait(list(self._calls), num_returns=len(self._calls), timeout=0)
        for call in back:
            if call in self._calls:  # the first of two may have told that the actor is dead
                self._take(call)
        for seat in self.seats:
            limit = ARRIVAL_SECONDS if seat.state == "arriving" else self.fleet.stalled_seconds
            if seat.silent_seconds > limit:
                self._lose(seat, EngineError(f"it was silent for {limit:g} seconds while {seat.state}"))
        self._send()

    def _reasons(self) -> str:
        return "; ".join(f"seat {seat.number} was given up after {seat.restarts} restarts: {seat.reason}" for seat in self.seats)

    def _take(self, call: Any) -> None:
        """What a call brought: where the actor is, that its engine is open, answers, or its end."""
        import ray
        from ray.exceptions import RayError

        seat, method = self._calls.pop(call)
        del seat.calls[call]
        try:
            value = ray.get(call)
        except RayError as error:
            self._lose(seat, EngineError(_told(error)))
            return
        if isinstance(value, Arrival):
            seat.node, seat.local_pid = value.node, value.pid if value.node_id == self._home else None
            if value.problem is not None:
                self._lose(seat, value.problem)
                return
            seat.state = "opening"
            self._call(seat, "open")
        elif isinstance(value, Exchanged):
            self._receive(seat, value)
        elif method == "open" and isinstance(value, int):
            seat.state, seat.capacity = "ready", max(1, value)
        else:
            self._lose(seat, value)

    def _receive(self, seat: Seat, exchanged: Exchanged) -> None:
        for answer in exchanged.answers:
            if seat.held.pop(answer.ticket, None) is None:
                raise EngineError(
                    f"an actor answered ticket {answer.ticket}, which it does not hold; this is a fault of its engine."
                )
            self._ready.append(answer)
        self._notes[seat.number] = exchanged.notes
        if exchanged.broken is not None:
            self._lose(seat, exchanged.broken)

    def _lose(self, seat: Seat, error: SftgateError) -> None:
        """An actor is no more: its requests go back, and another takes its seat, if any may. While starting, it is the end."""
        _kill(seat)
        for call in seat.calls:
            self._calls.pop(call, None)
        seat.calls.clear()
        if not self._started:
            raise error
        seat.reason = f"{error} (node {seat.node})" if seat.node else str(error)
        self._losses.append(seat.reason)
        self._ready += self._waiting.take_back(seat, seat.reason)
        if seat.restarts >= self.fleet.max_restarts:
            seat.state = "closed"
            return
        seat.restarts += 1
        self._begin(seat)


def _told(error: Exception) -> str:
    """Ray's report of a failure in a few words: what was raised in the actor, or how the actor ended."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, BaseException):
        return f"the actor failed: {type(cause).__name__}: {' '.join(str(cause).split())}"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    detail = next((line for line in lines if "exit type" in line.lower()), lines[-1] if lines else type(error).__name__)
    return f"the actor died: {detail[:600]}"


def _kill(seat: Seat) -> None:
    import ray

    if seat.actor is not None:
        ray.kill(seat.actor, no_restart=True)
        seat.actor = None


def _await_exit(pids: Sequence[int]) -> None:
    """Wait until the processes of actors on this machine have ended: only then is their device free for the next engine."""
    deadline = time.monotonic() + LEAVING_SECONDS
    while any(Path(f"/proc/{pid}/exe").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)


# ------------------------------------------------------------------------------------------------------ what is wrapped


def _inner(candidate: Candidate) -> Candidate:
    """The candidate as the engine in an actor sees it: that engine's own options and resources."""
    resources = {name: value for name, value in candidate.resources.items() if name not in Resources.__struct_fields__}
    return msgspec.structs.replace(answering(candidate), resources=resources)


def _fleet(candidate: Candidate, *, where: str) -> Resources:
    own = {name: value for name, value in candidate.resources.items() if name in Resources.__struct_fields__}
    return serving.read_resources(msgspec.structs.replace(candidate, resources=own), Resources, where=where)


def _wrapped(inner: Candidate, *, where: str) -> type[Engine]:
    kind: type[Engine] = load(inner.engine, ENGINES, what="engine", where=f"{where}.options.engine")
    return kind


def _need(fleet: Resources, inner: Candidate) -> dict[str, float]:
    """What one actor takes of its node: CPUs and GPUs; what it does not take is not in it."""
    gpus = fleet.num_gpus
    if gpus is None:
        on_gpu = source(inner) == "weights" and serving.device_kind() == "cuda"
        gpus = float(_parallel(inner)) if on_gpu else 0.0
    return {name: amount for name, amount in (("CPU", float(fleet.num_cpus)), ("GPU", gpus)) if amount > 0}


def _parallel(inner: Candidate) -> int:
    """GPUs that the engine in an actor uses."""
    product = 1
    for name in PARALLEL:
        size = inner.resources.get(name, 1)
        product *= size if isinstance(size, int) else 1
    return product


def _check_fleet(fleet: Resources, inner: Candidate, *, where: str) -> None:
    def wrong(name: str, expected: str, found: Any) -> ConfigError:
        return ConfigError(f"expected {expected}, found {found!r}", where=f"{where}.{name}")

    if fleet.actors != "auto" and fleet.actors < 1:
        raise wrong("actors", "a number of at least 1, or 'auto'", fleet.actors)
    if fleet.address is not None and fleet.address != "auto" and not ADDRESS.fullmatch(fleet.address):
        raise wrong("address", "'auto' or HOST:PORT of a cluster's head", fleet.address)
    if fleet.num_cpus < 0:
        raise wrong("num_cpus", "a number that is not negative", fleet.num_cpus)
    if fleet.max_restarts < 0:
        raise wrong("max_restarts", "a number that is not negative", fleet.max_restarts)
    if fleet.stalled_seconds <= 0:
        raise wrong("stalled_seconds", "a number above 0", fleet.stalled_seconds)
    gpus = fleet.num_gpus
    if gpus is not None and (gpus < 0 or (gpus > 1 and gpus != int(gpus))):
        raise wrong("num_gpus", "a fraction of one GPU, or a whole number of them", gpus)
    if gpus is not None and 0 < gpus < _parallel(inner) and _parallel(inner) > 1:
        raise wrong("num_gpus", f"at least {_parallel(inner)}, which {' × '.join(PARALLEL)} ask for", gpus)
    share = inner.resources.get("gpu_memory_utilization", 0.9)
    if inner.engine == "vllm" and gpus is not None and 0 < gpus < 1 and isinstance(share, int | float) and share > gpus:
        raise ConfigError(
            f"each vLLM would take {share:g} of a GPU's memory, and each actor has {gpus:g} of a GPU. Set it below that: "
            f"{0.9 * gpus:.2g}.",
            where=f"{where}.gpu_memory_utilization",
        )
    if not _need(fleet, inner):
        raise wrong("num_cpus", "something that an actor takes of its node: num_cpus or num_gpus above 0", fleet.num_cpus)
