"""What upkeep remembers of manifests: each is read once, and nothing stale, damaged or half-written is believed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import islice

import pytest

from arc_fabric.store.backends import Backend, MemoryBackend
from arc_fabric.store.format.manifest import MANIFEST, TENSORS, Manifest, Piece, TensorRecord, key_of
from arc_fabric.store.upkeep import index as index_module
from arc_fabric.store.upkeep import scan as scan_module
from arc_fabric.store.upkeep.collector import Collector
from arc_fabric.store.upkeep.facts import Facts, facts_of
from arc_fabric.store.upkeep.index import INDEX, Index
from arc_fabric.store.upkeep.scan import scan
from tests.store.faulty import FaultyBackend


@pytest.fixture(autouse=True)
def _small_and_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of a few lines; what was stored just now is remembered (this backend's versions are never equal)."""
    monkeypatch.setattr(index_module, "SETTLED_S", -3600.0)
    monkeypatch.setattr(index_module, "_MOST", 8)
    monkeypatch.setattr(index_module, "_LEAST", 4)
    monkeypatch.setattr(scan_module, "_BATCH", 5)


def store(backend: Backend, name: str, needs: set[str] = frozenset(), **facts: object) -> Manifest:  # type: ignore[assignment]
    """A checkpoint with pieces in its own file and in those of others."""
    pieces = tuple(Piece(1, 4, "ab", checkpoint=home, key=f"kv_cache1/00@{i}") for i, home in enumerate([name, *needs]))
    record = TensorRecord("kv_cache1/00", "F32", (len(pieces),), 0, 1, pieces)
    manifest = replace(Manifest(name, None, 1.0, {record.name: record}, {"identity": {"m": 1}}, {"length": 4}), **facts)  # type: ignore[arg-type]
    backend.put(key_of(name, TENSORS), name.encode())
    backend.put(key_of(name, MANIFEST), manifest.encode())
    return manifest


def needed_by(manifests: Iterable[Manifest]) -> set[str]:
    """The checkpoints whose files they need."""
    return {home for manifest in manifests for home in manifest.references()}


def seen(backend: Backend, index: Index) -> dict[str, Facts]:
    """What a pass says of every manifest."""
    return {stored.id: stored.facts for stored in scan(backend, index) if stored.facts is not None}


def manifest_reads(backend: FaultyBackend) -> int:
    """Manifests read since the last time that this was asked."""
    reads = sum(key.endswith(MANIFEST) for key, _, _ in backend.reads)
    backend.reads.clear()
    return reads


def test_an_unchanged_manifest_is_read_once() -> None:
    """Not in the next pass, not by a fresh process; one that is replaced is, and of the index only what changed is
    written."""
    backend = FaultyBackend()
    for i in range(30):
        store(backend, f"c{i:02d}")
    index = Index(backend)
    assert len(seen(backend, index)) == 30 and manifest_reads(backend) == 30
    backend.puts.clear()
    assert len(seen(backend, index)) == 30 and backend.reads == []
    assert len(seen(backend, Index(backend))) == 30 and manifest_reads(backend) == 0
    assert not any(key.startswith(INDEX) for key in backend.puts)
    made = store(backend, "c11", {"c10"})
    store(backend, "c30")
    assert seen(backend, index)["c11"] == facts_of(made)
    assert manifest_reads(backend) == 2
    assert 1 <= sum(key.startswith(INDEX) for key in backend.puts) <= 3


def test_a_young_manifest_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It might be replaced within the resolution of the storage's clock, by another of the same size."""
    monkeypatch.setattr(index_module, "SETTLED_S", 10.0)
    backend = FaultyBackend()
    store(backend, "c")
    for _ in range(2):
        seen(backend, Index(backend))
        assert manifest_reads(backend) == 1


class History:
    """Things that happen to a store, its index, and the passes over it."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.backend = MemoryBackend()
        self.manifests: dict[str, Manifest] = {}
        self.kept = Index(self.backend)
        self.older: list[dict[str, bytes]] = [{}]

    def add(self) -> None:
        name = f"c{self.dice.randrange(60):02d}"
        if name not in self.manifests:
            others = sorted(self.manifests)
            self.manifests[name] = store(self.backend, name, set(self.dice.sample(others, min(3, len(others)))))

    def replace(self) -> None:
        if self.manifests:
            name = self.dice.choice(sorted(self.manifests))
            new = self.dice.choice(sorted(self.manifests))
            self.manifests[name] = self.dice.choice(
                [self.manifests[name].tombstone(), store(self.backend, name, {new})]
            )
            self.backend.put(key_of(name, MANIFEST), self.manifests[name].encode())

    def remove(self) -> None:
        if self.manifests:
            name = self.dice.choice(sorted(self.manifests))
            del self.manifests[name]
            self.backend.delete(key_of(name, MANIFEST))

    def damage(self) -> None:
        for info in self.backend.list(INDEX):
            if self.dice.random() < 0.3:
                data = self.backend.get(info.key)
                self.backend.put(info.key, data[: self.dice.randrange(len(data) + 1)])

    def lose(self) -> None:
        for info in self.backend.list(INDEX):
            if self.dice.random() < 0.3:
                self.backend.delete(info.key)

    def remember(self) -> None:
        self.older.append({info.key: self.backend.get(info.key) for info in self.backend.list(INDEX)})

    def bring_back(self) -> None:
        for key, data in self.dice.choice(self.older).items():
            self.backend.put(key, data)

    def crash(self) -> None:
        list(islice(scan(self.backend, Index(self.backend)), self.dice.randrange(12)))

    def check(self) -> None:
        index = self.dice.choice([self.kept, Index(self.backend)])
        assert seen(self.backend, index) == {name: facts_of(made) for name, made in self.manifests.items()}


@pytest.mark.parametrize("seed", range(12))
def test_whatever_becomes_of_the_index_a_pass_says_what_is_stored(seed: int) -> None:
    """Checkpoints come, change and go; shards are lost, cut, or old ones come back; passes are cut off: the facts are
    those of the manifests."""
    history = History(seed)
    happens: list[Callable[[], None]] = [history.add] * 8 + [history.check] * 3
    happens += [history.replace, history.remove, history.damage, history.lose, history.remember, history.bring_back]
    happens += [history.crash, history.crash]
    for _ in range(250):
        history.dice.choice(happens)()
    history.check()
    history.check()


@pytest.mark.parametrize("seed", range(4))
def test_a_collector_with_a_stale_index_deletes_nothing_that_is_needed(seed: int) -> None:
    """Everything that a living manifest refers to is there after every pass, and in the end nothing else."""
    history = History(100 + seed)
    backend = history.backend
    for step in range(120):
        history.dice.choice([history.add] * 5 + [history.replace, history.bring_back, history.remember, history.lose])()
        for home in {i for manifest in history.manifests.values() for i in manifest.references()} - {
            *history.manifests
        }:
            history.manifests[home] = store(backend, home)  # writers store again what was collected
        if step % 4 == 0:
            Collector(backend, grace_s=0, index=history.dice.choice([history.kept, Index(backend)])).run()
            _forget_collected(history)
            for home in needed_by(history.manifests.values()):
                assert backend.exists(key_of(home, TENSORS)), home
    for _ in range(3):
        Collector(backend, grace_s=0).run()
    _forget_collected(history)
    assert {info.key.split("/")[1] for info in backend.list("checkpoints/")} == needed_by(history.manifests.values())


def _forget_collected(history: History) -> None:
    for name, manifest in list(history.manifests.items()):
        if manifest.deleted and not history.backend.exists(key_of(name, MANIFEST)):
            del history.manifests[name]
