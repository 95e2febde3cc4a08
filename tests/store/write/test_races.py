"""Two workers write one tree while payloads are deleted and a collector runs without grace."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import pytest

from arc_fabric.errors import ArcFabricError, CheckpointUnavailable
from arc_fabric.store import SnapshotStore
from arc_fabric.store.backends import Backend, marks
from arc_fabric.store.upkeep.check import Checker
from arc_fabric.store.upkeep.collector import Collector
from arc_fabric.store.write import upload
from tests.store.states import State, same_bits

Open = Callable[..., SnapshotStore]
STEPS = 25


@pytest.fixture(autouse=True)
def _short_listings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let listings expire in seconds, so that writers who must be sure do not wait a minute."""
    for module in (marks, upload):
        monkeypatch.setattr(module, "LISTING_VALID_S", 2.0)


class Worker(threading.Thread):
    """Steps from random checkpoints of the common tree, and now and then deletes one of its own."""

    def __init__(self, me: int, store: SnapshotStore, tree: dict[str, State], lock: threading.Lock) -> None:
        super().__init__()
        self.me, self.store, self.tree, self.lock = me, store, tree, lock
        self.dice = random.Random(me)
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            for i in range(STEPS):
                self.step(f"w{self.me}-{i}", 100 * self.me + i)
        except BaseException as error:
            self.error = error
            raise

    def step(self, name: str, seed: int) -> None:
        with self.lock:
            parent = self.dice.choice(sorted(self.tree))
            state = self.tree[parent].step(seed)
        self.store.put(name, state.entries(), {}, parent_id=parent)
        try:
            self.store.wait_durable(name, 60)
        except ArcFabricError as error:
            assert "collected" in str(error), error  # its parent went meanwhile: told, not stored with holes
            return
        with self.lock:
            self.tree[name] = state
            mine = [n for n in self.tree if n.startswith(f"w{self.me}-")]
            doomed = self.dice.choice(mine) if len(mine) > 4 else None
            if doomed:
                del self.tree[doomed]
        if doomed:
            self.store.delete_payload(doomed)


def test_two_workers_and_a_collector(backend: Backend, open_store: Open) -> None:
    """No checkpoint that was durable and not deleted is ever lost or dangling."""
    stores = [open_store(backend, host_cache_bytes=20_000) for _ in range(2)]
    tree = {"root": State.root()}
    stores[0].put("root", tree["root"].entries(), {})
    stores[0].flush(10)
    lock, stop, passes, failures = threading.Lock(), threading.Event(), [], []

    def collect() -> None:
        try:
            while not stop.is_set():
                passes.append(Collector(backend, grace_s=0).run().deleted)
        except Exception as error:  # noqa: BLE001  (a thread's last line: report)
            failures.append(error)

    workers = [Worker(i, store, tree, lock) for i, store in enumerate(stores)]
    cleaner = threading.Thread(target=collect)
    for thread in (*workers, cleaner):
        thread.start()
    for worker in workers:
        worker.join(120)
    stop.set()
    cleaner.join(30)
    assert [worker.error for worker in workers] == [None, None]
    assert failures == []
    fresh = open_store(backend, host_cache_bytes=0)
    for name, state in tree.items():
        assert same_bits(fresh.get(name)[0], state.tensors), name
    for _ in range(2):
        passes.append(Collector(backend, grace_s=0).run().deleted)
    assert sum(passes) > 0
    assert Checker(backend, read_data=1.0).run().ok
    with pytest.raises(CheckpointUnavailable):
        fresh.get("never")
