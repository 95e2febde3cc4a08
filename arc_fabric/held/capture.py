"""A model's state out of the model and back in, by its declaration alone.

Parts that a call replaces are taken by reference. Of buffers that a call writes into, what is new is copied on their
device before anything else may run, in units that later snapshots share: a unit that no call wrote since is the very
tensor of the snapshot before. So a step costs one copy of what it wrote, however long the buffer is and however it
shifts, and no snapshot shares memory with the model's buffers. Giving a state back writes only the places where the
buffers hold something else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from arc_fabric.errors import ModelError
from arc_fabric.held.names import key_of, keys_of, layer_key, part_of, parts_by_key, segment_key
from arc_fabric.models.contract import BUFFERS, Model, Part, Scalar, StateAccess, spans_of

Scalars = dict[str, Scalar]


class Keeper(Protocol):
    """The way of a state out of a model and back in. A model may bring its own (`keeper`), as one over several
    processes does."""

    bytes_copied: int
    bytes_last: int

    def take(self) -> tuple[dict[str, Tensor], Scalars]:
        """The state as tensors that no later call writes, by their names in the store, and its scalars."""

    def put_back(self, held: Mapping[str, Tensor], scalars: Mapping[str, Scalar]) -> None:
        """Give a state to the model. Caches that are not in `held` are left as they are."""

    def reset(self) -> None:
        """The state of a world in which nothing has happened."""

    def touched(self) -> None:
        """Note that a call writes into the buffers now."""


def keeper_of(model: Model, state: StateAccess) -> Keeper:
    """The model's own keeper, or one that needs its declaration alone."""
    own: Keeper | None = getattr(model, "keeper", None)
    return own or Capture(state, model.device)


@dataclass(frozen=True)
class _Base:
    """What the buffers were known to hold last."""

    held: Mapping[str, Tensor]
    scalars: Mapping[str, Scalar]


class Capture:
    """The keeper of one model's buffers. Belongs to the thread that owns the model."""

    def __init__(self, state: StateAccess, device: torch.device) -> None:
        self.bytes_copied = 0
        """Copied on the device since the beginning."""
        self.bytes_last = 0
        """Of these, by the last capture."""
        self._state, self._device = state, device
        self._by_key = parts_by_key(state.parts)
        self._base: _Base | None = None
        self._untouched = False

    @torch.inference_mode(False)  # ordinary tensors, which count their versions, of any model's buffers
    @torch.no_grad()
    def take(self) -> tuple[dict[str, Tensor], Scalars]:
        """The state as tensors that no later call writes, by their names in the store, and its scalars."""
        state, parts = self._state.export_state(), self._state.parts
        scalars: Scalars = {name: state[name] for name, part in parts.items() if part.kind == "scalar"}  # type: ignore[misc]
        held: dict[str, Tensor] = {}
        units: dict[str, Tensor] = {}
        before = self.bytes_copied
        for name, part in parts.items():
            if part.kind == "scalar" or part.left_out:
                continue
            tensors = keys_of(key_of(name, part), part, state.get(name))
            if part.kind in BUFFERS:
                found = self._units(part, tensors, scalars)
                units |= found
                held |= found
            else:
                held |= {key: _kept(part, tensor) for key, tensor in tensors}
        self.bytes_last = self.bytes_copied - before
        self._base, self._untouched = _Base(units, dict(scalars)), True
        return held, scalars

    def put_back(self, held: Mapping[str, Tensor], scalars: Mapping[str, Scalar]) -> None:
        """Give a state to the model, on its device; a generator's state in host memory, where torch wants it. Caches
        that are not in `held` are left as they are."""
        state = self._state.export_state()
        given: dict[str, Any] = dict(scalars)
        for name, part in self._state.parts.items():
            key = key_of(name, part)
            if part.kind == "scalar" or part.left_out:
                continue
            if part.kind not in BUFFERS:
                device = torch.device("cpu") if part.kind == "rng" else self._device
                found = [tensor.to(device) for tensor in _parts_of(part, key, held)]
                given[name] = found if part.layers else found[0] if found else None
                continue
            for place, buffer in keys_of(key, part, state.get(name)):
                self._write(part, place, buffer, held, scalars)
        self._state.load_state(given)
        self._know(held, scalars)

    def reset(self) -> None:
        """The state of a world in which nothing has happened."""
        self._state.reset()
        self._base, self._untouched = None, False

    def touched(self) -> None:
        """Note that a call writes into the buffers now."""
        self._untouched = False

    def _know(self, held: Mapping[str, Tensor], scalars: Mapping[str, Scalar]) -> None:
        units = {name: tensor for name, tensor in held.items() if self._in_buffer(name)}
        self._base, self._untouched = _Base(units, dict(scalars)), True

    def _in_buffer(self, name: str) -> bool:
        part = part_of(name, self._by_key)
        return part is not None and part.kind in BUFFERS

    def _units(self, part: Part, buffers: Sequence[tuple[str, Tensor]], scalars: Scalars) -> dict[str, Tensor]:
        old = {} if self._base is None or self._rewritten(part, scalars) else self._base.held
        kept = [(key, buffer) for key, buffer in buffers if not part.zero or bool(buffer.any())]
        if part.kind == "in_place":
            views = (named for key, buffer in kept for named in _in_place(part, key, buffer))
            return {name: self._unit(view, old.get(name)) for name, view in views}
        kept_until = int(self._base.scalars[part.written]) if old and self._base else 0
        return self._rolled(part, kept, scalars, {} if not kept_until else old, kept_until)

    def _rolled(
        self, part: Part, buffers: Sequence[tuple[str, Tensor]], scalars: Scalars, old: Mapping[str, Tensor], until: int
    ) -> dict[str, Tensor]:
        """Units in order. Of those that are known not even a view is made: a long window has thousands."""
        units: dict[str, Tensor] = {}
        axis, unit = part.axis or 0, part.unit
        spans = _spans(part, buffers[0][0], scalars) if buffers else []
        for key, buffer in buffers:
            _require_capacity(part, key, buffer)
            for span in spans:
                name = segment_key(key, span.start)
                known = old.get(name) if span.start + unit <= until else None
                units[name] = self._copied(buffer.narrow(axis, span.at, unit)) if known is None else known
        return units

    def _rewritten(self, part: Part, scalars: Scalars) -> bool:
        assert self._base is not None
        return bool(part.epoch) and self._base.scalars.get(part.epoch) != scalars[part.epoch]

    def _unit(self, view: Tensor, known: Tensor | None) -> Tensor:
        """The known copy where it has the same bytes, else a new one."""
        return known if known is not None and _same(known, view) else self._copied(view)

    def _copied(self, view: Tensor) -> Tensor:
        self.bytes_copied += view.nbytes
        return view.clone(memory_format=torch.contiguous_format)

    def _write(
        self, part: Part, key: str, buffer: Tensor, held: Mapping[str, Tensor], scalars: Mapping[str, Scalar]
    ) -> None:
        there = self._places(part, key, buffer)
        with torch.inference_mode():  # buffers made in that mode can be written in it alone
            if part.kind == "in_place" and part.zero and not any(n == key or n.startswith(key + "/") for n in held):
                buffer.zero_()
            for name, at, view in _places(part, key, buffer, scalars):
                unit = held.get(name)
                if unit is not None and there.get(at) is not unit:
                    _require_fitting(name, unit, view)
                    view.copy_(unit)

    def _places(self, part: Part, key: str, buffer: Tensor) -> dict[int, Tensor]:
        """Which unit lies where, as far as it is known."""
        if not self._untouched or self._base is None:
            return {}
        base = self._base
        places = _places(part, key, buffer, base.scalars)
        return {at: base.held[name] for name, at, _ in places if name in base.held}


def _require_fitting(name: str, unit: Tensor, view: Tensor) -> None:
    """A copy would stretch a shape, and round another type, without a word."""
    if unit.shape != view.shape or unit.dtype != view.dtype:
        raise ModelError(
            f"{name} of a state is {unit.dtype} {list(unit.shape)}; the model's buffer has room for {view.dtype} "
            f"{list(view.shape)}.",
            hint="A buffer keeps its shape and type as long as the model lives; declare what changes it `replaced`.",
        )


def _places(part: Part, key: str, buffer: Tensor, scalars: Mapping[str, Scalar]) -> Iterator[tuple[str, int, Tensor]]:
    """Units of a buffer: name, place, view."""
    if part.kind == "in_place":
        for at, (name, view) in enumerate(_in_place(part, key, buffer)):
            yield name, at, view
        return
    axis = part.axis or 0
    for span in _spans(part, key, scalars):
        yield segment_key(key, span.start), span.at, buffer.narrow(axis, span.at, part.unit)


def _require_capacity(part: Part, key: str, buffer: Tensor) -> None:
    axis = part.axis or 0
    if buffer.shape[axis] < (part.capacity or 0):
        raise ModelError(
            f"The buffer {key} has {buffer.shape[axis]} entries on axis {axis}; its declaration says {part.capacity}.",
            hint="Declare the capacity that the model allocates.",
        )


def _spans(part: Part, key: str, scalars: Mapping[str, Scalar]) -> list[Any]:
    try:
        return spans_of(part, scalars)
    except ValueError as error:
        raise ModelError(
            f"The counters of {key} do not fit its declaration: {error}.",
            hint="`written` counts all entries ever written, `filled` those now in the buffer; both in whole units.",
        ) from error


def _in_place(part: Part, key: str, buffer: Tensor) -> Iterator[tuple[str, Tensor]]:
    if part.axis is None:
        yield key, buffer
        return
    length = buffer.shape[part.axis]
    for start in range(0, length, part.unit):
        yield segment_key(key, start), buffer.narrow(part.axis, start, min(part.unit, length - start))


def _same(a: Tensor, b: Tensor) -> bool:
    """The same bytes: a negative zero is none, and one not-a-number equals itself."""
    if a.shape != b.shape or a.device != b.device:
        return False
    return torch.equal(*(t.detach().contiguous().reshape(-1).view(torch.uint8) for t in (a, b)))


def _kept(part: Part, tensor: Tensor) -> Tensor:
    """By reference; a part of something larger, which it would keep alive, and a generator's state as copies."""
    if part.kind == "appended":
        return tensor
    alone = tensor.untyped_storage().nbytes() == tensor.nbytes
    return tensor if alone and part.kind != "rng" else tensor.clone()


def _parts_of(part: Part, key: str, held: Mapping[str, Tensor]) -> list[Tensor]:
    if not part.layers:
        return [held[key]] if key in held else []
    found: list[Tensor] = []
    while (name := layer_key(key, len(found))) in held:
        found.append(held[name])
    return found
