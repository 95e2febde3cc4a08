"""Putting rebuilt KV back where stored KV was damaged: the same bytes in the same places."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch

from arc_fabric.errors import ArcFabricError
from arc_fabric.store.backends import Backend
from arc_fabric.store.check import Problem
from arc_fabric.store.manifest import TENSORS, Manifest, Piece, TensorRecord, key_of
from arc_fabric.store.pieces import cut, digest, slabs
from arc_fabric.store.reader import load_manifest

Rebuild = Callable[[str], Mapping[str, torch.Tensor]]
"""checkpoint id -> its KV tensors by name (`kv_cache1/07`), rebuilt from latents."""


def repair_kv(backend: Backend, problems: Iterable[Problem], rebuild: Rebuild) -> list[Problem]:
    """Rewrite damaged KV pieces from a rebuild; returns the problems that remain.

    Only bytes that match the recorded digest are written, so a wrong rebuild changes nothing.
    """
    return [problem for problem in problems if not _repair(backend, problem, rebuild)]


def _repair(backend: Backend, problem: Problem, rebuild: Rebuild) -> bool:
    if problem.kind != "data" or not problem.rebuildable:
        return False
    for checkpoint_id in problem.checkpoints:
        try:
            manifest, tensors = load_manifest(backend, checkpoint_id), rebuild(checkpoint_id)
        except ArcFabricError:
            continue  # another checkpoint that shares the piece may do
        for record, piece, start in _occurrences(manifest, problem):
            tensor = tensors.get(record.name)
            if tensor is None or tuple(tensor.shape) != record.shape:
                continue
            good = cut(tensor, record.axis, start, piece.extent).cpu()
            if digest(good) == piece.digest:
                _patch(backend, problem.object, piece, good)
                return True
    return False


def _occurrences(manifest: Manifest, problem: Problem) -> Iterable[tuple[TensorRecord, Piece, int]]:
    for record in manifest.tensors.values():
        start = 0
        for piece in record.pieces:
            if piece.key == problem.piece and key_of(piece.checkpoint, TENSORS) == problem.object:
                yield record, piece, start
            start += piece.extent


def _patch(backend: Backend, key: str, piece: Piece, good: torch.Tensor) -> None:
    data = bytearray(backend.get(key))
    data[piece.offset : piece.offset + piece.length] = b"".join(slabs(good))
    backend.put(key, data)
