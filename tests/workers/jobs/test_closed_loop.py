"""Real frames through ledger and worker: the bits of the plain loop, also when the worker or its payloads die."""

from __future__ import annotations

import numpy as np

from arc_fabric.ledger import NodeRecord
from arc_fabric.ledger.core import keys as keys_of
from arc_fabric.manager import StateManager
from arc_fabric.media.frames import pack_views
from arc_fabric.session import Session
from tests.support.toy_model import ToyModel
from tests.support.waiting import eventually
from tests.workers.conftest import Fleet
from tests.workers.threads.test_failover import progress_of
from workers.jobs.payloads import digest_of

STEPS = 10


def seen(at: int) -> np.ndarray:
    """What the cameras of this test saw before step `at`, larger than the model's own pictures."""
    return np.random.default_rng(100 + at).integers(0, 256, (8, 40, 50, 3), dtype=np.uint8)


def plain_digests(prompt: str, steps: int = STEPS) -> list[str]:
    """Latents of the same closed loop in one process; every third step goes on from what was imagined."""
    model = ToyModel()
    session = Session("plain", model, StateManager(model), prompt, ToyModel.sample_frame(), seed=7)
    return [digest_of(session.step(observed=given(at))) for at in range(steps)]


def given(at: int) -> np.ndarray | None:
    """The real frames of step `at`; none for the first and every third one."""
    return seen(at) if at % 3 else None


def stored(fleet: Fleet, start: int = 0, steps: int = STEPS) -> list[str | None]:
    """Keys of these frames in object storage, as the web puts them there."""
    keys: list[str | None] = []
    for at in range(start, start + steps):
        frames = given(at)
        keys.append(None if frames is None else f"inputs/closed-{at}.png")
        if frames is not None:
            fleet.store.put(keys[-1], pack_views(frames[:, None]))
    return keys


def lineage(fleet: Fleet, session_id: str) -> list[NodeRecord]:
    """The session's steps."""
    return fleet.ledger.nodes.lineage(fleet.ledger.sessions.get(session_id).head)[1:]


def test_a_closed_loop_has_the_bits_of_the_plain_one(two: Fleet) -> None:
    """Across the end of a window, in jobs of one step and of several; the node says how many frames were given."""
    session = two.create()
    keys = stored(two)
    for key in keys[:3]:
        two.step(session, observed=None if key is None else [key])
    two.step(session, steps=STEPS - 3, observed=keys[3:])
    nodes = lineage(two, session.id)
    assert [node.internal["_digest"] for node in nodes] == plain_digests("pick up the red cup")
    assert [node.observed for node in nodes] == [8 if at % 3 else 0 for at in range(STEPS)]
    assert plain_digests("pick up the red cup")[2] != plain_digests("other")[2]


def test_a_worker_that_dies_within_a_closed_loop(fleet: Fleet) -> None:
    """kill -9 between two steps of the job: another worker goes on with the frames that the job names."""
    fleet.start_both()
    prompt = "sleep 0.2"
    session = fleet.create(prompt)
    job = fleet.submit(session, steps=STEPS, observed=stored(fleet))
    eventually(lambda: progress_of(fleet, job.id) >= 3)
    owner = fleet.ledger.sessions.get(session.id).worker
    fleet.kill(owner)
    done = fleet.done(job)
    assert done.worker != owner
    nodes = lineage(fleet, session.id)
    assert [node.frame_index for node in nodes] == list(range(1, STEPS + 1))
    assert [node.internal["_digest"] for node in nodes] == plain_digests(prompt)


def test_lost_payloads_of_a_closed_loop_are_made_again(fleet: Fleet) -> None:
    """Steps whose payload never reached storage before their worker died are replayed with the frames they were given,
    bit for bit, and so is the step after them."""
    fleet.start("gpu.0")
    session = fleet.create()
    keys = stored(fleet, steps=6)
    fleet.step(session, steps=2, observed=keys[:2])
    lost = fleet.step(session, steps=3, observed=keys[2:5])
    ids = [step["checkpoint_id"] for step in lost.result["steps"]]
    # All of them: a manifest that is on its way when its worker is killed would arrive after its tensors were deleted.
    eventually(lambda: all(fleet.ledger.nodes.get(one).durability == "durable" for one in ids))
    fleet.kill("gpu.0")
    for checkpoint_id in ids:
        lose(fleet, checkpoint_id)
    fleet.start("gpu.1")
    last = fleet.step(session, observed=keys[5:])
    assert last.timings["restored_replayed"] == 1
    nodes = lineage(fleet, session.id)
    assert [node.internal["_digest"] for node in nodes] == plain_digests("pick up the red cup", 6)
    for step in lost.result["steps"]:
        eventually(lambda node=step["checkpoint_id"]: fleet.ledger.nodes.get(node).durability == "durable")


def lose(fleet: Fleet, checkpoint_id: str) -> None:
    """Bring a checkpoint to where a crash right after its commit leaves it: a node, and nothing in storage."""
    for info in list(fleet.store.list(f"checkpoints/{checkpoint_id}/")):
        fleet.store.delete(info.key)
    fleet.ledger.redis.hset(keys_of.node(checkpoint_id), "durability", '"pending"')


def test_frames_that_are_gone_fail_the_job(two: Fleet) -> None:
    """The job says which; the session stays where it was."""
    session = two.create()
    failed = two.done(two.submit(session, observed=["inputs/nothing.png"]), state="failed")
    assert failed.error["type"] == "InvalidImage" and "inputs/nothing.png" in failed.error["message"]
    assert two.step(session).result["frame_index"] == 1
