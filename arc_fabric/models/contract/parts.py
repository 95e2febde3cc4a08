"""A model's state as named parts: what a call does to each, and so how it is kept and given back.

>>> part = Part("rolling", layers=True, axis=1, unit=1560, capacity=21 * 1560, written="written", filled="filled")

A part is one tensor, a list of tensors (`layers`) or one number, flag or text. docs/reference/state-contract.md has the
table of kinds and who owns what.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from torch import Tensor

Kind = Literal["appended", "replaced", "rolling", "in_place", "scalar", "rng"]
Rebuilt = Literal["no", "window", "world"]
Scalar = int | float | str | bool
Value = Tensor | Sequence[Tensor] | Scalar | None
State = Mapping[str, Value]
"""What `export_state` hands out and `load_state` takes, by the names of the parts."""
BUFFERS = ("rolling", "in_place")
"""Kinds that a call writes into: the buffers stay the model's own, what they hold is copied."""


@dataclass(frozen=True)
class Part:
    """One part of a model's state."""

    kind: Kind
    """`appended`: a call makes a longer tensor, old entries as they were. `replaced`: another tensor. `rolling`: it
    writes new entries into a buffer, which shifts (or, `ring`, wraps) when it is full. `in_place`: it writes anywhere
    into a buffer. `scalar`: a number, a flag or a text. `rng`: a generator's state, uint8."""
    layers: bool = False
    """A list of tensors, which may be empty; else one tensor, or None."""
    axis: int | None = None
    """The axis it grows or rolls on, or on which an `in_place` one is looked at in units; None: it is one piece."""
    unit: int = 1
    """Entries of `axis` that come and go together: pieces are cut at multiples of it."""
    capacity: int | None = None
    """Of a rolling one: entries of `axis` that the buffer holds."""
    sink: int = 0
    """Of a rolling one: the first entries, which stay when it rolls."""
    ring: bool = False
    """Of a rolling one: entry i lies at `sink + (i - sink) % (capacity - sink)`; else entries lie in order."""
    written: str = ""
    """Of a rolling one: the scalar that counts all entries ever written."""
    filled: str = ""
    """Of a rolling one that shifts: the scalar that counts the entries now in the buffer; empty: as many as fit."""
    epoch: str = ""
    """The scalar that is another one after a call that rewrote old entries (a recache); empty: none does."""
    rebuilt: Rebuilt = "no"
    """What it can be made again from: the window's latents, those of the whole world, nothing."""
    left_out: bool = False
    """It follows from the rest, and the model makes it again itself: never captured."""
    zero: bool = False
    """All zero as long as nothing wrote it: left out while it is."""
    rank: int = 0
    """The process that holds it, of a model over several."""
    stored: str = ""
    """Its name in the store, where that is another than follows from its own."""

    def __post_init__(self) -> None:
        if self.kind == "rolling" and (self.axis is None or self.capacity is None or not self.written):
            raise ValueError("A rolling part states axis, capacity and the scalar that counts what was written.")
        if self.kind == "rolling" and (self.sink % self.unit or (self.capacity or 0) % self.unit):
            raise ValueError("A rolling part's capacity and sink are whole units.")

    @property
    def is_cache(self) -> bool:
        """Whether it grows or rolls, so that a session that waits lets it go, and reads it when it is needed."""
        return self.axis is not None and self.kind in ("appended", *BUFFERS)

    def to_json(self) -> dict[str, Any]:
        """The JSON object that a snapshot keeps; what is as it is by default is left out."""
        defaults = {f.name: f.default for f in fields(self)}
        return {name: value for name, value in asdict(self).items() if value != defaults[name]}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Part:
        """Inverse of `to_json`; members of a newer version are passed over."""
        names = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in body.items() if name in names})


def declaration_digest(parts: Mapping[str, Part]) -> str:
    """SHA-256 over a declaration's canonical JSON form, hex; an identity has it."""
    body = {name: part.to_json() for name, part in parts.items()}
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Span:
    """Entries of a rolling part that lie together: `start` counts from the first ever written, `at` in the buffer."""

    start: int
    at: int


def spans_of(part: Part, scalars: Mapping[str, Any]) -> list[Span]:
    """What a rolling part's buffer holds, in units, oldest first. Raises ValueError where its counters do not fit it.

    >>> part = Part("rolling", axis=1, capacity=7, sink=1, written="n", filled="m")
    >>> [(span.start, span.at) for span in spans_of(part, {"n": 9, "m": 7})]
    [(0, 0), (3, 1), (4, 2), (5, 3), (6, 4), (7, 5), (8, 6)]
    """
    capacity, written = part.capacity or 0, int(scalars[part.written])
    filled = int(scalars[part.filled]) if part.filled else min(written, capacity)
    room = capacity - part.sink
    if not 0 <= filled <= min(written, capacity) or written % part.unit or filled % part.unit:
        raise ValueError(f"{filled} of {written} entries in a buffer of {capacity}, in units of {part.unit}")
    if filled == written:
        return [Span(i, i) for i in range(0, written, part.unit)]
    stays = [Span(i, i) for i in range(0, min(part.sink, filled), part.unit)]
    first = written - (filled - part.sink)
    if part.ring:
        return stays + [Span(i, part.sink + (i - part.sink) % room) for i in range(first, written, part.unit)]
    return stays + [Span(first + i, part.sink + i) for i in range(0, filled - part.sink, part.unit)]
