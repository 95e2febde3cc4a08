"""The processes that tests/store/write/test_crash.py kills: forked from a server that has imported torch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from arc_fabric.store import SnapshotStore
from arc_fabric.store.backends import Backend, DiskBackend, S3Backend
from arc_fabric.store.backends.base import Buffer
from arc_fabric.store.upkeep.collector import Collector
from tests.store.states import State

Where = tuple[str, ...]


class Slow(DiskBackend):
    """Gives the killer time to hit between any two requests."""

    def put(self, key: str, parts: Buffer | Sequence[Buffer]) -> None:
        time.sleep(0.002)
        super().put(key, parts)

    def delete(self, key: str) -> None:
        time.sleep(0.002)
        super().delete(key)


def open_backend(where: Where) -> Backend:
    """("disk", path) or ("s3", endpoint, key, secret, bucket)."""
    return Slow(Path(where[1]), sync=False) if where[0] == "disk" else S3Backend(*where[1:])


def state_of(lineage: int, steps: int) -> State:
    """The state of checkpoint `l<lineage>-<steps>`: the same in every process."""
    state = State.root(lineage)
    for i in range(steps):
        state = state.step(1000 * lineage + i)
    return state


def write(where: Where, lineage: int, told: Connection) -> None:
    """Checkpoint one lineage for ever, telling the id of each checkpoint once it is durable."""
    store = SnapshotStore(open_backend(where), on_durable=lambda checkpoint_id, _: told.send(checkpoint_id))
    state = State.root(lineage)
    store.put(f"l{lineage}-0", state.entries(), {})
    for i in range(12):
        state = state.step(1000 * lineage + i)
        store.put(f"l{lineage}-{i + 1}", state.entries(), {}, parent_id=f"l{lineage}-{i}")
    store.flush(60)
    told.send("done")


def collect(where: Where, told: Connection) -> None:
    """Collect for ever, without grace."""
    backend = open_backend(where)
    told.send("ready")
    while True:
        Collector(backend, grace_s=0).run()
