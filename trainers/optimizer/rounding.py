"""AdamW on bfloat16 weights that do move.

A bfloat16 has 8 significant bits: a step below 1/512 of a weight is lost when it is rounded to the nearest one (at a rate of 1e-5,
84 % of all weights stand still). Rounded up or down at random, in proportion, it arrives on average (Gupta 2015, arXiv 1502.02551).
The same holds for the moments, whose decay of 1/1000 a step would be lost too.
"""

from __future__ import annotations

from typing import Any

_PIECE = 1 << 24  # elements that are float32 at a time


def stochastic_round(values: Any, generator: Any) -> Any:
    """float32 -> bfloat16: one of the two neighbours, each the likelier the nearer it is. Infinities and NaN stay."""
    import torch

    noise = torch.randint(0, 1 << 16, values.shape, dtype=torch.int32, device=values.device, generator=generator)
    rounded = ((values.view(torch.int32) + noise) & -(1 << 16)).view(torch.float32)
    return torch.where(values.isfinite(), rounded, values).to(torch.bfloat16)


def rounded_adamw(groups: list[dict[str, Any]], rate: float, *, betas: tuple[float, float], eps: float, seed: int) -> Any:
    """AdamW (Loshchilov 2019) over bfloat16 parameters, with moments in bfloat16 and stochastic rounding.

    The noise follows from seed, step and parameter: a resumed run and every process of a parallel one round alike.
    """
    import torch

    class RoundedAdamW(torch.optim.Optimizer):  # type: ignore[misc]
        """See ``rounded_adamw``."""

        @torch.no_grad()  # type: ignore[untyped-decorator]
        def step(self, closure: Any = None) -> None:
            """One step in float32, piece by piece, rounded at the end."""
            del closure
            number = 0
            for group in self.param_groups:
                for parameter in group["params"]:
                    number += 1
                    if parameter.grad is None:
                        continue
                    state = self.state[parameter]
                    if not state:
                        state |= {"step": 0, "mean": torch.zeros_like(parameter), "square": torch.zeros_like(parameter)}
                    state["step"] += 1
                    generator = torch.Generator(parameter.device)
                    generator.manual_seed(((seed * 1_000_003 + state["step"]) * 100_003 + number) % (1 << 63))
                    whole = (parameter, parameter.grad.contiguous(), state["mean"], state["square"])
                    for pieces in zip(*(tensor.view(-1).split(_PIECE) for tensor in whole), strict=True):
                        _update(group, state["step"], pieces, generator)

    return RoundedAdamW(groups, {"lr": rate, "betas": betas, "eps": eps, "weight_decay": 0.0})


def _update(group: dict[str, Any], step: int, pieces: tuple[Any, Any, Any, Any], generator: Any) -> None:
    weight, gradient, mean, square = (piece.float() for piece in pieces)
    first, second = group["betas"]
    mean.lerp_(gradient, 1 - first)
    square.lerp_(gradient * gradient, 1 - second)
    weight.mul_(1 - group["lr"] * group["weight_decay"])
    deviation = (square / (1 - second**step)).sqrt_().add_(group["eps"])
    weight.addcdiv_(mean, deviation, value=-group["lr"] / (1 - first**step))
    for kept, new in zip((pieces[0], pieces[2], pieces[3]), (weight, mean, square), strict=True):
        kept.copy_(stochastic_round(new, generator))
