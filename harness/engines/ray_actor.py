"""What runs on a node of a Ray cluster: one engine for one family, entered and asked in the actor's own thread."""

from __future__ import annotations

import hashlib
import os
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.engines import ENGINES
from harness.errors import EngineError, SftgateError
from harness.fingerprint import candidate_fingerprints
from harness.plugins import load
from harness.protocols import Answered, Asked, Engine
from harness.records import Candidate, Fingerprints, Record

GATHER_SECONDS = 0.05
"""An exchange that has an answer goes on for so long, so that answers travel in batches."""

PATIENCE_SECONDS = 0.1
"""An exchange without any answer ends after so long, so that new requests get in."""


class Arrival(Record, frozen=True, kw_only=True):
    """Where an actor came up, and why it cannot serve there, if it cannot."""

    node: str
    node_id: str
    pid: int
    problem: EngineError | None = None


class Exchanged(Record, frozen=True, kw_only=True):
    """Answers so far, and what the engine has to say of how it works.

    ``broken``: the engine will give no more, and what is still out must be asked elsewhere.
    """

    answers: tuple[Answered, ...] = ()
    notes: tuple[str, ...] = ()
    broken: EngineError | None = None


class Actor:
    """Holds the engine. Calls are answered one after another: ``arrive``, ``open``, then ``exchange`` until ``close``.

    What goes wrong on purpose (our errors) comes back as a value; a Ray error means that the actor, or its code, failed.
    """

    def __init__(self, candidates: Sequence[Candidate], seed: int, variables: Mapping[str, str]) -> None:
        os.environ.update(variables)
        self._candidates = tuple(candidates)
        self._seed = seed
        self._engine: Engine | None = None
        self._flying = 0

    def arrive(self, expected: Mapping[str, Fingerprints], facts: Mapping[str, Mapping[str, Any]], home: str, code: str) -> Arrival:
        """Look around before anything heavy is loaded: is this the same code, and would it serve the same weights in the same way?

        ``home``: the driver's node. There the files are the driver's own, so only the engine's facts are compared.
        """
        import ray

        node_id = ray.get_runtime_context().get_node_id()
        node = f"{socket.gethostname()} ({ray.util.get_node_ip_address()})"
        problem = None
        try:
            if node_id != home:
                _same_code(node, code)
            kind = load(self._candidates[0].engine, ENGINES, what="engine")
            for candidate in self._candidates:
                here = dict(kind.describe(candidate))
                _same_facts(node, candidate.name, facts[candidate.name], here)
                if node_id != home:
                    _same_content(node, candidate.name, expected[candidate.name], candidate_fingerprints(candidate, here, nonce=""))
        except SftgateError as error:
            problem = error if isinstance(error, EngineError) else EngineError(f"node {node} cannot serve: {error}")
        return Arrival(node=node, node_id=node_id, pid=os.getpid(), problem=problem)

    def open(self) -> int | SftgateError:
        """Start the engine and let it probe itself; its capacity, or the error that it started with."""
        engine: Engine = load(self._candidates[0].engine, ENGINES, what="engine")(self._candidates, seed=self._seed)
        try:
            self._engine = engine.__enter__()
        except SftgateError as error:
            return error
        return engine.capacity

    def exchange(self, asked: Sequence[Asked]) -> Exchanged:
        """Hand requests to the engine and let it work for a moment; what has finished by then."""
        assert self._engine is not None
        found: list[Answered] = []
        began = time.monotonic()
        try:
            if asked:
                self._flying += len(asked)
                self._engine.submit(asked)
            while self._flying:
                found += (answered := self._engine.poll(PATIENCE_SECONDS))
                self._flying -= len(answered)
                if time.monotonic() - began >= (GATHER_SECONDS if found else PATIENCE_SECONDS):
                    break
        except EngineError as error:
            return Exchanged(answers=tuple(found), broken=error)
        broken = getattr(self._engine, "broken", None)
        if broken is not None:
            whole = tuple(answer for answer in found if not isinstance(answer.result, EngineError))
            return Exchanged(answers=whole, broken=broken)
        return Exchanged(answers=tuple(found), notes=tuple(getattr(self._engine, "notes", ())))

    def close(self) -> None:
        """Free the device and end this process."""
        from ray.actor import exit_actor

        engine, self._engine = self._engine, None
        if engine is not None:
            engine.__exit__(None, None, None)
        exit_actor()


def source_digest() -> str:
    """Hash of the harness's own source: what an actor runs must be what the driver runs."""
    root = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _same_code(node: str, code: str) -> None:
    if source_digest() != code:
        raise EngineError(
            f"node {node} has another version of sftgate than the machine that drives the run. Install the same one in every "
            'node\'s environment, or let Ray carry it there: resources.runtime_env = { py_modules = ["…/harness"] }.'
        )


def _same_facts(node: str, name: str, expected: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    for fact in sorted({*expected, *here}):
        if expected.get(fact) != here.get(fact):
            raise EngineError(
                f"node {node} would serve {name!r} with {fact} = {here.get(fact)!r}, and the machine that drives the run finds "
                f"{expected.get(fact)!r}. Answers would be filed under the wrong fingerprint. Run the driver in the nodes' "
                "environment, on a machine of their kind, give each actor its GPU (resources.num_gpus), and set what may differ "
                "(such as options.dtype)."
            )


def _same_content(node: str, name: str, expected: Fingerprints, here: Fingerprints) -> None:
    parts = [part for part in ("weights", "adapter", "tokenizer", "template") if getattr(expected, part) != getattr(here, part)]
    if parts:
        raise EngineError(
            f"node {node} has another {' and '.join(parts)} for {name!r} than the machine that drives the run, at the same place. "
            "Copy the folder again, or use storage that all nodes share."
        )
