"""The LM head over a few tokens at a time: logits of a whole batch (tokens x vocabulary) are most of the memory of a step.

The model runs without its head over any token; then each chunk gets its logits, its loss and at once its gradients, so that only
one chunk's logits exist at any time, and nothing is computed twice.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from trainers.data.batches import Batch

Part = Callable[[Any, slice], Any]  # (hidden states of a chunk, which tokens) -> (1 + measured,) sums: what is minimised first


class Head:
    """The LM head of a model, apart from it."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def hidden(self, model: Any, batch: Batch) -> Any:
        """What the head gets at the positions that predict a trained token: (supervised, width), with gradient."""
        with self._taken() as taken:
            model(**batch.inputs)
        states = taken[0]
        return states[0] if batch.chosen is None else states[batch.chosen]

    def logits(self, hidden: Any) -> Any:
        """(tokens, width) -> (tokens, vocabulary) float32."""
        return self.module(hidden).float()

    def agrees(self, model: Any, batch: Batch) -> bool:
        """Whether the model's logits are what its head says, to the last: not scaled, capped or cut afterwards.

        Asked with large states, so that a soft cap shows. The batch must have a trained token.
        """
        import torch

        states, given = None, []

        def enlarge(_: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
            given.append(inputs[0] * (50.0 / inputs[0].float().std().clamp_min(1e-6)).to(inputs[0].dtype))
            return (given[0], *inputs[1:])

        handle = self.module.register_forward_pre_hook(enlarge)
        was_training = model.training
        model.eval()
        try:
            with torch.no_grad():
                logits = model(**batch.inputs).logits
                handle.remove()
                if len(given) != 1:
                    return False
                states = self.module(given[0])
        finally:
            handle.remove()
            model.train(was_training)
        return logits.shape == states.shape and bool(torch.allclose(logits.float(), states.float(), rtol=1e-3, atol=1e-2))

    @contextlib.contextmanager
    def _taken(self) -> Iterator[list[Any]]:
        """Inside, the head is run over no token, and what it would have got is in the list."""
        taken: list[Any] = []

        def take(_: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
            taken.append(inputs[0])
            return (inputs[0][:, :0], *inputs[1:])

        handle = self.module.register_forward_pre_hook(take)
        try:
            yield taken
        finally:
            handle.remove()


def summed(hidden: Any, part: Part, module: Any, chunk: int, *, autocast: Callable[[], Any]) -> Any:
    """The sums of ``part`` over chunks of ``hidden`` (tokens, width): (1 + measured,) float32; the first one has a gradient.

    ``module`` is the head that ``part`` calls: its trained weights get their gradients too.
    """
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    return _function().apply(hidden, part, chunk, autocast, *trained)


def _function() -> Any:
    import torch

    class Chunked(torch.autograd.Function):  # type: ignore[misc]
        """Forward: every chunk's sums and, at once, its gradients. Backward: those gradients, times what comes from above."""

        @staticmethod
        def forward(ctx: Any, hidden: Any, part: Part, chunk: int, autocast: Callable[[], Any], *trained: Any) -> Any:
            wanted = bool(hidden.requires_grad or trained)
            gradient = torch.zeros_like(hidden) if wanted else None
            of_weights = [torch.zeros_like(weight, dtype=torch.float32) for weight in trained]
            total: Any = 0.0
            for start in range(0, max(1, len(hidden)), chunk):
                tokens = slice(start, start + chunk)
                piece = hidden[tokens].detach().requires_grad_(wanted)
                with torch.set_grad_enabled(wanted), autocast():
                    sums = part(piece, tokens)
                    minimised = sums[0]
                total = total + sums.detach()
                if gradient is None:
                    continue
                first, *others = torch.autograd.grad(minimised, [piece, *trained])
                gradient[tokens] = first
                for kept, found in zip(of_weights, others, strict=True):
                    kept.add_(found)
            ctx.save_for_backward(gradient, *of_weights)
            ctx.dtypes = [weight.dtype for weight in trained]
            return total

        @staticmethod
        @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
        def backward(ctx: Any, above: Any) -> Any:
            gradient, *of_weights = ctx.saved_tensors
            weights = [kept.mul_(above[0]).to(dtype) for kept, dtype in zip(of_weights, ctx.dtypes, strict=True)]
            return gradient * above[0].to(gradient.dtype), None, None, None, *weights

    return Chunked
