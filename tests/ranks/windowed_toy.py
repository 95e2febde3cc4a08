"""The toy model of DreamZero's surface over two ranks: a branch of guidance on each, as DreamZero's own launch has it.

Both heads have everything but the other's caches: rank 1 encodes the picture and counts for itself.
"""

from __future__ import annotations

import os

import torch
import torch.distributed as dist
from torch import Tensor

from arc_fabric.ranks import Group
from tests.support.toy_model import ACTION_DIM, BLOCK, CHANNELS, EULER_STEPS, GUIDANCE, LATENT, LAYERS, SPAN, ToyModel

BRANCHES = (("kv_cache1", "crossattn_cache"), ("kv_cache_neg", "crossattn_cache_neg"))
FAILS, DIES, DRIFTS = 0.25, 0.5, 0.75
"""What a rank does in a step: the state's last two numbers are rank and deed."""
BAD = [0.0, 0.0, 1.0]
"""A state that names rank 1; its last number says what it does."""


class BranchToy(ToyModel):
    """One branch."""

    def __init__(self, group: Group, rank: int) -> None:
        super().__init__()
        self._group, self._rank = group, rank
        self.holds = BRANCHES[rank]

    def lazy_joint_video_action_causal(self, inputs: dict[str, Tensor], latent_video: Tensor | None = None) -> dict:
        """One step; what the state's last numbers say is done after the caches were filled."""
        rank, deed = inputs["state"][0, 0, -2:].tolist()
        self._deed = deed if rank == self._rank else 0.0
        made = super().lazy_joint_video_action_causal(inputs, latent_video)
        if self._deed == DRIFTS:
            self.action_head.current_start_frame += 1
        return made

    def _prefill(self, latents: Tensor, start: int, text: Tensor) -> None:
        """Only its own branch."""
        name = self.holds[0]
        prompt = torch.zeros_like(text) if self._rank else text
        x, caches = self._tokens(latents, start, self._text(prompt)), getattr(self.action_head, name)
        for i in range(LAYERS):
            x, caches[i] = self._layer(i, x, caches[i])

    def _denoise(self, inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Its own branch; the other one comes from the other rank."""
        head, w = self.action_head, self._weights
        if self._deed == FAILS:
            raise ValueError("broken with its caches half-advanced")
        if self._deed == DIES:
            os._exit(9)
        x = torch.randn(1, CHANNELS, BLOCK, LATENT, LATENT, generator=torch.Generator().manual_seed(int(head.seed)))
        given = inputs.get("action")
        state = inputs["state"][0, 0].clone()
        state[-2:] = 0
        steer = state @ w["state"] + inputs["embodiment_id"].float() * 0.1
        if given is not None:
            steer = steer + given[0].flatten() @ w["action"]
        text = torch.zeros_like(inputs["text"]) if self._rank else inputs["text"]
        for _ in range(EULER_STEPS):
            y = self._tokens(x, head.current_start_frame, self._text(text) + steer)
            for i, cache in enumerate(getattr(head, self.holds[0])):
                y, _ = self._layer(i, y, cache)
            both = [torch.empty_like(y) for _ in range(2)]
            dist.all_gather(both, y, group=self._group.group)
            mixed = both[1] + GUIDANCE * (both[0] - both[1])
            flow = (mixed @ w["out"]).view(BLOCK, 2, 2, CHANNELS, 2, 2).permute(3, 0, 1, 4, 2, 5)
            x = x + (flow.reshape(x.shape) - x) / EULER_STEPS
        predicted = (mixed.mean(0) @ w["policy"]).view(1, SPAN * BLOCK, ACTION_DIM).clamp(-1, 1)
        return x, predicted if given is None else given


class Writing(BranchToy):
    """Writes into caches that it should replace."""

    def _prefill(self, latents: Tensor, start: int, text: Tensor) -> None:
        for cache in getattr(self.action_head, self.holds[0]):
            cache *= 1.5
        super()._prefill(latents, start, text)


def shard(group: Group, device: str, *arguments: str) -> BranchToy:
    """One rank's."""
    return BranchToy(group, group.rank)


def both_first(group: Group, device: str) -> BranchToy:
    """Two ranks that hold the same branch."""
    return BranchToy(group, 0)


def writing(group: Group, device: str) -> BranchToy:
    """Rank 1 writes where it should not."""
    return (Writing if group.rank else BranchToy)(group, group.rank)


def launched():
    """Over two ranks, for a fresh process."""
    from arc_fabric.ranks import launch

    return launch("tests.ranks.windowed_toy:shard", ["cpu", "cpu"])
