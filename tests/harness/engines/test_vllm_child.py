"""vLLM's core in a process of its own, killed while it answers: what is in flight is told at once, and nothing waits for ever."""

from __future__ import annotations

import os
import signal
import time

import pytest

from harness.engines.vllm import Vllm
from harness.errors import EngineError
from harness.protocols import Asked
from harness.records import Candidate, Request
from tests.harness.engines.asking import answers, ask
from tests.harness.engines.conftest import Tiny

pytestmark = [pytest.mark.models, pytest.mark.vllm]


def test_a_killed_child_process_is_one_clear_error(tiny: Tiny) -> None:
    pytest.importorskip("vllm")
    with Vllm([Candidate(name="base", model=str(tiny.base), resources={"child_process": True})]) as engine:
        assert os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] == "1"
        assert len(answers(engine, [("base", Request(prompt="The capital of France", max_tokens=4))])[0].token_ids) == 4
        (child,) = engine._engine.engine_core.resources.engine_manager.processes
        assert child.pid != os.getpid()
        endless = Request(prompt="The", max_tokens=200, stop=("\0",))
        engine.submit([Asked(ticket=ticket, candidate="base", request=endless) for ticket in range(300)])
        before = list(engine.poll(0.0))
        os.kill(child.pid, signal.SIGKILL)
        found = {answered.ticket: answered.result for answered in before}
        deadline = time.monotonic() + 60
        while len(found) < 300 and time.monotonic() < deadline:
            found |= {answered.ticket: answered.result for answered in engine.poll(5.0)}
        assert sorted(found) == list(range(300))
        errors = [result for result in found.values() if isinstance(result, EngineError)]
        assert errors
        assert {str(error) for error in errors} == {str(errors[0])}
        assert "its process was killed" in str(errors[0])
        assert "max_num_seqs" in str(errors[0])
        (later,) = ask(engine, [("base", Request(prompt="x", max_tokens=2))])
        assert isinstance(later, EngineError)
        assert "stopped working earlier" in str(later)
        assert "its process was killed" in str(later)
        assert list(engine.poll(5.0)) == []
    assert os.environ.get("VLLM_ENABLE_V1_MULTIPROCESSING") != "1"
