"""The base beside the model that is trained: the same network with its adapters off, or a second one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from harness.errors import ConfigError


class Reference:
    """What the base says. Make it before the first step: a full fine-tune's base is copied then."""

    def __init__(self, model: Any, *, half: bool) -> None:
        """``half``: keep the copy in bfloat16. ConfigError where switching the adapter off does not give the base."""
        import torch

        self.adapted = hasattr(model, "disable_adapter")
        if self.adapted:
            _refuse_moved_base(model)
            self.model = model
        else:
            self.model = _copied(model).to(torch.bfloat16 if half else None)

    @contextlib.contextmanager
    def asked(self) -> Iterator[Any]:
        """The base, without dropout, noise and gradients."""
        import torch

        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        was_training = self.model.training
        self.model.eval()
        try:
            with torch.no_grad(), self.model.disable_adapter() if self.adapted else contextlib.nullcontext():
                yield self.model
        finally:
            self.model.train(was_training)
            for parameter in self.model.parameters():
                parameter.requires_grad_(False)
            for parameter in trained:  # peft trains all of an adapter that it switches on again
                parameter.requires_grad_(True)


def _copied(model: Any) -> Any:
    import copy

    return copy.deepcopy(model).requires_grad_(False).eval()


def _refuse_moved_base(model: Any) -> None:
    """Some initialisations (PiSSA, OLoRA, CorDA, LoftQ) change the base's own weights: without its adapter it is not the base."""
    for settings in model.peft_config.values():
        start = getattr(settings, "init_lora_weights", True)
        if start not in (True, False, "gaussian", "eva", "orthogonal"):
            raise ConfigError(
                f"needs the base, but an adapter that starts as {start!r} has changed it. Start the adapter another way.",
                where="objective.kl",
            )
