"""Real frames with a step: accepted in every form, checked before anything is done, and readable afterwards."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from arc_fabric.base.input_keys import by_content
from arc_fabric.media.frames import encode_png, pack_views, unpack_views
from arc_fabric.store.backends import backend_from_settings
from tests.api.conftest import Made
from tests.api.http.test_refusals import bomb, encoded, truncated
from tests.support.web_server import WebServer


def png(seed: int = 0, size: tuple[int, int] = (30, 20)) -> bytes:
    """A small picture of (width, height)."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return encode_png(pixels)


def frames(count: int = 8, **more: Any) -> list[str]:
    """As many of them in base64."""
    return [encoded(png(i, **more)) for i in range(count)]


def digests(session: Made) -> list[bytes]:
    """The latents of each step of the session."""
    last = session.now()["frame_index"]
    return [session.web.http.get(f"{session.path}/latents/{n}").content for n in range(1, last + 1)]


def test_every_form_gives_the_same_world(web: WebServer, picture: str) -> None:
    """Base64, data URLs, a multipart form and the job form; the job names one stored object, not bytes."""
    made = [Made(web, picture) for _ in range(4)]
    for session in made:
        session.step()
    given = frames()
    job = made[0].step(1, observed=[given])
    made[1].step(1, observed=[["data:image/png;base64," + text for text in given]])
    files = [("observed", (f"{i}.png", png(i), "image/png")) for i in range(8)]
    answer = web.ok("POST", f"{made[2].path}/step?wait=60", files=files)
    assert answer["job"]["state"] == "succeeded", answer
    form = {"kind": "step", "session_id": made[3].id, "params": {"observed": [given]}}
    assert web.ok("POST", "/api/jobs?wait=60", json=form)["job"]["state"] == "succeeded"
    assert len({tuple(digests(session)) for session in made}) == 1
    (key,) = job["params"]["observed"]
    assert key.startswith("inputs/")
    same = answer["job"]["params"]
    assert same["observed"] != [key] and by_content(same) == by_content({"observed": [key]}) | {"steps": 1}


def test_the_frames_can_be_read_back(session: Made) -> None:
    """In the size they came; a step without any has none."""
    given = np.stack([np.asarray(Image.open(io.BytesIO(png(i)))) for i in range(8)])
    session.step()
    job = session.step(2, observed=[frames(), None])
    with_frames, without = (step["checkpoint_id"] for step in job["result"]["steps"])
    web = session.web
    answer = web.http.get(f"/api/checkpoints/{with_frames}/observed")
    assert answer.headers["x-frames"] == "8" and "immutable" in answer.headers["cache-control"]
    assert np.array_equal(unpack_views(answer.content)[:, 0], given)
    assert web.problem(404, "GET", f"/api/checkpoints/{without}/observed")["code"] == "FrameNotFound"
    nodes = [web.ok("GET", f"/api/checkpoints/{node}") for node in (with_frames, without)]
    assert [node["observed"] for node in nodes] == [8, 0]


def test_a_repeated_request_is_one_job(session: Made) -> None:
    """The same key and frames: the first job comes back, also after the session was closed; other frames are
    refused."""
    web, headers = session.web, {"Idempotency-Key": f"observed-{session.id}"}
    body = {"observed": [frames()]}
    first = web.ok("POST", f"{session.path}/step?wait=60", json=body, headers=headers)["job"]
    web.ok("DELETE", session.path)
    again = web.http.post(f"{session.path}/step", json=body, headers=headers)
    assert again.json()["job"]["id"] == first["id"] and again.headers["idempotency-replayed"] == "true"
    other = {"observed": [frames()[::-1]]}
    web.problem(409, "POST", f"{session.path}/step", json=other, headers=headers)


@pytest.mark.parametrize(
    ("observed", "says"),
    [
        ([frames(7)], "this model takes 8 real frames per step"),
        ([[]], "this model takes 8 real frames per step"),
        ([frames(), frames()], "observed has 2 entries and steps is 3"),
        ([], "observed"),
        (frames(), "observed.0"),
        ([[1] * 8], "observed.0.0"),
        ([[*frames(7), "%%%"]], "observed.0.7: is no PNG, JPEG or WebP"),
        ([[*frames(7), encoded(b"no image" * 5)]], "observed.0.7: the 40 bytes given are no PNG"),
        ([[encoded(truncated())] * 8], "observed.0.0: the image cannot be decoded"),
        ([[*frames(7), encoded(bomb(60_000, 60_000))]], "60000"),
        ([[*frames(7), encoded(png(size=(31, 20)))]], "must have one size"),
        ([[*frames(7), frames(2)]], "this model has 1 camera"),
        ([[encoded(bomb(4096, 4096))] * 8], "at most 67108864"),
        ([[*frames(7), "sample:no-such"]], "no sample"),
    ],
)
def test_bad_frames_are_refused(session: Made, observed: Any, says: str) -> None:
    """422 with the reason; no job."""
    session.step()
    before = session.web.ledger.jobs.page(session=session.id).items
    body = {"observed": observed} | ({"steps": 3} if "steps is 3" in says else {})
    problem = session.web.problem(422, "POST", f"{session.path}/step", json=body)
    words = problem["detail"] + " ".join(error["field"] for error in problem.get("errors", ()))
    assert says in words, problem
    assert len(session.web.ledger.jobs.page(session=session.id).items) == len(before)
    assert session.step()["result"]["frame_index"] == 2


def test_a_closed_session_and_a_model_that_cannot_observe(session: Made) -> None:
    """Refused before a picture is stored: 409 for the session, 422 for the model."""
    web = session.web
    objects = {info.key for info in backend_from_settings(web.settings).list("inputs/")}
    card = web.ledger.model_card.read()
    body = {"observed": [frames(size=(33, 21))]}
    try:
        web.ledger.model_card.write(card | {"abilities": card["abilities"] | {"observes": False}})
        assert "cannot take observed" in web.problem(422, "POST", f"{session.path}/step", json=body)["detail"]
    finally:
        web.ledger.model_card.write(card)
    web.ok("DELETE", session.path)
    assert web.problem(409, "POST", f"{session.path}/step", json=body)["code"] == "SessionClosed"
    assert {info.key for info in backend_from_settings(web.settings).list("inputs/")} == objects


def test_pictures_of_several_cameras() -> None:
    """Packed and unpacked with their shape; a plain picture is one frame of one camera."""
    views = np.random.default_rng(0).integers(0, 256, (4, 3, 6, 5, 3), dtype=np.uint8)
    assert np.array_equal(unpack_views(pack_views(views)), views)
    single = np.ascontiguousarray(views[0, 0])
    assert np.array_equal(unpack_views(encode_png(single)), single[None, None])
    with pytest.raises(ValueError, match="views"):
        pack_views(views[0])


def test_many_large_pictures_take_no_more_memory_than_one_request(session: Made) -> None:
    """Six requests at once with eight pictures of two million pixels each, a few KB long: decoded one request at a
    time, into one array (six took 3.7 GB)."""
    session.step()
    given = [encoded(encode_png(np.zeros((1080, 1920, 3), np.uint8)))] * 8
    before = _peak(session)
    with ThreadPoolExecutor(6) as pool:
        body = {"observed": [given]}
        asked = [pool.submit(session.web.http.post, f"{session.path}/step", json=body, timeout=200) for _ in range(6)]
        answers = [answer.result().status_code for answer in asked]
    assert set(answers) <= {202, 429}
    assert answers.count(202) >= 1
    assert _peak(session) - before < 450_000_000


def _peak(session: Made) -> int:
    """Most bytes that the web app's process ever had in memory."""
    (process,) = psutil.Process(session.web.web.pid).children()
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024
