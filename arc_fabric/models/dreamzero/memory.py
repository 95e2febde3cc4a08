"""Device memory that a checkpoint needs, computed from its config.json. Pure, without torch.

>>> memory_plan(CONFIG_14B).kv                # 7 latent frames of 880 tokens, 40 layers, both branches
10092544000
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BF16 = 2
BRANCHES = 2
ENCODERS = 5_680_000_000 + 1_200_000_000 + 130_000_000
"""Parameters of UMT5-XXL, CLIP and the VAE."""
OTHERS = 1.03
"""Embeddings, modulation, action and state modules of the transformer, over its large matrices (1.02 for 14B)."""
ACTIVATIONS = 5 << 29
"""A floor: what else a call needs is not known without a GPU."""
UNKNOWN = 24 << 30
"""Beside the weights, where the configuration does not tell the sizes: as much as 14B needs."""
CONFIG_14B = {"dim": 5120, "ffn_dim": 13824, "num_layers": 40, "frame_seqlen": 880, "max_chunk_size": 4,
              "num_frame_per_block": 2}  # fmt: skip
CONFIG_5B = CONFIG_14B | {"dim": 3072, "ffn_dim": 14336, "num_layers": 30, "frame_seqlen": 50}
"""The values that DreamZero ships (diffusion_model_cfg)."""


@dataclass(frozen=True)
class MemoryPlan:
    """Bytes on the device, one session in the head (docs/how-to/dreamzero.md)."""

    weights: int
    kv: int
    """Of the session in the head at its window's end, both branches."""
    call: int
    """Held by a call for a while: the extended KV of one branch and the next."""
    activations: int = ACTIVATIONS

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.kv + self.call + self.activations


def memory_plan(transformer: Mapping[str, int]) -> MemoryPlan:
    """The plan for a `diffusion_model_cfg`. Raises KeyError where it lacks a size."""
    dim, layers = transformer["dim"], transformer["num_layers"]
    # Per layer: self-attention 4, cross-attention to text 4 and to the image 2 square matrices; two of the MLP.
    per_layer = 10 * dim * dim + 2 * dim * transformer["ffn_dim"]
    parameters = int(layers * per_layer * OTHERS) + ENCODERS
    block = transformer["num_frame_per_block"]
    window = transformer["max_chunk_size"] * block + 1
    frame = 2 * BF16 * layers * transformer["frame_seqlen"] * dim  # keys and values, one branch
    return MemoryPlan(BF16 * parameters, BRANCHES * (window - block) * frame, 2 * window * frame)


def plan_of(directory: Path, files: list[Path]) -> MemoryPlan:
    """The plan for a checkpoint. Where its config.json does not tell the sizes: the weight files as they are, and what
    the largest model needs."""
    try:
        head = json.loads((directory / "config.json").read_text())["action_head_cfg"]
        transformer = head.get("config", head)["diffusion_model_cfg"]
        return memory_plan({name: int(transformer[name]) for name in CONFIG_14B})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return MemoryPlan(sum(file.stat().st_size for file in files), UNKNOWN, 0, 0)


def shortage(plan: MemoryPlan, free: int, total: int, device: Any) -> str:
    """One sentence where the free memory is too small; empty where it is not."""
    if free >= plan.total:
        return ""
    parts = f"weights {plan.weights / 1e9:.1f}, one session's KV {plan.kv / 1e9:.1f}, a call {plan.call / 1e9:.1f}"
    return (
        f"{device} has {free / 1e9:.1f} GB free of {total / 1e9:.1f}; this checkpoint needs about "
        f"{plan.total / 1e9:.1f} GB ({parts}, activations {plan.activations / 1e9:.1f})."
    )
