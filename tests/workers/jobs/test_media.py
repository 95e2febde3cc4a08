"""The media worker: long clips as jobs, taken up again when it dies, without torch in its process."""

from __future__ import annotations

import io
import os
import signal
from pathlib import Path

from PIL import Image

from arc_fabric.ledger import JobRecord
from arc_fabric.media.clip import plan
from tests.support.waiting import eventually
from tests.workers.conftest import Fleet


def clip_of(fleet: Fleet, checkpoint_id: str, form: str = "gif", fps: int = 8) -> tuple[JobRecord, str]:
    """Ask for the whole branch as the web does; the job (its ticket is sent) and the object it makes."""
    path = fleet.ledger.nodes.path(checkpoint_id)[::-1]
    clip = plan(path, fleet.ledger.nodes.get(checkpoint_id).n_frames, 0, None, fps=fps, form=form)
    params = {"checkpoint_id": checkpoint_id, "from": 0, "to": len(clip), "fps": fps, "format": form}
    session_id = fleet.ledger.nodes.get(checkpoint_id).session_id
    request = fleet.ledger.media.request("video", session_id, params, target=clip.key, total=len(clip))
    job = fleet.dispatcher.accept(request).job
    return job, clip.key


def test_a_clip_is_made_from_stored_steps_and_a_dead_workers_job_is_done(fleet: Fleet) -> None:
    """A job that a dead process of the same name held is taken up by the next one; its clip has every frame."""
    fleet.start("gpu.0")
    session = fleet.create()
    head = fleet.step(session, steps=3).result["head"]
    fleet.ledger.leases.take("media", "dead", {"name": "media", "boot_id": "dead", "role": "media", "state": "idle"})
    job, key = clip_of(fleet, head)
    assert fleet.ledger.media.claim("media", "dead", job.id, 6)[0] == "run"
    fleet.start("media")
    fleet.done(job, 40)
    done = fleet.ledger.jobs.get(job.id)
    assert (done.worker, done.result["frames"], done.internal["_attempts"]) == ("media", 25, 2)
    assert Image.open(io.BytesIO(fleet.store.get(key))).n_frames == 25
    assert fleet.ledger.sessions.get(session.id).epoch == session.epoch
    maps = Path(f"/proc/{fleet.children['media'].pid}/maps").read_text()
    assert "libtorch" not in maps


def test_a_killed_or_stopped_media_worker_loses_no_clip(fleet: Fleet) -> None:
    """kill -9 and SIGTERM with the job in its hands: the next process makes the clip. (After SIGTERM a clip that is all
    but ready may still be finished.)"""
    fleet.start("gpu.0")
    head = fleet.step(fleet.create(), steps=40).result["head"]
    for number, end in enumerate((signal.SIGKILL, signal.SIGTERM)):
        fleet.start("media")
        job, key = clip_of(fleet, head, "webp", fps=8 + number)
        eventually(lambda j=job: fleet.ledger.jobs.get(j.id).state != "queued")
        os.kill(fleet.children["media"].pid, end)
        fleet.children["media"].wait(20)
        state = fleet.ledger.jobs.get(job.id).state
        if end == signal.SIGKILL:
            assert state == "running", "the clip was made too fast for this test"
        else:
            assert state in ("queued", "succeeded"), "a worker that ends gives back what it has not finished"
        fleet.start("media")
        fleet.done(job, 60)
        assert fleet.store.exists(key)
        fleet.kill("media")


def test_a_clip_that_cannot_be_made_fails_with_its_reason(fleet: Fleet) -> None:
    """And the worker goes on."""
    fleet.start("gpu.0")
    head = fleet.step(fleet.create()).result["head"]
    fleet.start("media")
    request = fleet.ledger.media.request("video", "ses_x", {
        "checkpoint_id": head, "from": 0, "to": 99, "fps": 8, "format": "gif"
    }, target="videos/none", total=99)  # fmt: skip
    job = fleet.dispatcher.accept(request).job
    failed = fleet.done(job, state="failed")
    assert failed.error["type"] == "FrameNotFound"
    fleet.done(clip_of(fleet, head)[0])
