"""The client does what the SDK's Session does, over HTTP, with typed answers and our errors."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from arc_fabric import errors
from arc_fabric.client import ArcFabric, Job, LiveFrame, RemoteSession
from tests.support.web_server import WebServer


def test_steps_frames_and_latents(trunk: RemoteSession) -> None:
    """Typed steps; frames as uint8 numpy; latents as numpy and as torch with the same numbers."""
    steps = trunk.step(3)
    assert [step.frame_index for step in steps] == [1, 2, 3]
    assert trunk.info.frame_index == 3
    assert trunk.head == steps[-1].checkpoint_id
    frames = trunk.frames()
    assert frames.shape == (25, 32, 32, 3)
    assert np.array_equal(frames[10], trunk.frame(10))
    assert np.array_equal(trunk.latents(2), trunk.latents_torch(2).numpy())


def test_fork_rewind_checkpoint_compare(fabric: ArcFabric, trunk: RemoteSession) -> None:
    """The main job of the product in six lines."""
    trunk.step(2)
    start = trunk.head
    same, other = trunk.fork(steps=2), trunk.fork(prompt="push the cup", steps=2)
    trunk.step(2)
    compared = fabric.compare(str(trunk.head), str(same.head), str(other.head))
    assert compared.equal[f"{trunk.head}|{same.head}"]
    assert not compared.equal[f"{trunk.head}|{other.head}"]
    assert other.info.parent_checkpoint == start
    assert other.rewind(2) == start
    assert other.checkpoint("again") == start
    assert fabric.checkpoint(str(start)).label == "again"
    assert len(trunk.tree()) == 9


def test_every_frame_is_delivered_as_it_is_made(trunk: RemoteSession) -> None:
    """`on_frame` gets each new frame once, in order, and equal to what is stored; progress is told."""
    got: list[tuple[int, np.ndarray]] = []
    told: list[Job] = []
    trunk.step(3, on_frame=lambda number, image: got.append((number, image)), on_progress=told.append)
    assert [number for number, _ in got] == list(range(1, 25))
    assert np.array_equal(np.stack([image for _, image in got]), trunk.frames()[1:])
    assert told[-1].state == "succeeded"


def test_given_actions_as_numpy(fabric: ArcFabric, trunk: RemoteSession) -> None:
    """Arrays are accepted; the node records them."""
    geometry = fabric.model()["geometry"]
    given = np.full((2, geometry["action_horizon"], geometry["action_dim"]), 0.25, np.float32)
    step = trunk.step(2, actions=given)[-1]
    node = fabric.checkpoint(step.checkpoint_id)
    assert (node.action_source, node.steered, step.steered) == ("given", True, True)
    assert trunk.step()[-1].steered is None
    assert np.allclose(node.actions, given[1])


def test_errors_have_their_classes(fabric: ArcFabric, trunk: RemoteSession, frame: np.ndarray) -> None:
    """A problem becomes the error of that name, with what to do."""
    with pytest.raises(errors.RewindBeyondRoot) as refused:
        trunk.rewind(5)
    assert refused.value.what_to_do
    with pytest.raises(errors.SessionNotFound):
        fabric.session("ses_" + "0" * 26)
    with pytest.raises(errors.HeadMoved):
        trunk.step(if_head="ckp_" + "0" * 26)
    with pytest.raises(errors.InvalidImage):
        fabric.new_session("p", b"nothing")
    for _ in range(4):
        fabric.new_session("p", frame, wait=False)
    with pytest.raises(errors.SessionLimitReached):
        fabric.new_session("p", frame)
    with pytest.raises(errors.ServiceError):
        ArcFabric("http://127.0.0.1:9").sessions()


def test_many_jobs_at_once(fabric: ArcFabric, trunk: RemoteSession) -> None:
    """`submit` takes a list; a refused entry is an error object among the jobs."""
    forms = [{"kind": "step", "session_id": trunk.id, "params": {"steps": 1}} for _ in range(3)]
    first, second, third, wrong = fabric.submit([*forms, {"kind": "step", "session_id": "ses_" + "0" * 26}])
    assert isinstance(wrong, errors.SessionNotFound)
    assert isinstance(third, Job)
    fabric.wait(third.id)
    assert trunk.refresh().frame_index == 3
    assert {first.id, second.id, third.id} <= {job.id for job in fabric.jobs(session=trunk.id, kind="step")}  # type: ignore[union-attr]


def test_cancel(fabric: ArcFabric, trunk: RemoteSession) -> None:
    """A cancelled job raises where it is waited for."""
    job = trunk.submit("step", steps=900)
    fabric.cancel(job.id)
    with pytest.raises(errors.Cancelled):
        fabric.wait(job.id)


def test_the_stream_gives_events_and_live_frames(fabric: ArcFabric, trunk: RemoteSession) -> None:
    """Iterating sees the step end; live frames decode, also of a step that begins right after the stream was opened."""
    with fabric.stream(trunk.id) as stream:
        job = trunk.submit("step", steps=2)
        live: list[LiveFrame] = []
        ended = False
        for item in stream:
            if isinstance(item, LiveFrame):
                live.append(item)
            elif item["kind"] == "job.finished":
                ended = item["data"]["id"] == job.id
            if ended and live:
                break
    assert live[0].image.shape == (32, 32, 3)
    assert live[0].session_id == trunk.id


def test_the_stream_comes_back_without_a_gap(web_server: WebServer, trunk: RemoteSession) -> None:
    """The web app is stopped and started under a viewer: it sees every commit once."""
    second = WebServer(web_server.settings, worker=False).start()
    client = ArcFabric(second.url)
    stream = client.stream(trunk.id, frames=False)
    stream.open()
    commits: list[str] = []

    def read_until(count: int) -> None:
        deadline = time.monotonic() + 90
        while len(commits) < count and time.monotonic() < deadline:
            item = stream.next(timeout=0.5)
            if isinstance(item, dict) and item["kind"] == "node.committed":
                commits.append(item["data"]["id"])

    steps = trunk.step(2)
    read_until(2)
    second.web.stop()
    steps += trunk.step(2)
    steps += trunk.step(1)
    second.web.start()
    try:
        read_until(5)
    finally:
        stream.close()
        second.stop()
    assert commits == [step.checkpoint_id for step in steps]


def test_saving_a_clip(trunk: RemoteSession, tmp_path: Path) -> None:
    """The file's name chooses the format."""
    trunk.step()
    assert trunk.video(tmp_path / "a.mp4").read_bytes()[4:8] == b"ftyp"
    assert Image.open(trunk.video(tmp_path / "a.gif", start=1, end=4)).n_frames == 3


def test_close_and_reopen(fabric: ArcFabric, trunk: RemoteSession) -> None:
    """A closed session refuses work until it is open again."""
    trunk.close()
    with pytest.raises(errors.SessionClosed):
        trunk.step()
    trunk.reopen()
    trunk.step()
    assert [info.id for info in fabric.sessions("open")] == [trunk.id]


def test_older_keywords_work_and_warn(trunk: RemoteSession) -> None:
    """As version 0.1.0 took them."""
    steps = trunk.step(2)
    with pytest.warns(DeprecationWarning, match="at now"):
        assert trunk.fork(checkpoint_id=steps[0].checkpoint_id).frame_index == 1
    with pytest.warns(DeprecationWarning, match="n now"):
        assert trunk.rewind(n_steps=1) == steps[0].checkpoint_id
