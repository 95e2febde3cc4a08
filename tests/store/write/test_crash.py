"""kill -9 of writers and collectors at any point: what was durable stays, the rest is there in full or not at all."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from arc_fabric.errors import CheckpointUnavailable
from arc_fabric.services.weed import WeedServer
from arc_fabric.store import SnapshotStore
from arc_fabric.store.backends import Backend
from arc_fabric.store.upkeep.check import Checker
from arc_fabric.store.upkeep.collector import Collector
from tests.store import victims
from tests.store.states import same_bits

KILLS, AT_ONCE = 20, 5
Start = Callable[..., tuple[BaseProcess, Connection]]


@pytest.fixture(params=["disk", pytest.param("s3", marks=pytest.mark.slow)])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> victims.Where:
    """A store that outlives the processes that use it."""
    if request.param == "disk":
        return "disk", str(tmp_path / "objects")
    server: WeedServer = request.getfixturevalue("s3_server")
    pair = server.credentials
    return "s3", server.endpoint, pair.access_key, pair.secret_key, request.getfixturevalue("s3_bucket")


@pytest.fixture
def start() -> Start:
    """Starts a process by fork from a server that has torch imported already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.store.victims"])

    def run(target: Callable[..., None], *args: Any) -> tuple[BaseProcess, Connection]:
        mine, theirs = context.Pipe(duplex=False)
        process = context.Process(target=target, args=(*args, theirs), daemon=True)
        process.start()
        theirs.close()
        return process, mine

    return run


def _drain(told: Connection) -> list[str]:
    said: list[str] = []
    try:
        while told.poll(0):
            said.append(told.recv())
    except EOFError:
        pass
    return said


def _kill(process: BaseProcess) -> None:
    process.kill()
    process.join(10)


def _verify(backend: Backend, durable: set[str]) -> int:
    """Every durable checkpoint restores with its bits; every other is absent or whole. Returns how many are there."""
    store = SnapshotStore(backend, host_cache_bytes=0)
    there = 0
    for lineage in range(KILLS):
        for steps in range(13):
            name = f"l{lineage}-{steps}"
            try:
                tensors, _ = store.get(name)
            except CheckpointUnavailable:
                assert name not in durable, f"{name} was durable and is gone"
                break
            assert same_bits(tensors, victims.state_of(lineage, steps).tensors)
            there += 1
    store.close(1)
    return there


def test_killing_writers_loses_nothing_durable(where: victims.Where, start: Start) -> None:
    """Twenty writers are killed at random moments of their uploads; afterwards the collector takes the orphans."""
    dice = random.Random(5)
    durable: set[str] = set()
    for first in range(0, KILLS, AT_ONCE):
        running = [start(victims.write, where, first + i) for i in range(AT_ONCE)]
        for process, told in running:
            told.poll(20)
            time.sleep(dice.uniform(0, 0.1))
            _kill(process)
            durable |= set(_drain(told))
    assert len(durable) > KILLS
    backend = victims.open_backend(where)
    there = _verify(backend, durable - {"done"})
    assert there >= len(durable - {"done"})
    for _ in range(2):
        Collector(backend, grace_s=0).run()
    assert Checker(backend, read_data=1.0).run().ok
    assert _verify(backend, durable - {"done"}) == there


def test_killing_collectors_loses_nothing_that_is_needed(where: victims.Where, start: Start) -> None:
    """Collectors are killed at random moments while payloads are deleted; the last one finishes their work."""
    dice = random.Random(6)
    process, told = start(victims.write, where, 0)
    durable: set[str] = set()
    while "done" not in durable:
        assert told.poll(30)
        durable.add(told.recv())
    _kill(process)
    backend = victims.open_backend(where)
    store = SnapshotStore(backend)
    for name in (f"l0-{i}" for i in range(1, 13) if i % 3):
        store.delete_payload(name)
        durable.discard(name)
    for _ in range(KILLS):
        process, told = start(victims.collect, where)
        told.poll(20)
        time.sleep(dice.uniform(0, 0.06))
        _kill(process)
    for name in ("l0-12", "l0-9"):
        store.delete_payload(name)
        durable.discard(name)
    for _ in range(3):
        Collector(backend, grace_s=0).run()
    store.close(1)
    fresh = SnapshotStore(backend, host_cache_bytes=0)
    for name in sorted(durable - {"done"}):
        steps = int(name.partition("-")[2])
        assert same_bits(fresh.get(name)[0], victims.state_of(0, steps).tensors)
    fresh.close(1)
    assert Checker(backend, read_data=1.0).run().ok
    left = {info.key.split("/")[1] for info in backend.list("checkpoints/")}
    assert left == {f"l0-{i}" for i in range(7)}, "what only deleted checkpoints needed is gone, the rest is there"
