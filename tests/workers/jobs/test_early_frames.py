"""Live frames of a step that is not done yet: they come early, and what becomes nothing leaves nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from arc_fabric.ledger.core import keys
from arc_fabric.ledger.core.connection import connect_bytes
from arc_fabric.media.frames import LiveHeader, unpack_live
from arc_fabric.services.valkey import ValkeyServer
from arc_fabric.services.weed import WeedServer
from arc_fabric.settings import load_settings
from tests.workers.conftest import Fleet

FRAMES = 6
"""Of a step."""


@pytest.fixture(scope="module")
def streaming(
    redis_server: ValkeyServer, s3_server: WeedServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """A worker whose model shows a step's pictures before it is done."""
    made = Fleet(load_settings(
        data_dir=tmp_path_factory.mktemp("streaming"), redis_url=redis_server.database(61), s3_bucket="arc-fabric",
        devices="cpu", model="python:tests.workers.streaming:make_model",
        **s3_server.credentials.settings(s3_server.endpoint),
    ))  # fmt: skip
    made.ledger.redis.flushdb()
    made.start()
    yield made
    made.close()


@contextmanager
def heard(fleet: Fleet, session_id: str) -> Iterator[Callable[[int, float], list[LiveHeader]]]:
    """A function that waits for so many live frames, at most so many seconds."""
    with connect_bytes(fleet.ledger.redis_url) as client, client.pubsub() as channel:
        channel.subscribe(keys.frames_channel(session_id))
        channel.get_message(timeout=2)

        def next_ones(count: int, seconds: float) -> list[LiveHeader]:
            found: list[LiveHeader] = []
            until = time.monotonic() + seconds
            while len(found) < count and (left := until - time.monotonic()) > 0:
                message = channel.get_message(timeout=left)
                found += [] if message is None else [unpack_live(message["data"])[0]]
            return found

        yield next_ones


def test_frames_are_live_before_their_step_is_done(streaming: Fleet, tmp_path: Path) -> None:
    """All of them in order while the model is still at it; the last again with the commit, which says that it is."""
    session = streaming.create()
    go_on = tmp_path / "go"
    with heard(streaming, session.id) as next_ones:
        job = streaming.submit(session, "step", prompt=f"wait {go_on}")
        early = next_ones(FRAMES, 60)
        assert [(header.number, header.last) for header in early] == [(n, False) for n in range(1, FRAMES + 1)]
        assert streaming.ledger.jobs.get(job.id).state == "running"
        assert streaming.ledger.sessions.get(session.id).frame_index == 0
        go_on.touch()
        done = streaming.done(job)
        assert [(header.number, header.last) for header in next_ones(1, 10)] == [(FRAMES, True)]
        assert next_ones(1, 0.5) == []
    assert streaming.ledger.frames.strip(done.result["head"]) is not None


@pytest.mark.parametrize("way", ["fails", "is cancelled"])
def test_of_a_step_that_comes_to_nothing_no_picture_stays(streaming: Fleet, tmp_path: Path, way: str) -> None:
    """Its job ends, which tells whoever saw them; no strip is kept, no node has them, the next step has their place."""
    session = streaming.create()
    go_on = tmp_path / "go"
    last = streaming.ledger.events.last_id()
    strips = set(streaming.ledger.redis.scan_iter(keys.framestrip("*")))
    with heard(streaming, session.id) as next_ones:
        job = streaming.submit(session, "step", prompt=f"{'fail' if way == 'fails' else 'wait'} {go_on}")
        assert len(next_ones(FRAMES, 60)) == FRAMES
        if way == "is cancelled":
            streaming.ledger.jobs.cancel(job.id)
        go_on.touch()
        ended = streaming.done(job, state="failed" if way == "fails" else "cancelled")
        after = streaming.step(session, prompt="as before")
        refused = way == "is cancelled"  # it was done before its end was known: its last frame was shown once more
        assert [header.number for header in next_ones(refused + FRAMES, 20)][refused:] == list(range(1, FRAMES + 1))
    kinds = [event.kind for event in streaming.ledger.events.read([session.id], last)]
    assert kinds.index("job.finished") < kinds.index("node.committed")
    assert way != "fails" or "broken after its pictures" in str(ended.error)
    kept = set(streaming.ledger.redis.scan_iter(keys.framestrip("*"))) - strips
    assert kept == {keys.framestrip(after.result["head"])}
    assert streaming.ledger.sessions.get(session.id).frame_index == 1


def test_the_steps_of_a_bulk_job_are_shown_when_they_are_committed(streaming: Fleet) -> None:
    """Each frame once, the last of each step marked."""
    session = streaming.create()
    with connect_bytes(streaming.ledger.redis_url) as client, client.pubsub(ignore_subscribe_messages=True) as channel:
        channel.psubscribe(keys.frames_channel("*"))
        fork, job = streaming.fork(session.head, seed=3, steps=2, bulk=True)
        streaming.done(job)
        found: list[LiveHeader] = []
        while len(found) < 2 * FRAMES:
            message = channel.get_message(timeout=5)
            if message is not None and message["channel"].decode() == keys.frames_channel(fork.id):
                found.append(unpack_live(message["data"])[0])
    assert [header.number for header in found] == list(range(1, 2 * FRAMES + 1))
    assert [header.number for header in found if header.last] == [FRAMES, 2 * FRAMES]
