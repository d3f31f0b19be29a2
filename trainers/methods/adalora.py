"""AdaLoRA's part in a step (arXiv 2303.10512): what keeps P and Q orthogonal, and ranks that fall where they matter least.

peft computes both, but only for who calls it: ``update_and_allocate`` after every optimiser step, and the penalty for models that
compute their own loss. Who does neither trains a LoRA of full rank and calls it AdaLoRA.
"""

from __future__ import annotations

from typing import Any

from trainers.config import TrainConfig
from trainers.methods.adapters import ADAPTER


class Ranks:
    """The ranks of an AdaLoRA adapter while it is trained. With any other method it does nothing."""

    def __init__(self, config: TrainConfig, model: Any) -> None:
        """``model``: as adapted, not wrapped for several processes."""
        self.weight = config.adalora.orthogonality
        self.tuner = model.base_model if config.method == "adalora" else None

    def add_penalty(self) -> None:
        """Add the gradient of ``orthogonality`` x mean over P and Q of ‖PᵀP − I‖ (Frobenius); once per step, before clipping."""
        import torch

        if self.tuner is None or not self.weight:
            return
        named = [(name, p) for name, p in self.tuner.named_parameters() if ".lora_A." in name or ".lora_B." in name]
        matrices = [matrix for _, matrix in named]
        with torch.enable_grad():
            products = [matrix @ matrix.T if ".lora_A." in name else matrix.T @ matrix for name, matrix in named]
            norms = [torch.linalg.matrix_norm(product - torch.eye(len(product), device=product.device)) for product in products]
            total = torch.stack(norms).mean() * self.weight
        for matrix, gradient in zip(matrices, torch.autograd.grad(total, matrices), strict=True):  # processes have exchanged theirs
            matrix.grad = gradient if matrix.grad is None else matrix.grad + gradient

    def after_step(self, step: int) -> None:
        """Let ranks fall after optimiser step ``step`` (from 1), while its gradients are still there."""
        if self.tuner is not None:
            self.tuner.update_and_allocate(step)

    def state(self) -> dict[str, Any]:
        """What an exact resume needs beside the weights."""
        if self.tuner is None:
            return {}
        allocator = self.tuner.rankallocator
        return {
            "sensitivity": dict(allocator.exp_avg_ipt),
            "uncertainty": dict(allocator.exp_avg_unc),
            "pattern": self.tuner.peft_config[ADAPTER].rank_pattern,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Put ``state`` back."""
        if self.tuner is None:
            return
        allocator, device = self.tuner.rankallocator, next(self.tuner.parameters()).device
        allocator.exp_avg_ipt = {name: value.to(device) for name, value in state["sensitivity"].items()}
        allocator.exp_avg_unc = {name: value.to(device) for name, value in state["uncertainty"].items()}
        allocator.ipt = {name: value.clone() for name, value in allocator.exp_avg_ipt.items()}
        self.tuner.peft_config[ADAPTER].rank_pattern = state["pattern"]
