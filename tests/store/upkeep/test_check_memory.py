"""What a check holds in memory: a few numbers per checkpoint, however large the manifests are."""

from __future__ import annotations

import gc
import tracemalloc

from arc_fabric.store.backends import MemoryBackend
from arc_fabric.store.format.manifest import MANIFEST, TENSORS, Manifest, Piece, TensorRecord, digest_of, key_of
from arc_fabric.store.upkeep.check import Checker

WINDOW, TENSORS_EACH, LENGTH = 4, 20, 8
FEW, MANY = 300, 700
MOST_PER_CHECKPOINT = 2000
"""Bytes; a manifest of these takes more than ten times as much."""


def lineage(count: int) -> MemoryBackend:
    """Checkpoints whose tensors have a piece in each file of their window."""
    backend = MemoryBackend()
    for number in range(count):
        homes = [f"c{i:05d}" for i in range(number - number % WINDOW, number + 1)]
        records = {}
        for t in range(TENSORS_EACH):
            pieces = [Piece(1, LENGTH, digest_of(f"{home}{t}".encode()), home, t * LENGTH, f"t{t}") for home in homes]
            records[f"t{t}"] = TensorRecord(f"t{t}", "F32", (len(pieces), 2), 0, 1, tuple(pieces))
        file = {"length": TENSORS_EACH * LENGTH, "header_length": 0, "header_digest": digest_of(b"")}
        backend.put(key_of(homes[-1], TENSORS), bytes(file["length"]))
        backend.put(key_of(homes[-1], MANIFEST), Manifest(homes[-1], None, 1.0, records, {}, file).encode())
    return backend


def peak(backend: MemoryBackend) -> int:
    """Most bytes that a check held at once, beyond what was there before."""
    gc.collect()
    tracemalloc.start()
    report = Checker(backend).run()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert report.ok, report.problems[:3]
    assert report.pieces == report.checkpoints * TENSORS_EACH
    return most


def test_memory_grows_by_numbers_and_not_by_manifests() -> None:
    """More than twice the checkpoints: what is held grows by less than a tenth of their manifests."""
    small, large = lineage(FEW), lineage(MANY)
    peak(lineage(20))  # what is imported and cached once
    grown = (peak(large) - peak(small)) / (MANY - FEW)
    assert grown < MOST_PER_CHECKPOINT, f"{grown:.0f} bytes per checkpoint"


def test_order_of_ids_does_not_matter() -> None:
    """A checkpoint may refer to one that is listed after it; a piece that its owner does not name is looked at, too."""
    backend = MemoryBackend()
    file = {"length": 2 * LENGTH, "header_length": 0, "header_digest": digest_of(b"")}
    own = Piece(1, LENGTH, digest_of(bytes(LENGTH)), "b", 0, "t")
    beyond = Piece(1, LENGTH, digest_of(b"x" * LENGTH), "b", LENGTH, "u")
    for name, piece in (("a", own), ("b", own), ("c", beyond)):
        records = {"t": TensorRecord("t", "F32", (1, 2), 0, 1, (piece,))}
        backend.put(key_of(name, TENSORS), bytes(2 * LENGTH))
        backend.put(key_of(name, MANIFEST), Manifest(name, None, 1.0, records, {}, file).encode())
    (problem,) = Checker(backend, read_data=1.0).run().problems
    assert (problem.kind, problem.checkpoints, problem.piece) == ("data", ("c",), "u")
    backend.delete(key_of("b", TENSORS))
    (problem,) = Checker(backend).run().problems
    assert (problem.kind, problem.checkpoints) == ("missing", ("a", "b", "c"))
