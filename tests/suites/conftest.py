"""Suites are driven without an engine: a reply function answers every request."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.records import Answer, Completion, Item, Request, Sample

Reply = Callable[[Request], Completion | str]


def converse(suite: Any, item: Item, reply: Reply) -> tuple[Answer, list[Request]]:
    """Drive one conversation to its end; also what was asked."""
    conversation = suite.ask(item)
    asked: list[Request] = []
    requests: Sequence[Request] = next(conversation)
    while True:
        asked += requests
        replies = [reply(request) for request in requests]
        completions = [Completion(text=text) if isinstance(text, str) else text for text in replies]
        try:
            requests = conversation.send(completions)
        except StopIteration as end:
            return end.value, asked


@pytest.fixture
def converses() -> Callable[..., tuple[Answer, list[Request]]]:
    return converse


@pytest.fixture
def grades() -> Callable[[Any, Reply], dict[str, Sample]]:
    """Ask every item, grade every answer: samples by key."""

    def run(suite: Any, reply: Reply) -> dict[str, Sample]:
        answers = [converse(suite, item, reply)[0] for item in suite.items()]
        return {sample.key: sample for sample in suite.grade(answers, {}, {})}

    return run


@pytest.fixture
def jsonl(tmp_path: Path) -> Callable[..., Path]:
    """Write rows (or raw lines) to a file in the test's folder."""

    def write(rows: Iterable[Mapping[str, Any] | str], name: str = "items.jsonl") -> Path:
        path = tmp_path / name
        lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


@pytest.fixture
def builds(tmp_path: Path) -> Callable[..., Any]:
    """A suite from its class and its options, with the test's folder as the config's."""

    def build(suite: Any, seed: int = 7, **options: Any) -> Any:
        return suite("mine", suite.Options(**options), seed=seed, folder=tmp_path, where="suites[0]")

    return build


HOSTILE = (
    "",
    " \n\t ",
    "\x00\x01\x1b[31mred\x1b[0m",
    "\u202eabc\u202c مرحبا 12",
    "::error::boom",
    "<script>alert(1)</script>" * 50,
    "[" * 50_000,
    "{" * 50_000 + "}" * 50_000,
    '{"a":' * 20_000,
    "*" * 50_000,
    "\n" * 50_000,
    "<<" * 30_000,
    "1,111" * 20_000,
    "9" * 20_000,
    "A.B." * 20_000,
    "𝟗𝟗 ９９ ①",
    "\ufffd" * 100,
)


@pytest.fixture(params=range(len(HOSTILE)), ids=lambda index: f"hostile{index}")
def hostile(request: pytest.FixtureRequest) -> str:
    return HOSTILE[request.param]


@pytest.fixture
def hostiles() -> tuple[str, ...]:
    """All of them at once, for suites that are slow to build."""
    return HOSTILE
