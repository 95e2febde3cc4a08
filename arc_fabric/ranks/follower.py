"""What a rank other than 0 does: it waits for orders, does them on its shard, and answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from arc_fabric.errors import StateOverwritten
from arc_fabric.held.capture import Capture
from arc_fabric.held.names import keys_of, part_of, parts_by_key
from arc_fabric.models.contract import BUFFERS, DeclaredModel, ModelIdentity, Part, State, StateAccess
from arc_fabric.ranks.given import step_of
from arc_fabric.ranks.group import Group, said_of
from arc_fabric.ranks.layout import on_rank
from arc_fabric.ranks.wire import Message
from arc_fabric.store.format.seal import checksums_of

Tensors = dict[str, Tensor]


class Held(StateAccess, Protocol):
    """One rank's state, whatever steps it."""

    device: torch.device

    def identity(self) -> ModelIdentity:
        """Of the rank's shard."""


class Shard:
    """A rank's model as its capture sees it: with the names of its rank."""

    def __init__(self, model: StateAccess, rank: int) -> None:
        self.parts: Mapping[str, Part] = on_rank(model.parts, rank)
        self._model = model

    def export_state(self) -> State:
        """What the model holds."""
        return self._model.export_state()

    def load_state(self, state: State) -> None:
        """Give the model all but the buffers."""
        self._model.load_state(state)

    def reset(self) -> None:
        """A world in which nothing has happened."""
        self._model.reset()


class Follower:
    """The server of one shard. Of every state that rank 0 was told it keeps the last, so that only what is new goes."""

    def __init__(self, group: Group, model: Held) -> None:
        self._group, self._model = group, model
        self._shard = Shard(model, group.rank)
        self._by_key = parts_by_key(self._shard.parts)
        self._capture = Capture(self._shard, model.device)
        self._told: Tensors = {}
        self._sums: dict[str, int] = {}
        """Checksums of those that the model may have in hand."""

    def serve(self) -> None:
        """Until rank 0 ends it, or is gone."""
        while True:
            try:
                body, tensors = self._group.next()
                order = body.pop("order")
                if order == "end":
                    return
                if order == "renew":
                    self._group.renew()
                    continue
                self._group.answer(*self._done(order, body, tensors))
            except RuntimeError:
                return  # rank 0 is gone

    def _done(self, order: str, body: dict[str, Any], tensors: Tensors) -> Message:
        try:
            return getattr(self, f"_do_{order}")(body, tensors)  # type: ignore[no-any-return]
        except Exception as error:  # noqa: BLE001  (of the model: rank 0 is told)
            said = said_of(error)
        self._group.break_off()  # here, where no traceback holds the group any more
        return {"error": said}, {}

    def _do_hello(self, body: dict[str, Any], tensors: Tensors) -> Message:
        parts = {name: part.to_json() for name, part in self._model.parts.items()}
        return {"parts": parts, "identity": self._model.identity().digest()}, {}

    def _do_reset(self, body: dict[str, Any], tensors: Tensors) -> Message:
        self._capture.reset()
        self._told, self._sums = {}, {}
        return {}, {}

    def _do_take(self, body: dict[str, Any], tensors: Tensors) -> Message:
        """The state: of it all that rank 0 was told already is named, of a tensor that grew its end is sent."""
        self._require_unwritten()
        before = {} if body["anew"] else self._told
        held, scalars = self._capture.take()
        same, grown, new = [], {}, {}
        for name, tensor in held.items():
            old = before.get(name)
            if old is tensor:
                same.append(name)
            elif (length := self._grew(name, old, tensor)) is not None:
                axis = self._part(name).axis or 0
                grown[name], new[name] = [axis, length], tensor.narrow(axis, length, tensor.shape[axis] - length)
            else:
                new[name] = tensor
        self._keep(held)
        facts = {"same": same, "grown": grown, "order": list(held), "scalars": scalars}
        return facts | {"copied": self._capture.bytes_last}, new

    def _do_put_back(self, body: dict[str, Any], tensors: Tensors) -> Message:
        """A state; of it what rank 0 knows to be here is only named."""
        self._require_unwritten(of=body["same"])
        held = {name: self._told[name] for name in body["same"]}
        held |= {name: self._placed(name, tensor) for name, tensor in tensors.items()}
        self._capture.put_back(held, body["scalars"])
        self._keep(held)
        return {}, {}

    def _do_export(self, body: dict[str, Any], tensors: Tensors) -> Message:
        """All that the shard holds, as it is; scalars in the answer's body."""
        state = self._model.export_state()
        found: Tensors = {}
        scalars: dict[str, Any] = {}
        layers: dict[str, Any] = {}
        for name, part in self._model.parts.items():
            if part.kind == "scalar":
                scalars[name] = state[name]
                continue
            made = keys_of(name, part, state.get(name))
            found |= dict(made)
            layers[name] = [key for key, _ in made] if part.layers else None
        return {"scalars": scalars, "layers": layers}, found

    def _placed(self, name: str, tensor: Tensor) -> Tensor:
        """On the shard's device, but for a generator's state."""
        return tensor if self._part(name).kind == "rng" else tensor.to(self._model.device)

    def _part(self, name: str) -> Part:
        part = part_of(name, self._by_key)
        assert part is not None
        return part

    def _grew(self, name: str, old: Tensor | None, tensor: Tensor) -> int | None:
        """The length of what an appended tensor begins with, byte for byte as before; None where it does not."""
        part = self._part(name)
        if old is None or part.kind != "appended" or part.axis is None or old.dim() != tensor.dim():
            return None
        length = old.shape[part.axis]
        if not 0 < length < tensor.shape[part.axis] or old.dtype != tensor.dtype:
            return None
        begins = tensor.narrow(part.axis, 0, length)
        if begins.shape != old.shape or not torch.equal(_bytes(begins), _bytes(old)):
            return None
        return length

    def _keep(self, held: Tensors) -> None:
        self._told = dict(held)
        mine = {name: tensor for name, tensor in held.items() if self._part(name).kind not in (*BUFFERS, "rng")}
        self._sums = dict(zip(mine, checksums_of(mine.values()), strict=True))

    def _require_unwritten(self, of: list[str] | None = None) -> None:
        """Raise StateOverwritten where the model wrote into what it replaces, or appends to."""
        names = [name for name in self._sums if of is None or name in of]
        sums = checksums_of(self._told[name] for name in names)
        if wrong := [name for name, now in zip(names, sums, strict=True) if now != self._sums[name]]:
            raise StateOverwritten(f"{', '.join(wrong[:3])} changed in place since it was captured.", tensors=wrong)


class StepFollower(Follower):
    """The server of a shard that declares its state and steps."""

    def __init__(self, group: Group, model: DeclaredModel) -> None:
        super().__init__(group, model)
        self._stepped = model

    @torch.no_grad()  # as rank 0 is called
    def _do_step(self, body: dict[str, Any], tensors: Tensors) -> Message:
        self._capture.touched()
        self._stepped.step(step_of(body, tensors))
        return {}, {}


def _bytes(tensor: Tensor) -> Tensor:
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8)
