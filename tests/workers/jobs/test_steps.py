"""One step of a job, without a queue around it."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from types import SimpleNamespace

from arc_fabric import Session, StateManager
from arc_fabric.store import SnapshotStore
from tests.sdk.worlds import assert_same, new_session, run
from tests.store.faulty import FaultyBackend
from tests.support.toy_model import ToyModel
from workers.jobs.steps import _compute
from workers.process.gil_turns import GilTurns


def test_a_step_waits_for_storage_that_its_kv_must_be_read_from() -> None:
    """The object store goes away after the state was loaded and before its KV is read: the step waits, then has the
    bits of the uninterrupted one."""
    backend, model = FaultyBackend(), ToyModel()
    store = SnapshotStore(backend)
    trunk = new_session(StateManager(model, store=store))
    head = run(trunk, 2)[-1].checkpoint_id
    store.flush(10)
    expected = trunk.step()
    elsewhere = ToyModel()
    manager = StateManager(elsewhere, store=SnapshotStore(backend, host_cache_bytes=0))
    session = Session.from_checkpoint("ses", elsewhere, manager, head)
    backend.down = True
    back = threading.Timer(1.0, lambda: setattr(backend, "down", False))
    back.start()
    taken = _compute(_job(), session, 1, Future(), more=False)
    assert not backend.down, "it did not wait"
    back.join()
    assert_same(taken, expected)


def _job() -> SimpleNamespace:
    """As much of a JobRun as a step asks for."""
    process = SimpleNamespace(step_began=None, side=ThreadPoolExecutor(1), gil_turns=GilTurns())
    return SimpleNamespace(
        job=SimpleNamespace(params={}), process=process, payloads=None, timed=lambda _: nullcontext()
    )
