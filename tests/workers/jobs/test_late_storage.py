"""A fast batch whose steps count once they are stored, while the object store is away for longer than is waited for."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from arc_fabric.services.weed import WeedServer
from arc_fabric.settings import Settings
from arc_fabric.store.read.reader import SnapshotReader
from tests.support.waiting import eventually
from tests.workers.conftest import Fleet

ROWS = 3


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[WeedServer]:
    """An object store that this test may kill."""
    server = WeedServer(tmp_path / "own", bucket="arc-fabric")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def lone(settings: Settings, own_store: WeedServer) -> Iterator[Fleet]:
    """One worker that steps three rows together and waits two seconds for storage."""
    made = Fleet(
        settings.replaced(
            model="python:tests.workers.faulty:make_impatient_batches", batch_rows=ROWS, s3_bucket="arc-fabric",
            **own_store.credentials.settings(own_store.endpoint),
        )
    )  # fmt: skip
    made.start()
    yield made
    made.close()


def test_its_jobs_end_with_the_reason_and_the_worker_goes_on(lone: Fleet, own_store: WeedServer) -> None:
    """Each fails at its last stored step, none stays running; what was not committed is not left in storage, and once
    storage is back the same process works on."""
    pid, session = lone.children["gpu.0"].pid, lone.create("sleep 0.3")
    head = lone.step(session).result["head"]
    requests = [
        lone.ledger.sessions.fork_request(
            checkpoint_id=head, seed=seed, steps=100, bulk=True, batch="fast", prompt="sleep 0.1"
        )
        for seed in range(ROWS)
    ]
    busy = lone.submit(session, steps=2)
    jobs = [accepted.job for accepted in lone.dispatcher.accept_many(requests)]
    lone.done(busy)
    eventually(lambda: all(lone.ledger.jobs.get(job.id).progress["done"] >= 2 for job in jobs))
    os.kill(own_store.child.pid, signal.SIGKILL)
    own_store.child.wait(10)
    failed = [lone.done(job, state="failed") for job in jobs]
    assert {job.error["type"] for job in failed} == {"DeadlineExceeded"}
    assert all("not stored after 2.0 s" in job.error["message"] for job in failed)
    own_store.start()
    for job in failed:
        assert len((job.result or {}).get("steps", [])) in (0, job.progress["done"])
        ended = lone.ledger.sessions.get(job.session_id)
        assert (ended.frame_index, lone.ledger.nodes.get(ended.head).durability) == (
            1 + job.progress["done"],
            "durable",
        )
    lone.step(session)
    assert lone.ledger.workers.find("gpu.0").pid == pid
    known = {node.id for node in lone.ledger.nodes.tree(session.tree_id).nodes}

    def left() -> set[str]:
        stored = (info.key.split("/") for info in lone.store.list("checkpoints/"))
        return {path[1] for path in stored if path[2] == "tensors.safetensors"} - known

    eventually(lambda: all(lone.ledger.nodes.get(node).durability == "durable" for node in known))
    eventually(lambda: not _living(lone, left()), what="uncommitted payloads stay")


def _living(fleet: Fleet, checkpoint_ids: set[str]) -> list[str]:
    """Those of them whose payload has no tombstone."""
    return [one for one in checkpoint_ids if SnapshotReader(fleet.store).exists(one)]
