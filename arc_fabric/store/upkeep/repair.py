"""Putting rebuilt KV back where stored KV was damaged: the same bytes in the same places."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import torch

from arc_fabric.errors import ArcFabricError
from arc_fabric.store.backends import Backend
from arc_fabric.store.format.manifest import ROOT, TENSORS, Manifest, Piece, TensorRecord, key_of
from arc_fabric.store.format.pieces import cut, digest, slabs
from arc_fabric.store.read.reader import load_manifest
from arc_fabric.store.upkeep.check import Problem

Rebuild = Callable[[str], Mapping[str, torch.Tensor]]
"""checkpoint id -> its KV tensors by name (`kv_cache1/07`), rebuilt from latents."""
_Places = dict[tuple[int, str], Piece]


@dataclass
class Repair:
    """What was put back, and what was not."""

    repaired: list[Problem] = field(default_factory=list)
    remaining: list[Problem] = field(default_factory=list)
    why: dict[str, str] = field(default_factory=dict)
    """checkpoint id -> why its KV could not be rebuilt."""


def repair_kv(backend: Backend, problems: Iterable[Problem], rebuild: Rebuild) -> Repair:
    """Rewrite damaged, cut-off or missing KV pieces from rebuilds.

    Only bytes that match the recorded digest are written, each file at once, so a wrong rebuild changes nothing and a
    repair that is cut off can be repeated. `rebuild` is called only where it may help. Raises StoreUnavailable.
    """
    report = Repair()
    by_object: dict[str, list[Problem]] = {}
    for problem in problems:
        by_object.setdefault(problem.object, []).append(problem)
    for key, several in by_object.items():
        mended = _mend(backend, key, several, rebuild, report.why)
        for problem in several:
            good = problem in mended or (mended and _whole_again(backend, problem))
            (report.repaired if good else report.remaining).append(problem)
    return report


def _mend(backend: Backend, key: str, problems: list[Problem], rebuild: Rebuild, why: dict[str, str]) -> list[Problem]:
    """The problems of one file that are gone after rewriting it."""
    todo = [problem for problem in problems if problem.rebuildable]
    good: dict[tuple[int, str], tuple[Piece, torch.Tensor]] = {}
    wanted: dict[int, _Places] = {}
    for checkpoint_id in dict.fromkeys(i for problem in todo for i in problem.checkpoints):
        manifest = _manifest(backend, checkpoint_id, why)
        if manifest is None:
            continue
        places = [(problem, *place) for problem in todo for place in _occurrences(manifest, problem)]
        for problem, _, piece, _ in places:
            wanted.setdefault(id(problem), {})[piece.offset, piece.digest] = piece
        if all((piece.offset, piece.digest) in good for _, _, piece, _ in places):
            continue
        try:
            tensors = rebuild(checkpoint_id)
        except ArcFabricError as error:
            why[checkpoint_id] = error.message
            continue  # another checkpoint that shares the piece may do
        for _, record, piece, start in places:
            tensor = tensors.get(record.name)
            if tensor is not None and tuple(tensor.shape) == record.shape:
                part = cut(tensor, record.axis, start, piece.extent).cpu()
                if digest(part) == piece.digest:
                    good[piece.offset, piece.digest] = piece, part
                    continue
            why.setdefault(checkpoint_id, "What was rebuilt differs from what was stored.")
    if good:
        _patch(backend, key, good.values())
    return [problem for problem in todo if _covered(wanted.get(id(problem), {}), good)]


def _covered(wanted: _Places, good: Mapping[tuple[int, str], object]) -> bool:
    return bool(wanted) and all(place in good for place in wanted)


def _manifest(backend: Backend, checkpoint_id: str, why: dict[str, str]) -> Manifest | None:
    try:
        return load_manifest(backend, checkpoint_id)
    except ArcFabricError as error:
        why[checkpoint_id] = error.message
        return None


def _occurrences(manifest: Manifest, problem: Problem) -> Iterator[tuple[TensorRecord, Piece, int]]:
    """Where the problem's piece (or any piece of a missing file) is used: tensor, piece, first index on the axis."""
    for record in manifest.tensors.values():
        start = 0
        for piece in record.pieces:
            here = piece.checkpoint and key_of(piece.checkpoint, TENSORS) == problem.object
            if here and problem.piece in ("", piece.key):
                yield record, piece, start
            start += piece.extent


def _patch(backend: Backend, key: str, parts: Iterable[tuple[Piece, torch.Tensor]]) -> None:
    try:
        data = bytearray(backend.get(key))
    except KeyError:
        data = bytearray()
    for piece, good in parts:
        end = piece.offset + piece.length
        data.extend(bytes(max(0, end - len(data))))
        data[piece.offset : end] = b"".join(slabs(good))
    backend.put(key, data)


def _whole_again(backend: Backend, problem: Problem) -> bool:
    """Whether a file that was too short has its length back."""
    if problem.kind != "short" or problem.piece:
        return False
    owner = load_manifest(backend, problem.object.removeprefix(ROOT).partition("/")[0])
    return bool(backend.stat(problem.object).size == owner.file["length"])
