"""The Ray cluster that this process drives: joined, or started here on this machine and stopped again. Nothing phones home."""

from __future__ import annotations

import contextlib
import importlib
import logging
import math
import os
import secrets
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from harness.errors import EngineError

OBJECT_STORE_BYTES = 128 << 20
"""Shared memory of a cluster started here: requests and answers are small."""

KNOCK_SECONDS = 10.0

_TOKEN = ". If that cluster asks for a token, set RAY_AUTH_MODE=token and its RAY_AUTH_TOKEN here too"

ROOM_SECONDS = 10.0
"""How long to wait for room: what another engine of this run has just left is not free at once."""


@contextlib.contextmanager
def cluster(address: str | None, runtime_env: Mapping[str, Any]) -> Iterator[None]:
    """Be connected to the cluster at ``address``, or (None) to one of our own; where this process has one already, to that.

    Only what was started here is stopped. Raises EngineError where there is no cluster, or none can be started.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")  # else it prints the end of an actor to stdout, though told not to log
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")  # as it is; unset, Ray warns that it will change
    import ray
    from ray.exceptions import RayError

    if ray.is_initialized():
        yield
        return
    with contextlib.ExitStack() as stack:
        settings: dict[str, Any] = {"address": address, "log_to_driver": False, "logging_level": logging.ERROR}
        if address is None:
            folder = stack.enter_context(_folder())
            stack.enter_context(_token())
            settings |= {"address": "local", "include_dashboard": False, "_temp_dir": folder}
            settings["object_store_memory"] = OBJECT_STORE_BYTES
        stack.enter_context(_signals())
        stack.callback(ray.shutdown)
        try:
            _knock(address)
            ray.init(**settings, runtime_env=dict(runtime_env) or None)
        except (RayError, ConnectionError, RuntimeError, ValueError, TypeError, OSError) as error:
            where = (
                "a Ray cluster cannot be started here" if address is None else f"the Ray cluster at {address!r} cannot be joined"
            )
            raise EngineError(f"{where}: {' '.join(str(error).split())}{'' if address is None else _TOKEN}") from error
        yield


@contextlib.contextmanager
def _folder() -> Iterator[str]:
    """Where a cluster of our own keeps its sockets and logs. Not below TMPDIR: the path of a socket may have 107 bytes."""
    folder = tempfile.mkdtemp(prefix="sftgate-ray-", dir=os.environ.get("RAY_TMPDIR", "/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _token() -> Iterator[None]:
    """A secret for a cluster of our own. Ray would write one into the user's home, and ask for one from then on in this process."""
    names = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
    before = {name: os.environ.pop(name, None) for name in names}
    os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
    _read_token_again()
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)
        os.environ.update({name: value for name, value in before.items() if value is not None})
        _read_token_again()


def _read_token_again() -> None:
    """Ray remembers what the environment said. A Ray that knows no tokens has nothing to forget."""
    ray = importlib.import_module("ray._raylet")
    if hasattr(ray, "AuthenticationTokenLoader"):
        ray.Config.initialize("")
        ray.AuthenticationTokenLoader.instance().reset_cache()


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """Ray puts a handler of its own on SIGTERM: give back the one there was."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _knock(address: str | None) -> None:
    """OSError where nobody listens at ``host:port``: Ray itself would try for minutes."""
    if address not in {None, "auto"}:
        host, _, port = str(address).rpartition(":")
        socket.create_connection((host, int(port)), timeout=KNOCK_SECONDS).close()


def home() -> str:
    """The id of the node that this process is on."""
    import ray

    return str(ray.get_runtime_context().get_node_id())


def how_many(wanted: int | None, need: Mapping[str, float]) -> int:
    """How many actors to start: ``wanted``, or (None) as many as fit. ``need``: what each takes of a node's CPU and GPU.

    Raises EngineError where they do not fit, after waiting a moment for what others leave.
    """
    import ray

    deadline = time.monotonic() + ROOM_SECONDS
    while (fitting := _fitting(need)) < (wanted or 1):
        if time.monotonic() >= deadline:
            free = ray.available_resources()
            asked = " and ".join(f"{amount:g} {name}" for name, amount in need.items())
            raise EngineError(
                f"the Ray cluster has room for {fitting} actors of {asked} each, and {wanted or 'at least 1'} are wanted; it has "
                f"{_amounts(ray.cluster_resources())} on {sum(node['Alive'] for node in ray.nodes())} nodes, of which "
                f"{_amounts(free)} are free. Lower resources.actors, num_cpus or num_gpus, or add nodes."
            )
        time.sleep(0.2)
    return wanted or fitting


def _fitting(need: Mapping[str, float]) -> int:
    """Actors that fit: none lies across two nodes."""
    import ray

    free = ray.available_resources()
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return min(sum(_times(node, need) for node in nodes), _times(free, need))


def _times(there: Mapping[str, float], need: Mapping[str, float]) -> int:
    return min(math.floor(there.get(name, 0.0) / amount + 1e-6) for name, amount in need.items())


def _amounts(resources: Mapping[str, float]) -> str:
    return ", ".join(f"{resources.get(name, 0.0):g} {name}" for name in ("CPU", "GPU"))
