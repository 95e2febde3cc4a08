"""The main job through a real worker: create, step, fork, rewind, checkpoint, close."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from arc_fabric.ledger.core import keys
from arc_fabric.manager import StateManager
from arc_fabric.session import Session
from tests.support.toy_model import ToyModel
from tests.support.waiting import eventually
from tests.workers.conftest import Fleet
from workers.jobs.payloads import digest_of


def test_a_world_is_made_stepped_forked_and_rewound_as_in_one_process(two: Fleet) -> None:
    """Every step through ledger, Celery, worker and store has the bits of the plain in-process loop."""
    model = ToyModel()
    manager = StateManager(model)
    plain = Session("plain", model, manager, "pick up the red cup", ToyModel.sample_frame(), seed=7)
    expected = [digest_of(plain.step()) for _ in range(6)]
    branch = plain.fork(plain.trajectory.checkpoint_at(3), prompt="push the cup", seed=42)
    expected_fork = [digest_of(branch.step()) for _ in range(2)]

    session = two.create()
    assert (session.frame_index, session.n_frames, session.root) == (0, 1, session.head)
    job = two.step(session, steps=4)
    assert [s["frame_index"] for s in job.result["steps"]] == [1, 2, 3, 4]
    two.step(session, steps=2)
    path = two.ledger.nodes.lineage(two.ledger.sessions.get(session.id).head)
    assert [n.internal["_digest"] for n in path[1:]] == expected
    assert [n.frame_index for n in path] == list(range(7))

    fork, fork_job = two.fork(path[3].id, prompt="push the cup", seed=42, steps=2)
    finished = two.done(fork_job)
    assert finished.result["session_id"] == fork.id
    assert [two.latents(s["checkpoint_id"]) for s in finished.result["steps"]] == expected_fork

    rewound = two.done(two.submit(session, "rewind", n_steps=4))
    assert rewound.result == {"head": path[2].id, "frame_index": 2}
    again = two.step(session)
    assert two.latents(again.result["head"]) == expected[2]
    assert sorted(two.ledger.nodes.get(path[2].id).children) == sorted([path[3].id, again.result["head"]])

    kept = two.done(two.submit(session, "checkpoint", label="good"))
    assert kept.result == {"checkpoint_id": again.result["head"], "durability": "durable"}
    node = two.ledger.nodes.get(again.result["head"])
    assert (node.durability, node.label, node.worker) == ("durable", "good", session.worker)
    two.done(two.submit(session, "close"))
    assert two.ledger.sessions.get(session.id).state == "closed"


def test_frames_are_there_before_the_commit_and_live(two: Fleet) -> None:
    """A step's strip is in Redis when its node is, and its frames went out as JPEG messages in order."""
    session = two.create()
    with two.ledger.redis.pubsub() as channel:
        from arc_fabric.ledger.core.connection import connect_bytes
        from arc_fabric.media.frames import unpack_live, unpack_strip

        with connect_bytes(two.ledger.redis_url) as client, client.pubsub() as channel:
            channel.subscribe(keys.frames_channel(session.id))
            channel.get_message(timeout=2)
            job = two.step(session, steps=2)
            messages = [unpack_live(channel.get_message(timeout=2)["data"]) for _ in range(16)]
    assert [h.number for h, _ in messages] == list(range(1, 17))
    assert [h.number for h, _ in messages if h.last] == [8, 16]
    assert Image.open(io.BytesIO(messages[0][1])).size == (32, 32)
    strip = unpack_strip(two.ledger.frames.strip(job.result["head"]))
    assert strip.shape == (8, 32, 32, 3) and strip.dtype == np.uint8
    eventually(lambda: two.ledger.nodes.get(job.result["head"]).durability == "durable")
    stored = two.store.get(f"checkpoints/{job.result['head']}/frames.png")
    assert stored == two.ledger.frames.strip(job.result["head"])
    size = sum(info.size for info in two.store.list(f"checkpoints/{job.result['head']}/"))
    assert two.ledger.nodes.get(job.result["head"]).bytes_new == size, "what was stored, picture and manifest included"


def test_the_frames_of_a_bulk_fork_go_out_live_and_in_order(two: Fleet) -> None:
    """They follow its commits, so that nobody waits for them, but none is missing."""
    from arc_fabric.ledger.core.connection import connect_bytes
    from arc_fabric.media.frames import unpack_live

    session = two.create()
    with connect_bytes(two.ledger.redis_url) as client, client.pubsub(ignore_subscribe_messages=True) as channel:
        channel.psubscribe(keys.frames_channel("*"))
        fork, job = two.fork(session.head, seed=3, steps=3, bulk=True)
        two.done(job)
        messages = []
        while len(messages) < 24:
            message = channel.get_message(timeout=5)
            if message is not None and message["channel"].decode() == keys.frames_channel(fork.id):
                messages.append(unpack_live(message["data"])[0])
    assert [header.number for header in messages] == list(range(1, 25))
    assert [header.number for header in messages if header.last] == [8, 16, 24]


def test_the_events_tell_the_whole_story_in_order(two: Fleet) -> None:
    """Session, job and node events of one step appear in the session's stream, with views as data."""
    session = two.create()
    last = two.ledger.events.last_id()
    job = two.step(session)
    node_id = job.result["head"]
    eventually(lambda: two.ledger.nodes.get(node_id).durability == "durable")
    events = two.ledger.events.read([session.id], last)
    kinds = [e.kind for e in events if e.kind != "node.durable"]
    assert kinds == ["job.queued", "job.started", "node.committed", "job.finished", "session.updated"]
    by_kind = {e.kind: e.data for e in events}
    assert by_kind["job.finished"] == job.to_dict()
    assert by_kind["node.durable"] == two.ledger.nodes.get(node_id).to_dict()
    assert by_kind["session.updated"]["head"] == node_id
    assert [e.id for e in two.ledger.events.read(None, last) if e.session_id == session.id] == [e.id for e in events]


def test_the_workers_list_and_the_model_card(two: Fleet) -> None:
    """The record names device, model, memory and residents; the card has the geometry the web needs."""
    session = two.create()
    two.step(session)
    worker = eventually(lambda: next((w for w in two.ledger.workers.all() if session.id in w.resident), None))
    assert (worker.name, worker.device, worker.role) == (session.worker, "cpu", "gpu")
    assert worker.memory["rss_bytes"] > 0 and worker.steps_done >= 1 and worker.sessions == [session.id]
    card = two.ledger.model_card.read()
    assert card["geometry"]["action_horizon"] == 8 and card["abilities"]["rebuilds_kv"]
    assert card["identity"]["device_kind"] == "cpu"


def test_the_plain_celery_command_line_serves_too(fleet: Fleet) -> None:
    """`celery -A workers.startup.app worker -P threads -c 1 -Q gpu.0,interactive,bulk -n gpu.0@%h` is a full worker."""
    fleet.start("gpu.0", plain=True)
    session = fleet.create()
    assert fleet.step(session).worker == "gpu.0"
