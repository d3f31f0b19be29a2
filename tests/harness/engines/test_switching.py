"""A model changes its adapter when another candidate's turn comes, and only then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from harness.engines.switching import Switch


class Wearing:
    """What PEFT shows of a model with adapters, with a diary."""

    peft_config = {"one": None, "two": None}

    def __init__(self) -> None:
        self.diary: list[str] = []

    def set_adapter(self, name: str) -> None:
        if name not in self.peft_config:
            raise ValueError(name)
        self.diary.append(name)

    @contextmanager
    def disable_adapter(self) -> Iterator[None]:
        self.diary.append("off")
        yield
        self.diary.append("on")


def test_only_another_turn_changes_the_model() -> None:
    model = Wearing()
    switch = Switch(model)
    for turn in ("one", "one", None, None, "two", "two", "one"):
        switch.to(turn)
    assert model.diary == ["one", "off", "on", "two", "one"]


def test_a_base_that_comes_first_has_its_adapters_off() -> None:
    model = Wearing()
    Switch(model).to(None)
    assert model.diary == ["off"]


def test_after_a_change_that_failed_nothing_is_taken_for_granted() -> None:
    model = Wearing()
    switch = Switch(model)
    switch.to("one")
    with pytest.raises(ValueError, match="three"):
        switch.to("three")
    switch.to("one")
    assert model.diary == ["one", "one"]


def test_a_plain_model_is_only_ever_itself() -> None:
    Switch(object()).to(None)
    Switch(object()).to("one")
