"""What the SDK hands to the store: a named tensor and the axis it grows on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch

from arc_fabric.errors import InvalidRequest
from arc_fabric.store.format.manifest import is_rebuildable
from arc_fabric.store.format.pieces import dtype_name
from arc_fabric.store.format.signature import Form


@dataclass(frozen=True, eq=False)
class TensorEntry:
    """One tensor of a snapshot. The store keeps a reference: replace the tensor afterwards, never write into it.

    TensorEntry("kv_cache1/07", tensor, axis=2, unit=880)   # [2, B, seq, heads, head_dim], seq grows by 880s
    TensorEntry("clip_feas", tensor)                        # whole tensor
    """

    name: str
    tensor: torch.Tensor
    axis: int | None = None
    """The axis this tensor grows on by appending; None: the tensor is one piece."""
    unit: int = 1
    """Indices of `axis` per latent frame; pieces are cut at multiples of it."""
    fresh: int = 0
    """Indices of `axis` that the step wrote: by as many a tensor that is as long as its parent's rolled; 0: unknown."""
    rolls: bool = False
    """It is a cache of some capacity: new stretches are cut into single units, which match wherever they roll to."""
    checksum: int | None = None
    """Of the tensor when it was captured (store/format/seal.py); None: it is taken as it is when it is put."""

    def __post_init__(self) -> None:
        if not self.name or self.name.startswith("/") or "@" in self.name:
            raise InvalidRequest(
                f"Tensor name {self.name!r} is not usable: it must be non-empty, relative, without '@'."
            )
        if self.axis is None:
            return
        if not 0 <= self.axis < self.tensor.dim():
            raise InvalidRequest(f"{self.name}: axis {self.axis} does not exist in shape {tuple(self.tensor.shape)}.")
        if self.unit < 1 or self.tensor.shape[self.axis] % self.unit:
            raise InvalidRequest(
                f"{self.name}: axis {self.axis} has length {self.tensor.shape[self.axis]}, "
                f"which is not a whole number of latent frames of {self.unit} tokens."
            )

    @property
    def nbytes(self) -> int:
        """Bytes of the tensor's elements."""
        return self.tensor.nbytes

    @cached_property
    def form(self) -> Form:
        """All of it but its elements. Raises InvalidRequest for a dtype that a snapshot cannot hold."""
        return Form(dtype_name(self.tensor), tuple(self.tensor.shape), self.axis, self.unit)

    @property
    def rebuildable(self) -> bool:
        """Whether the model can rebuild this tensor from latents (KV caches)."""
        return is_rebuildable(self.name)
