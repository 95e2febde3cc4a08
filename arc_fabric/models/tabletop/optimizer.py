"""Muon for weight matrices, AdamW for everything else, in one small optimizer with a flat tensor state.

Muon: momentum orthogonalised by Newton-Schulz iterations (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon).
"""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import Tensor, nn

NS = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic Newton-Schulz iteration."""


def orthogonalise(matrices: Tensor, steps: int = 4) -> Tensor:
    """Newton-Schulz on a stack [n, rows, cols]: nearly the orthogonal factor of each."""
    a, b, c = NS
    x = (matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)).bfloat16()
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).to(matrices.dtype)


class MuonAdam:
    """Updates the parameters of a module; names that contain one of `adam_names`, and all vectors, go to AdamW."""

    def __init__(
        self,
        model: nn.Module,
        *,
        muon_lr: float,
        adam_lr: float,
        weight_decay: float = 0.01,
        adam_names: tuple[str, ...] = (),
    ) -> None:
        self.muon_lr, self.adam_lr, self.weight_decay = muon_lr, adam_lr, weight_decay
        self.state: dict[str, Tensor] = {}
        self.steps = 0
        self._muon: dict[tuple[int, int], list[tuple[str, Tensor]]] = defaultdict(list)
        self._adam: list[tuple[str, Tensor]] = []
        for name, p in model.named_parameters():
            if not p.requires_grad:
                continue
            if p.ndim < 2 or any(part in name for part in adam_names):
                self._adam.append((name, p))
                self.state[f"{name}.v"] = torch.zeros_like(p)
            else:
                self._muon[p.shape[0], p[0].numel()].append((name, p))
            self.state[f"{name}.m"] = torch.zeros_like(p)

    @torch.no_grad()
    def step(self, scale: float = 1.0) -> None:
        """One update with learning rates times `scale`; clears the gradients."""
        self.steps += 1
        for shape, group in self._muon.items():
            self._muon_group(shape, group, scale)
        self._adam_group(scale)

    def _muon_group(self, shape: tuple[int, int], group: list[tuple[str, Tensor]], scale: float) -> None:
        updates = []
        for name, p in group:
            momentum = self.state[f"{name}.m"]
            momentum.lerp_(p.grad, 0.05)
            updates.append(p.grad.lerp(momentum, 0.95).reshape(shape))
            p.grad = None
        lr = self.muon_lr * scale * max(1.0, shape[0] / shape[1]) ** 0.5
        for (_, p), update in zip(group, orthogonalise(torch.stack(updates)), strict=True):
            p.mul_(1 - lr * self.weight_decay).add_(update.view_as(p), alpha=-lr)

    def _adam_group(self, scale: float, betas: tuple[float, float] = (0.9, 0.98)) -> None:
        lr = self.adam_lr * scale
        correct = [1 - beta**self.steps for beta in betas]
        for name, p in self._adam:
            m, v = self.state[f"{name}.m"], self.state[f"{name}.v"]
            m.lerp_(p.grad, 1 - betas[0])
            v.lerp_(p.grad.square(), 1 - betas[1])
            p.addcdiv_(m / correct[0], (v / correct[1]).sqrt_().add_(1e-8), value=-lr)
            p.grad = None
