"""A small state that grows as DreamZero's does: KV appended by torch.cat, whole tensors replaced."""

from __future__ import annotations

import torch

from arc_fabric.store import TensorEntry

UNIT, LAYERS = 4, 2


class State:
    """One window's tensors; `step` returns the next state and leaves this one alone."""

    def __init__(self, tensors: dict[str, torch.Tensor]) -> None:
        self.tensors = tensors

    @classmethod
    def root(cls, seed: int = 0) -> State:
        """A state with one latent frame of KV and zero cross-attention caches."""
        g = torch.Generator().manual_seed(seed)
        tensors = {name: noise(g, 2, 1, UNIT, 2, 8) for name in kv_names()}
        tensors |= {
            f"crossattn_cache/{i:02d}": torch.zeros(2, 1, 16, 2, 8, dtype=torch.bfloat16) for i in range(LAYERS)
        }
        tensors |= {"clip_feas": noise(g, 1, 5, 16), "language": torch.arange(8).reshape(1, 8)}
        return cls(tensors | {"step_latents": noise(g, 1, 2, 4, 3, 3)})

    def step(self, seed: int) -> State:
        """Append two latent frames of KV and replace the latents."""
        g = torch.Generator().manual_seed(seed)
        tensors = dict(self.tensors)
        for name in kv_names():
            tensors[name] = torch.cat([tensors[name], noise(g, 2, 1, 2 * UNIT, 2, 8)], dim=2)
        return State(tensors | {"step_latents": noise(g, 1, 2, 4, 3, 3)})

    def reset(self, seed: int) -> State:
        """A new window: all KV replaced by one latent frame."""
        g = torch.Generator().manual_seed(seed)
        return State(self.tensors | {name: noise(g, 2, 1, UNIT, 2, 8) for name in kv_names()})

    def entries(self) -> list[TensorEntry]:
        """The bridge to the store."""
        grows = {"axis": 2, "unit": UNIT}
        return [TensorEntry(n, t, **(grows if n.startswith("kv_") else {})) for n, t in self.tensors.items()]

    def clone(self) -> State:
        """A deep copy, for an oracle."""
        return State({name: tensor.clone() for name, tensor in self.tensors.items()})


def kv_names() -> list[str]:
    """The growing caches."""
    return [f"{cache}/{i:02d}" for cache in ("kv_cache1", "kv_cache_neg") for i in range(LAYERS)]


def noise(generator: torch.Generator, *shape: int) -> torch.Tensor:
    """bf16 noise."""
    return torch.randn(*shape, generator=generator).to(torch.bfloat16)


def same_bits(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Whether two states hold the same tensors, bit for bit."""
    return a.keys() == b.keys() and all(
        a[n].dtype == b[n].dtype
        and a[n].shape == b[n].shape
        and torch.equal(
            a[n].contiguous().reshape(-1).view(torch.uint8), b[n].contiguous().reshape(-1).view(torch.uint8)
        )
        for n in a
    )
