"""SIGTERM, close, reopen, parking."""

from __future__ import annotations

import signal
import time

from tests.workers.conftest import Fleet, eventually


def test_sigterm_yields_the_running_job_stores_and_hands_over(fleet: Fleet) -> None:
    """The running step is finished and committed, everything is stored, the lease is free at once, and another
    worker goes on with the job."""
    fleet.start("gpu.0", wait=False)
    fleet.start("gpu.1")
    fleet.wait_up("gpu.0")
    session = fleet.create("sleep 0.1")
    job = fleet.submit(session, steps=30)
    eventually(lambda: fleet.ledger.job(job.id).progress["done"] >= 2)
    owner = fleet.ledger.session(session.id).worker
    child = fleet.children[owner]
    child.send(signal.SIGTERM)
    asked = time.monotonic()
    assert child.wait(10) == 0
    ended_s = time.monotonic() - asked
    assert ended_s < 5, ended_s
    made = [n for n in fleet.ledger.lineage(fleet.ledger.session(session.id).head) if n.worker == owner]
    assert {n.durability for n in made} == {"durable"}
    eventually(lambda: fleet.ledger.job(job.id).worker != owner, 3)
    done = fleet.done(job)
    assert [s["frame_index"] for s in done.result["steps"]] == list(range(1, 31))
    assert fleet.ledger.worker(owner).state == "down"


def test_a_closed_session_leaves_memory_and_reopens_at_its_head(fleet: Fleet) -> None:
    """Closing frees the state; the tree stays; a reopened session steps on from storage with the same bits. Idle
    sessions are parked after a while, and wake with the same bits."""
    fleet.settings = fleet.settings.replaced(idle_park_s=3.0)
    fleet.start("gpu.0")
    session, twin = fleet.create(), fleet.create()
    fleet.step(session, steps=2)
    fleet.step(twin, steps=2)
    eventually(lambda: len(fleet.ledger.worker("gpu.0").resident) == 2)
    fleet.ledger.close_session(session.id)
    eventually(lambda: session.id not in fleet.ledger.worker("gpu.0").resident, 10)
    fleet.ledger.reopen(session.id)
    eventually(lambda: fleet.ledger.worker("gpu.0").resident == [], 15, "parked")
    assert fleet.ledger.session(twin.id).state == "open"
    a, b = fleet.step(session), fleet.step(twin)
    assert fleet.latents(a.result["head"]) == fleet.latents(b.result["head"])
    assert "restore_s" in a.timings and "restore_s" in b.timings
