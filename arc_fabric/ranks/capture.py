"""Gathering the state of all ranks, and giving each its own back. Rank 0's.

Every rank runs a capture of its own: what is new is copied where it lies, and of that only what rank 0 does not have
yet leaves the rank, to host memory. A state is gathered from all ranks or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from arc_fabric.held.capture import Capture, Scalars
from arc_fabric.held.names import part_of, parts_by_key
from arc_fabric.models.contract import Part, Scalar
from arc_fabric.ranks.follower import Held, Shard
from arc_fabric.ranks.group import Group, Share
from arc_fabric.ranks.layout import Parts, global_name, joined, scalars_of

Tensors = dict[str, Tensor]


class RankedCapture:
    """As `Capture`, of a model over several ranks. What other ranks hold lies in host memory here."""

    def __init__(self, group: Group, model: Held, others: Sequence[Parts]) -> None:
        """`model` is rank 0's own shard; `others` are the declarations of the other ranks, in order."""
        self.parts: Mapping[str, Part] = joined([model.parts, *others])
        self.bytes_last = self.bytes_copied = 0
        """Copied on the devices of all ranks, by the last capture and since the beginning."""
        self.gathered_last = 0
        """Bytes that the last capture sent from other ranks to this one."""
        self._group = group
        self._own = Capture(Shard(model, 0), model.device)
        self._by_key = parts_by_key(self.parts)
        self._known: list[Tensors | None] = [None] * group.size
        """By rank what this process has of its last state; None: not known, all is asked for."""

    def take(self) -> tuple[Tensors, Scalars]:
        """The state of all ranks as tensors that no later call writes. Raises what a rank raised."""
        tell: list[Share] = [({"anew": self._known[rank] is None}, {}) for rank in self._group.others]
        try:
            (held, scalars), answers = self._group.ask("take", self._own.take, tell)
        except BaseException:
            self._forget()
            raise
        held, scalars, self.gathered_last, self.bytes_last = dict(held), dict(scalars), 0, self._own.bytes_last
        for rank, (body, tensors) in zip(self._group.others, answers, strict=True):
            self.gathered_last += sum(tensor.nbytes for tensor in tensors.values())
            self.bytes_last += body["copied"]
            mine = self._known[rank] = self._heard(self._known[rank] or {}, body, tensors)
            held |= mine
            scalars |= {global_name(name, rank): value for name, value in body["scalars"].items()}
        self.bytes_copied += self.bytes_last
        return held, scalars

    def _heard(self, before: Tensors, body: dict[str, Any], tensors: Tensors) -> Tensors:
        same, grown = set(body["same"]), body["grown"]
        made = {}
        for name in body["order"]:
            if name in same:
                made[name] = before[name]
            elif name in grown:
                made[name] = torch.cat([before[name], tensors[name]], grown[name][0])
            else:
                made[name] = tensors[name]
        return made

    def put_back(self, held: Mapping[str, Tensor], scalars: Mapping[str, Scalar]) -> None:
        """Give every rank its own; what it has already is only named."""
        by_rank: list[Tensors] = [{} for _ in range(self._group.size)]
        for name, tensor in held.items():
            if (part := part_of(name, self._by_key)) is not None:
                by_rank[part.rank][name] = tensor
        tell: list[Share] = [self._share(rank, by_rank[rank], scalars) for rank in self._group.others]
        known = list(by_rank)
        self._forget()
        self._group.ask("put_back", lambda: self._own.put_back(by_rank[0], scalars_of(scalars, 0)), tell)
        self._known = list(known)

    def _share(self, rank: int, held: Tensors, scalars: Mapping[str, Scalar]) -> tuple[dict[str, Any], Tensors]:
        known = self._known[rank] or {}
        same = [name for name, tensor in held.items() if known.get(name) is tensor]
        new = {name: tensor for name, tensor in held.items() if known.get(name) is not tensor}
        return {"same": same, "scalars": scalars_of(scalars, rank)}, new

    def reset(self) -> None:
        """The state of a world in which nothing has happened, on all ranks."""
        self._forget()
        self._group.ask("reset", self._own.reset)

    def touched(self) -> None:
        """Note that a call writes into the buffers now."""
        self._own.touched()

    def _forget(self) -> None:
        self._known = [None] * self._group.size
