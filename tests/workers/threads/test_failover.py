"""Workers die, freeze and come back: the session goes on, each step takes effect once, with the same bits."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from arc_fabric.ledger import Ledger, SessionRecord
from arc_fabric.manager import StateManager
from arc_fabric.services.weed import WeedServer
from arc_fabric.session import Session
from tests.support.toy_model import ToyModel
from tests.support.waiting import eventually
from tests.workers.conftest import Fleet
from workers.jobs.payloads import digest_of


def plain_digests(prompt: str, steps: int, **more: Any) -> list[str]:
    """Latents of the uninterrupted loop in one process."""
    model = ToyModel()
    session = Session("plain", model, StateManager(model), prompt, ToyModel.sample_frame(), seed=7, **more)
    return [digest_of(session.step()) for _ in range(steps)]


def assert_unbroken(ledger: Ledger, session: SessionRecord, prompt: str, steps: int, **more: Any) -> None:
    """The lineage has exactly these steps with the plain loop's bits, and no node has two children."""
    path = ledger.nodes.lineage(ledger.sessions.get(session.id).head)
    assert [n.frame_index for n in path] == list(range(steps + 1))
    assert [n.internal["_digest"] for n in path[1:]] == plain_digests(prompt, steps, **more)
    assert len(ledger.nodes.tree(path[0].id).nodes) == steps + 1


def progress_of(fleet: Fleet, job_id: str) -> int:
    """Steps committed so far."""
    return fleet.ledger.jobs.get(job_id).progress["done"]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_dead_or_frozen_workers_session_continues_elsewhere(fleet: Fleet, how: signal.Signals) -> None:
    """Another worker commits the next steps; a frozen worker that wakes changes nothing."""
    fleet.start_both()
    prompt = "sleep 0.05"
    session = fleet.create(prompt)
    job = fleet.submit(session, steps=24)
    eventually(lambda: progress_of(fleet, job.id) >= 3)
    owner = fleet.ledger.sessions.get(session.id).worker
    fleet.children[owner].send(how)
    before = progress_of(fleet, job.id)
    eventually(lambda: progress_of(fleet, job.id) > before + 1)
    assert fleet.ledger.sessions.get(session.id).worker != owner
    if how is signal.SIGSTOP:
        fleet.children[owner].send(signal.SIGCONT)
    done = fleet.done(job)
    assert len(done.result["steps"]) == 24
    assert "is gone" in done.placement["reason"]
    if how is signal.SIGSTOP:
        eventually(lambda: fleet.ledger.workers.find(owner).state == "idle")
        later = fleet.step(session, steps=2)
        assert later.result["frame_index"] == 26
        assert_unbroken(fleet.ledger, session, prompt, 26)
    else:
        assert fleet.ledger.workers.find(owner).state == "down"
        assert_unbroken(fleet.ledger, session, prompt, 24)


def test_committed_steps_whose_payload_died_with_the_worker_are_made_again(fleet: Fleet, s3_server: WeedServer) -> None:
    """Steps are committed while storage stands still, the worker is killed: the next worker replays them bit for
    bit under the same ids, with the settings of the model that they had, and they become durable."""
    fleet.start("gpu.0")
    session = fleet.create(model_settings={"rounds": 3})
    first = fleet.step(session)
    fleet.done(fleet.submit(session, "checkpoint"))
    s3_server.child.send(signal.SIGSTOP)
    try:
        lost = fleet.step(session, steps=3)
        assert fleet.ledger.nodes.get(lost.result["head"]).durability == "pending"
        fleet.kill("gpu.0")
    finally:
        s3_server.child.send(signal.SIGCONT)
    fleet.start("gpu.1")
    more = fleet.step(session, steps=2)
    assert more.timings["restored_replayed"] == 1
    assert_unbroken(fleet.ledger, session, "pick up the red cup", 6, model_settings={"rounds": 3})
    for step in [*first.result["steps"], *lost.result["steps"], *more.result["steps"]]:
        node_id = step["checkpoint_id"]
        eventually(lambda node_id=node_id: fleet.ledger.nodes.get(node_id).durability == "durable")


def test_the_janitor_heals_what_nobody_continues(fleet: Fleet, s3_server: WeedServer) -> None:
    """A lost leaf that no session needs any more becomes durable too, by the media worker's doing."""
    fleet.start("gpu.0")
    session = fleet.create()
    fleet.done(fleet.submit(session, "checkpoint"))
    s3_server.child.send(signal.SIGSTOP)
    try:
        leaf = fleet.step(session).result["head"]
        fleet.done(fleet.submit(session, "rewind", n_steps=1))
        fleet.kill("gpu.0")
    finally:
        s3_server.child.send(signal.SIGCONT)
    fleet.start("gpu.1", wait=False)
    fleet.start("media")
    eventually(lambda: fleet.ledger.nodes.get(leaf).durability == "durable")
    assert fleet.ledger.nodes.pending() == []


def test_a_job_whose_ticket_was_never_sent_runs_anyway(fleet: Fleet) -> None:
    """The web died between accepting and sending: the reaper sends the ticket; each job takes effect once."""
    fleet.start("gpu.0")
    session = fleet.create()
    jobs = [fleet.ledger.jobs.submit(session.id, "step", {}) for _ in range(2)]
    done = [fleet.done(job, 15) for job in jobs]
    assert [j.result["frame_index"] for j in done] == [1, 2]
    assert "sent again" in done[0].placement["reason"]


def test_with_all_workers_gone_jobs_wait_for_the_next_one(fleet: Fleet) -> None:
    """Nothing is lost or refused; a restarted worker of the same name takes its sessions up again."""
    fleet.start("gpu.0")
    session = fleet.create()
    fleet.step(session)
    fleet.kill("gpu.0")
    eventually(lambda: fleet.ledger.workers.find("gpu.0").state == "down")
    job = fleet.submit(session, steps=2)
    assert job.state == "queued"
    assert fleet.ledger.counts()["workers_alive"] == 0
    fleet.start("gpu.0")
    fleet.done(job)
    assert_unbroken(fleet.ledger, session, "pick up the red cup", 3)


def test_a_newer_process_of_the_same_name_fences_the_older(fleet: Fleet) -> None:
    """The older process ends by itself with its own exit code; the session continues in the newer one."""
    old = fleet.start("gpu.0")
    session = fleet.create()
    fleet.step(session)
    old.send(signal.SIGSTOP)
    fleet.start("gpu.0")
    old.send(signal.SIGCONT)
    assert old.wait(60) == 3
    fleet.step(session)
    assert_unbroken(fleet.ledger, session, "pick up the red cup", 2)
