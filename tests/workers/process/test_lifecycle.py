"""SIGTERM, close, reopen, parking."""

from __future__ import annotations

import signal

from tests.support.waiting import eventually
from tests.workers.conftest import Fleet
from tests.workers.hasty import STOP_TIMEOUT_S


def test_sigterm_yields_the_running_job_stores_and_hands_over(fleet: Fleet) -> None:
    """The running step is finished and committed, everything is stored, the lease is free at once, and another
    worker goes on with the job."""
    fleet.start("gpu.0", wait=False)
    fleet.start("gpu.1")
    fleet.wait_up("gpu.0")
    session = fleet.create("sleep 0.1")
    job = fleet.submit(session, steps=30)
    eventually(lambda: fleet.ledger.jobs.get(job.id).progress["done"] >= 2)
    owner = fleet.ledger.sessions.get(session.id).worker
    child = fleet.children[owner]
    child.send(signal.SIGTERM)
    assert child.wait(60) == 0
    made = [n for n in fleet.ledger.nodes.lineage(fleet.ledger.sessions.get(session.id).head) if n.worker == owner]
    assert {n.durability for n in made} == {"durable"}
    eventually(lambda: fleet.ledger.jobs.get(job.id).worker != owner)
    done = fleet.done(job)
    assert [s["frame_index"] for s in done.result["steps"]] == list(range(1, 31))
    assert fleet.ledger.workers.find(owner).state == "down"


def test_a_worker_whose_celery_hangs_at_its_end_is_ended_in_order(fleet: Fleet) -> None:
    """Celery does not react to SIGTERM: the watchdog ends the process in its place. What was computed is stored, the
    lease is free, the job goes on elsewhere."""
    child = fleet.start("gpu.0", module="tests.workers.deaf")
    session = fleet.create("sleep 0.1")
    job = fleet.submit(session, steps=400)
    eventually(lambda: fleet.ledger.jobs.get(job.id).progress["done"] >= 2)
    child.send(signal.SIGTERM)
    assert child.wait(STOP_TIMEOUT_S + 30) == 0
    assert "ending in its place" in child.log_tail(200)
    assert fleet.ledger.workers.find("gpu.0").state == "down"
    made = fleet.ledger.nodes.lineage(fleet.ledger.sessions.get(session.id).head)
    assert {n.durability for n in made} == {"durable"}
    fleet.start("gpu.1")
    done = fleet.ledger.jobs.get(job.id).progress["done"]
    eventually(lambda: fleet.ledger.jobs.get(job.id).progress["done"] > done + 1)
    fleet.ledger.jobs.cancel(job.id)


def test_a_step_longer_than_the_watchdogs_timeout_is_finished_at_sigterm(fleet: Fleet) -> None:
    """The end waits for the running step, however long it takes (up to the step deadline): it is committed, stored."""
    child = fleet.start("gpu.0", module="tests.workers.hasty")
    session = fleet.create(f"sleep {STOP_TIMEOUT_S + 2}")
    job = fleet.submit(session)
    eventually(lambda: fleet.ledger.jobs.get(job.id).state == "running")
    child.send(signal.SIGTERM)
    assert child.wait(STOP_TIMEOUT_S + 30) == 0
    assert fleet.ledger.jobs.get(job.id).state == "succeeded", fleet.ledger.jobs.get(job.id)
    assert fleet.ledger.nodes.get(fleet.ledger.sessions.get(session.id).head).durability == "durable"


def test_a_closed_session_leaves_memory_and_reopens_at_its_head(fleet: Fleet) -> None:
    """Closing frees the state; the tree stays; a reopened session steps on from storage with the same bits. Idle
    sessions are parked after a while, and wake with the same bits."""
    fleet.settings = fleet.settings.replaced(idle_park_s=3.0)
    fleet.start("gpu.0")
    session, twin = fleet.create(), fleet.create()
    fleet.step(session, steps=2)
    fleet.step(twin, steps=2)
    eventually(lambda: len(fleet.ledger.workers.find("gpu.0").resident) == 2)
    fleet.ledger.sessions.close(session.id)
    eventually(lambda: session.id not in fleet.ledger.workers.find("gpu.0").resident)
    fleet.ledger.sessions.reopen(session.id)
    eventually(lambda: fleet.ledger.workers.find("gpu.0").resident == [], what="parked")
    assert fleet.ledger.sessions.get(twin.id).state == "open"
    a, b = fleet.step(session), fleet.step(twin)
    assert fleet.latents(a.result["head"]) == fleet.latents(b.result["head"])
    assert "restore_s" in a.timings and "restore_s" in b.timings
