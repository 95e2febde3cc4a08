"""The parts of all ranks as one declaration, by names that say whose they are.

>>> parts = {"k": Part("rolling", axis=1, capacity=8, written="n"), "n": Part("scalar")}
>>> on_rank(parts, 1)["k"].stored, joined([parts, parts])["rank1.k"].written
('kv_cache.rank1.k', 'rank1.n')

Rank 0's keep their names, so that a model of one rank is a model without ranks; and so does a part with a name in the
store that says itself which rank has it (`Part.rank`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from arc_fabric.held.names import key_of
from arc_fabric.models.contract import Part, Scalar

Parts = Mapping[str, Part]
_COUNTERS = ("written", "filled", "epoch")


def on_rank(parts: Parts, rank: int) -> dict[str, Part]:
    """A rank's own declaration, with the names in the store that its tensors have in the one snapshot."""
    if rank == 0:
        return {name: replace(part, rank=0) for name, part in parts.items()}
    made = {}
    for name, part in parts.items():
        if part.rank == rank:  # no other rank has one of this name
            made[name] = part
            continue
        stored = f"{part.stored}.rank{rank}" if part.stored else ""
        ranked = replace(part, rank=rank, stored=stored)
        made[name] = replace(ranked, stored=key_of(name, ranked))
    return made


def joined(parts: Sequence[Parts]) -> dict[str, Part]:
    """One declaration of all ranks, of each its own."""
    made: dict[str, Part] = {}
    for rank, own in enumerate(parts):
        for name, part in on_rank(own, rank).items():
            counters = {one: global_name(getattr(part, one), rank) for one in _COUNTERS if getattr(part, one)}
            made[global_name(name, rank)] = replace(part, **counters)  # type: ignore[arg-type]
    return made


def global_name(name: str, rank: int) -> str:
    """A part's name in the one declaration."""
    return f"rank{rank}.{name}" if rank else name


def scalars_of(scalars: Mapping[str, Scalar], rank: int) -> dict[str, Scalar]:
    """A rank's own among all, by its own names."""
    if rank == 0:
        return {name: value for name, value in scalars.items() if not _is_ranked(name)}
    prefix = global_name("", rank)
    return {name.removeprefix(prefix): value for name, value in scalars.items() if name.startswith(prefix)}


def _is_ranked(name: str) -> bool:
    first, dot, _ = name.partition(".")
    return bool(dot) and first.startswith("rank") and first[4:].isdigit()
