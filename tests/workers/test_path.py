"""The main job through a real worker: create, step, fork, rewind, checkpoint, close."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from arc_fabric.ledger import keys
from arc_fabric.manager import StateManager
from arc_fabric.session import Session
from tests.support.toy_model import ToyModel
from tests.workers.conftest import Fleet, eventually
from workers.payloads import digest_of


def test_a_world_is_made_stepped_forked_and_rewound_as_in_one_process(fleet: Fleet) -> None:
    """Every step through ledger, Celery, worker and store has the bits of the plain in-process loop."""
    fleet.start("gpu.0")
    model = ToyModel()
    manager = StateManager(model)
    plain = Session("plain", model, manager, "pick up the red cup", ToyModel.sample_frame(), seed=7)
    expected = [digest_of(plain.step().latents) for _ in range(6)]
    branch = plain.fork(plain.trajectory.checkpoint_at(3), prompt="push the cup", seed=42)
    expected_fork = [digest_of(branch.step().latents) for _ in range(2)]

    session = fleet.create()
    assert (session.frame_index, session.n_frames, session.root) == (0, 1, session.head)
    job = fleet.step(session, steps=4)
    assert [s["frame_index"] for s in job.result["steps"]] == [1, 2, 3, 4]
    fleet.step(session, steps=2)
    path = fleet.ledger.lineage(fleet.ledger.session(session.id).head)
    assert [n.internal["_digest"] for n in path[1:]] == expected
    assert [n.frame_index for n in path] == list(range(7))

    fork, fork_job = fleet.fork(path[3].id, prompt="push the cup", seed=42, steps=2)
    finished = fleet.done(fork_job)
    assert finished.result["session_id"] == fork.id
    assert [fleet.latents(s["checkpoint_id"]) for s in finished.result["steps"]] == expected_fork

    rewound = fleet.done(fleet.submit(session, "rewind", n_steps=4))
    assert rewound.result == {"head": path[2].id, "frame_index": 2}
    again = fleet.step(session)
    assert fleet.latents(again.result["head"]) == expected[2]
    assert sorted(fleet.ledger.node(path[2].id).children) == sorted([path[3].id, again.result["head"]])

    kept = fleet.done(fleet.submit(session, "checkpoint", label="good"))
    assert kept.result == {"checkpoint_id": again.result["head"], "durability": "durable"}
    node = fleet.ledger.node(again.result["head"])
    assert (node.durability, node.label, node.worker) == ("durable", "good", "gpu.0")
    fleet.done(fleet.submit(session, "close"))
    assert fleet.ledger.session(session.id).state == "closed"


def test_frames_are_there_before_the_commit_and_live(fleet: Fleet) -> None:
    """A step's strip is in Redis when its node is, and its frames went out as JPEG messages in order."""
    fleet.start("gpu.0")
    session = fleet.create()
    with fleet.ledger.redis.pubsub() as channel:
        from arc_fabric.ledger.connection import connect_bytes
        from arc_fabric.media.frames import unpack_live, unpack_strip

        with connect_bytes(fleet.ledger.redis_url) as client, client.pubsub() as channel:
            channel.subscribe(keys.frames_channel(session.id))
            channel.get_message(timeout=2)
            job = fleet.step(session, steps=2)
            messages = [unpack_live(channel.get_message(timeout=2)["data"]) for _ in range(16)]
    assert [h.number for h, _ in messages] == list(range(1, 17))
    assert [h.number for h, _ in messages if h.last] == [8, 16]
    assert Image.open(io.BytesIO(messages[0][1])).size == (32, 32)
    strip = unpack_strip(fleet.ledger.framestrip(job.result["head"]))
    assert strip.shape == (8, 32, 32, 3) and strip.dtype == np.uint8
    eventually(lambda: fleet.ledger.node(job.result["head"]).durability == "durable")
    stored = fleet.store.get(f"checkpoints/{job.result['head']}/frames.png")
    assert stored == fleet.ledger.framestrip(job.result["head"])


def test_the_events_tell_the_whole_story_in_order(fleet: Fleet) -> None:
    """Session, job and node events of one step appear in the session's stream, with views as data."""
    fleet.start("gpu.0")
    session = fleet.create()
    last = fleet.ledger.last_event_id()
    job = fleet.step(session)
    node_id = job.result["head"]
    eventually(lambda: fleet.ledger.node(node_id).durability == "durable")
    events = fleet.ledger.read_events([session.id], last)
    kinds = [e.kind for e in events if e.kind != "node.durable"]
    assert kinds == ["job.queued", "job.started", "node.committed", "job.finished", "session.updated"]
    by_kind = {e.kind: e.data for e in events}
    assert by_kind["job.finished"] == job.to_dict()
    assert by_kind["node.durable"] == fleet.ledger.node(node_id).to_dict()
    assert by_kind["session.updated"]["head"] == node_id
    assert [e.id for e in fleet.ledger.read_events(None, last) if e.session_id == session.id] == [e.id for e in events]


def test_the_workers_list_and_the_model_card(fleet: Fleet) -> None:
    """The record names device, model, memory and residents; the card has the geometry the web needs."""
    fleet.start("gpu.0", plain=True)
    session = fleet.create()
    fleet.step(session)
    worker = eventually(lambda: next((w for w in fleet.ledger.workers() if w.resident), None))
    assert (worker.name, worker.device, worker.resident) == ("gpu.0", "cpu", [session.id])
    assert worker.memory["rss_bytes"] > 0 and worker.steps_done == 1 and worker.sessions == [session.id]
    card = fleet.ledger.model_card()
    assert card["geometry"]["action_horizon"] == 8 and card["abilities"]["rebuilds_kv"]
    assert card["identity"]["device_kind"] == "cpu"
