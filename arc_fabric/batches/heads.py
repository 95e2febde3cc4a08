"""What a model's head holds, taken out, joined to the head of a batch, and cut into rows again.

In a batch the lists of caches are joined along axis 1 ([2, B, ...]), all other tensors along axis 0 (see
`arc_fabric.models.contract`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from arc_fabric.models.contract import LISTS, TENSORS, WorldModel

CROSSATTN = ("crossattn_cache", "crossattn_cache_neg")


@dataclass(frozen=True)
class Head:
    """The tensors and the counter of a head, by the names of its attributes; nothing is copied."""

    lists: dict[str, list[Tensor]]
    tensors: dict[str, Tensor | None]
    current_start_frame: int
    memory: Tensor | None = None
    """What a window that is about to begin knows of the last one, for models that remember."""

    @classmethod
    def of(cls, model: WorldModel) -> Head:
        """What the model's head holds now."""
        head, unused = model.action_head, () if model.abilities.uses_crossattn_cache else CROSSATTN
        return cls(
            {name: [] if name in unused else list(getattr(head, name) or ()) for name in LISTS},
            {name: getattr(head, name) for name in TENSORS},
            int(head.current_start_frame),
            head.memory if model.abilities.remembers else None,
        )

    def put(self, model: WorldModel) -> None:
        """Make this the model's head."""
        head = model.action_head
        for name, layers in self.lists.items():
            setattr(head, name, list(layers))
        for name, tensor in self.tensors.items():
            setattr(head, name, tensor)
        head.current_start_frame = self.current_start_frame
        if model.abilities.remembers:
            head.memory = self.memory

    def form(self) -> tuple[object, ...]:
        """What must be equal in heads that are joined."""
        lists = [(name, [tuple(layer.shape) for layer in layers]) for name, layers in self.lists.items()]
        tensors = [(name, None if t is None else tuple(t.shape)) for name, t in self.tensors.items()]
        memory = None if self.memory is None else tuple(self.memory.shape)
        return repr(lists), repr(tensors), self.current_start_frame, memory

    def row(self, number: int) -> Head:
        """One row as a head of its own, of tensors that own their memory."""
        return Head(
            {name: [_cut(layer, 1, number) for layer in layers] for name, layers in self.lists.items()},
            {name: None if tensor is None else _cut(tensor, 0, number) for name, tensor in self.tensors.items()},
            self.current_start_frame,
        )


def joined(heads: Sequence[Head]) -> Head:
    """The head of a batch of these rows, which have one form."""
    first = heads[0]
    return Head(
        {
            name: [torch.cat(layers, 1) for layers in zip(*(head.lists[name] for head in heads), strict=True)]
            for name in first.lists
        },
        {name: _stack([head.tensors[name] for head in heads]) for name in first.tensors},
        first.current_start_frame,
        _stack([head.memory for head in heads]),
    )


def _stack(rows: Sequence[Tensor | None]) -> Tensor | None:
    given = [row for row in rows if row is not None]
    return torch.cat(given) if given else None


def _cut(tensor: Tensor, axis: int, row: int) -> Tensor:
    return tensor.narrow(axis, row, 1).clone(memory_format=torch.contiguous_format)
