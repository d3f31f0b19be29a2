"""Models that take turns in one engine are measured as they are with an engine each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import pytest

from harness.config import load
from harness.engines import ENGINES, serving
from harness.engines.fake import Fake, Options
from harness.pipeline import measure, prepare
from harness.pipeline.concluding import read_measured
from harness.records import Candidate
from tests.harness.pipeline.test_pipeline import candidate, write

LOG: list[str] = []


class Turning(Fake):
    """A fake engine whose weights are its answers, and can be exchanged."""

    swaps = True
    notes: tuple[str, ...] = ()
    mixes = False

    def __init__(self, candidates: Sequence[Candidate], *, seed: int = 0) -> None:
        super().__init__(candidates, seed=seed)
        self.candidates = tuple(candidates)

    def fits(self, other: Any) -> bool:
        return type(other) is type(self)

    def exchange(self, candidates: Sequence[Candidate]) -> None:
        LOG.append(f"exchange {candidates[0].name}")
        old = next(iter(self.options.values()))
        self.options = {entry.name: old if self.mixes else serving.read_options(entry, Options) for entry in candidates}

    def testify(self) -> list[float]:
        (options,) = self.options.values()
        return [-float(sum(answer == "no idea" for answer in options.answers.values()))]

    def __enter__(self) -> Self:
        LOG.append(f"start {self.candidates[0].name}")
        self.options = {entry.name: serving.read_options(entry, Options) for entry in self.candidates}
        return self


def _scores(folder: Path) -> dict[str, list[Any]]:
    folder.mkdir()
    four = [candidate(name, set(range(5 * index + 5))) for index, name in enumerate(["old", "one", "two", "three"])]
    loaded = load(write(folder, *four))
    measure(prepare(loaded))
    return {pair[1]: [(sample.key, sample.scores) for sample in found.samples] for pair, found in read_measured(loaded).items()}


@pytest.mark.parametrize("mixes", [False, True])
def test_the_scores_do_not_depend_on_who_took_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mixes: bool) -> None:
    plain = _scores(tmp_path / "plain")
    LOG.clear()
    monkeypatch.setattr(Turning, "mixes", mixes)
    monkeypatch.setitem(ENGINES, "fake", f"{__name__}:Turning")
    assert _scores(tmp_path / "turns") == plain
    starts = [line for line in LOG if line.startswith("start")]
    assert starts == (["start old", "start one"] + (["start one", "start two", "start three"] if mixes else []))
    assert LOG[-1] == ("start three" if mixes else "exchange three")
