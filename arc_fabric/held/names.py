"""What a snapshot holds of a model's state: tensors by their names in the store, and promised fields as views of them.

    state/<part>              one tensor
    state/<part>/<layer>      one of a list
    kv_cache.<part>/...       the same of a cache: let go where its session waits, dropped where it can be rebuilt
    .../<start>               of a buffer: the unit that begins at entry `start` of all that was ever written

>>> part = Part("rolling", layers=True, axis=1, capacity=8, written="n")
>>> key_of("k", part), layer_key(key_of("k", part), 7), segment_key("kv_cache.k/07", 12)
('kv_cache.k', 'kv_cache.k/07', 'kv_cache.k/07/12')
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, overload

from torch import Tensor

from arc_fabric.models.contract import Part

CACHE, PLAIN = "kv_cache.", "state/"


def key_of(name: str, part: Part) -> str:
    """A part's name in the store."""
    rank = f"rank{part.rank}." if part.rank else ""
    return part.stored or f"{CACHE if part.is_cache else PLAIN}{rank}{name}"


def layer_key(key: str, layer: int) -> str:
    """The name of one of a list."""
    return f"{key}/{layer:02d}"


def segment_key(key: str, start: int) -> str:
    """The name of one unit of a buffer."""
    return f"{key}/{start}"


def keys_of(key: str, part: Part, value: Any) -> list[tuple[str, Tensor]]:
    """A part's tensors by name; none where it holds none."""
    if not part.layers:
        return [] if value is None else [(key, value)]
    return [(layer_key(key, i), tensor) for i, tensor in enumerate(value or ())]


def parts_by_key(parts: Mapping[str, Part]) -> dict[str, Part]:
    """A declaration by names in the store."""
    return {key_of(name, part): part for name, part in parts.items()}


def part_of(name: str, by_key: Mapping[str, Part]) -> Part | None:
    """The part that a tensor in the store belongs to."""
    while name:
        if name in by_key:
            return by_key[name]
        name = name.rpartition("/")[0]
    return None


def layers_of(tensors: Mapping[str, Tensor], key: str) -> list[Tensor]:
    """In the order of their numbers: `kv_cache1/100` comes after `kv_cache1/99`."""
    names = [name for name in tensors if name.startswith(key + "/")]
    return [tensors[name] for name in sorted(names, key=lambda name: int(name.rpartition("/")[2]))]


class Held:
    """The field that holds the tensors. What is set is copied: a snapshot made from another one has its own."""

    @overload
    def __get__(self, snapshot: None, owner: type) -> Held: ...
    @overload
    def __get__(self, snapshot: object, owner: type) -> dict[str, Tensor]: ...
    def __get__(self, snapshot: object | None, owner: type) -> Held | dict[str, Tensor]:
        return self if snapshot is None else _held(snapshot)

    def __set__(self, snapshot: object, tensors: Mapping[str, Tensor] | Held) -> None:
        vars(snapshot)["_held"] = {} if isinstance(tensors, Held) else dict(tensors)  # itself: the field's default


class Layers:
    """A field that is a view of one list of tensors."""

    def __init__(self, key: str) -> None:
        self.key = key

    @overload
    def __get__(self, snapshot: None, owner: type) -> Layers: ...
    @overload
    def __get__(self, snapshot: object, owner: type) -> list[Tensor]: ...
    def __get__(self, snapshot: object | None, owner: type) -> Layers | list[Tensor]:
        return self if snapshot is None else layers_of(_held(snapshot), self.key)

    def __set__(self, snapshot: object, layers: Iterable[Tensor] | Layers) -> None:
        if isinstance(layers, Layers):
            return  # the field's default: what `held` has of it
        held = _held(snapshot)
        for name in [name for name in held if name.startswith(self.key + "/")]:
            del held[name]
        held |= {layer_key(self.key, i): tensor for i, tensor in enumerate(layers)}


class Single:
    """A field that is a view of one tensor."""

    def __init__(self, key: str) -> None:
        self.key = key

    @overload
    def __get__(self, snapshot: None, owner: type) -> Single: ...
    @overload
    def __get__(self, snapshot: object, owner: type) -> Tensor | None: ...
    def __get__(self, snapshot: object | None, owner: type) -> Single | Tensor | None:
        return self if snapshot is None else _held(snapshot).get(self.key)

    def __set__(self, snapshot: object, tensor: Tensor | Single | None) -> None:
        if isinstance(tensor, Single):
            return
        _held(snapshot).pop(self.key, None)
        if tensor is not None:
            _held(snapshot)[self.key] = tensor


def _held(snapshot: object) -> dict[str, Tensor]:
    held: dict[str, Tensor] = vars(snapshot)["_held"]
    return held


def in_order(held: Mapping[str, Tensor], first: Sequence[str]) -> dict[str, Tensor]:
    """Those whose names begin with one of `first`, in that order, then the others."""
    rank = {key: i for i, key in enumerate(first)}
    return dict(sorted(held.items(), key=lambda item: rank.get(item[0].split("/")[0], len(rank))))
