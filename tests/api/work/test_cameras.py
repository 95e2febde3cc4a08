"""Three cameras over HTTP: every view arrives, in its place, as initial and as observed frames; none may be missing."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from openpi_client.websocket_client_policy import WebsocketClientPolicy
from PIL import Image

from arc_fabric.client import ArcFabric
from arc_fabric.manager import StateManager
from arc_fabric.media.frames import encode_png, unpack_views
from arc_fabric.openpi.backend import scaled
from arc_fabric.openpi.remote import RemoteBackend
from arc_fabric.services.valkey import ValkeyServer
from arc_fabric.services.weed import WeedServer
from arc_fabric.session import Session
from arc_fabric.store.backends import backend_from_settings
from tests.api.http.test_refusals import encoded
from tests.openpi.test_server import serve_on
from tests.support.three_cameras import CAMERAS, ThreeCameras
from tests.support.web_fixtures import serving
from tests.support.web_server import WebServer
from workers.jobs.payloads import digest_of

PROMPT, SEED, FRAMES = "pick up the red cup", 7, 8


@pytest.fixture(scope="module")
def server(s3_server: WeedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    """The web app, on a Redis of its own, with a worker whose model has three cameras."""
    redis = ValkeyServer(tmp_path_factory.mktemp("cameras-redis"))
    redis.start()
    model = "python:tests.support.three_cameras:load"
    with serving(s3_server, redis.url, tmp_path_factory.mktemp("cameras"), model=model) as server:
        yield server
    redis.stop()


@pytest.fixture
def cameras(server: WebServer) -> Iterator[WebServer]:
    """The server with all slots free."""
    server.close_all()
    yield server
    server.close_all()


def views(seed: int, count: int = CAMERAS, size: tuple[int, int] = (40, 48)) -> np.ndarray:
    """uint8 [V, h, w, 3]."""
    return np.random.default_rng(seed).integers(0, 256, (count, *size, 3), dtype=np.uint8)


def in_base64(pictures: np.ndarray) -> list[str]:
    """One picture per camera as the API takes them."""
    return [encoded(encode_png(view)) for view in pictures]


def seen(at: int) -> np.ndarray:
    """uint8 [T, V, h, w, 3], what the cameras saw before step `at`."""
    return np.stack([views(100 * at + i) for i in range(FRAMES)])


def as_files(frames: np.ndarray) -> list[tuple[str, tuple[str, bytes, str]]]:
    """uint8 [T, V, h, w, 3] as the files of a form, frame by frame."""
    return [
        (f"observed.{camera}", (f"{at}.png", encode_png(view), "image/png"))
        for at, frame in enumerate(frames)
        for camera, view in enumerate(frame)
    ]


def create(server: WebServer, frame: Any) -> str:
    """The id of a session that has its root."""
    body = {"prompt": PROMPT, "initial_frame": frame, "seed": SEED}
    answer = server.ok("POST", "/api/sessions?wait=60", json=body)
    assert answer["job"]["state"] == "succeeded", answer
    return answer["session"]["id"]


def picture_at(server: WebServer, session: str, number: int) -> np.ndarray:
    """A video frame of the session."""
    data = server.http.get(f"/api/sessions/{session}/frames/{number}").content
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def latents(server: WebServer, session: str) -> list[str]:
    """Digests of the latents of each step."""
    nodes = server.ledger.nodes.lineage(server.ledger.sessions.get(session).head)
    return [node.internal["_digest"] for node in nodes[1:]]


def plain(steps: list[np.ndarray | None]) -> list[str]:
    """The same of the same world in this process."""
    model = ThreeCameras()
    session = Session("plain", model, StateManager(model), PROMPT, views(1), seed=SEED)
    return [digest_of(session.step(observed=given)) for given in steps]


def test_every_view_is_in_its_place_in_the_initial_frame(cameras: WebServer) -> None:
    """JSON, a multipart form, the job form and the Python client make the same first picture, the model's mosaic."""
    given = views(1)
    files = [("initial_frame", (f"{i}.png", encode_png(view), "image/png")) for i, view in enumerate(given)]
    form = {"prompt": PROMPT, "seed": SEED}
    made = [create(cameras, in_base64(given))]
    made.append(cameras.ok("POST", "/api/sessions?wait=60", data=form, files=files)["session"]["id"])
    job = {"kind": "create", "params": form | {"initial_frame": in_base64(given)}}
    made.append(cameras.ok("POST", "/api/jobs?wait=60", json=job)["job"]["session_id"])
    with ArcFabric(cameras.url) as fabric:
        made.append(fabric.new_session(PROMPT, given, seed=SEED).id)
        mosaic = ThreeCameras().fit_image(given)
        for session in made:
            assert np.array_equal(picture_at(cameras, session, 0), mosaic)
    swapped = create(cameras, in_base64(given[[0, 2, 1]]))
    assert np.array_equal(picture_at(cameras, swapped, 0), ThreeCameras().fit_image(given[[0, 2, 1]]))
    assert not np.array_equal(picture_at(cameras, swapped, 0), mosaic)


def test_a_closed_loop_with_three_views_has_the_bits_of_the_plain_one(cameras: WebServer) -> None:
    """Across a window's end, through JSON, a form and the client; the frames can be read back; each view counts."""
    steps = [None, seen(1), seen(2), None, seen(4), seen(5)]
    session = create(cameras, in_base64(views(1)))
    body = {"steps": 3, "observed": [None, *([in_base64(frame) for frame in step] for step in steps[1:3])]}
    done = cameras.ok("POST", f"/api/sessions/{session}/step?wait=60", json=body)["job"]
    assert done["state"] == "succeeded", done
    path = f"/api/sessions/{session}/step?wait=60"
    assert cameras.ok("POST", path, json={"steps": 1})["job"]["state"] == "succeeded"
    assert cameras.ok("POST", path, files=as_files(steps[4]))["job"]["state"] == "succeeded"
    with ArcFabric(cameras.url) as fabric:
        ours = fabric.session(session)
        ours.step(1, observed=steps[5:])
        assert latents(cameras, session) == plain(steps)
        assert np.array_equal(ours.observed(str(ours.refresh().head)), steps[5])
    checkpoint = done["result"]["steps"][1]["checkpoint_id"]
    answer = cameras.http.get(f"/api/checkpoints/{checkpoint}/observed")
    assert answer.headers["x-frames"] == str(FRAMES)
    assert np.array_equal(unpack_views(answer.content), steps[1])
    for camera in range(CAMERAS):
        other = seen(1)
        other[:, camera] ^= 255
        assert plain([None, other])[1] != plain([None, steps[1]])[1], f"camera {camera} is not seen"


def test_one_picture_stands_for_the_whole_frame(cameras: WebServer) -> None:
    """As documented: a picture alone, not in a list, is the whole frame."""
    whole = views(3, 1)[0]
    session = create(cameras, encoded(encode_png(whole)))
    assert np.array_equal(picture_at(cameras, session, 0), ThreeCameras().fit_image(whole))


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_missing_view_is_refused(cameras: WebServer, count: int) -> None:
    """In the initial frame and in one frame of a step: 422 that says how many there must be; nothing is stored."""
    session = create(cameras, in_base64(views(1)))
    objects = {info.key for info in backend_from_settings(cameras.settings).list("inputs/")}
    wrong = in_base64(views(5, count))
    frames = [in_base64(frame) for frame in seen(1)]
    bodies = {
        "initial_frame": ("/api/sessions", {"prompt": PROMPT, "initial_frame": wrong}),
        "observed.0.5": (f"/api/sessions/{session}/step", {"observed": [[*frames[:5], wrong, *frames[6:]]]}),
    }
    for field, (path, body) in bodies.items():
        problem = cameras.problem(422, "POST", path, json=body)
        words = problem["detail"] + " ".join(error["field"] for error in problem.get("errors", ()))
        assert field in words and f"has {count} picture" in words and "3 cameras: give one per camera" in words
    if count > 1:
        files = [
            ("initial_frame", (f"{i}.png", encode_png(view), "image/png")) for i, view in enumerate(views(5, count))
        ]
        assert (
            "3 cameras" in cameras.problem(422, "POST", "/api/sessions", data={"prompt": PROMPT}, files=files)["detail"]
        )
    assert {info.key for info in backend_from_settings(cameras.settings).list("inputs/")} == objects
    assert len(cameras.ledger.sessions.page("open").items) == 1
    assert cameras.ledger.sessions.get(session).frame_index == 0


def test_a_form_that_leaves_out_a_frame_or_a_camera_is_refused(cameras: WebServer) -> None:
    """By the files' names; whole frames and views do not mix, other names are unknown, cameras come in any order."""
    session = create(cameras, in_base64(views(1)))
    path = f"/api/sessions/{session}/step"
    files = as_files(seen(1))

    def refused(given: list[tuple[str, tuple[str, bytes, str]]]) -> str:
        problem = cameras.problem(422, "POST", path, files=given)
        return problem["detail"] + problem["what_to_do"]

    assert "8 of observed.0, 7 of observed.1, 8 of observed.2" in refused(files[:1] + files[2:])
    assert "8 of observed.0, 0 of observed.1, 8 of observed.2" in refused([f for f in files if f[0] != "observed.1"])
    assert "has 2 pictures; this model has 3 cameras" in refused([f for f in files if f[0] != "observed.2"])
    assert "has 7 frames" in refused(files[CAMERAS:])
    assert "by camera" in refused([*files, ("observed", files[0][1])])
    assert "observed.03" in refused([("observed.03", files[0][1])])
    assert cameras.ledger.sessions.get(session).frame_index == 0
    by_camera = sorted(files, key=lambda file: file[0])
    assert cameras.ok("POST", f"{path}?wait=60", files=by_camera)["job"]["state"] == "succeeded"
    assert latents(cameras, session) == plain([seen(1)])


def test_views_of_several_sizes_are_refused(cameras: WebServer) -> None:
    """Named by field, with the sizes."""
    frame = [*in_base64(views(1, 2)), *in_base64(views(2, 1, (41, 48)))]
    problem = cameras.problem(422, "POST", "/api/sessions", json={"prompt": PROMPT, "initial_frame": frame})
    assert "initial_frame" in problem["detail"] and "48 x 41" in problem["detail"]


def test_a_policy_client_without_a_wrist_camera(cameras: WebServer) -> None:
    """Through the policy endpoint the views that a client does not have are black; the loop is closed with the rest."""
    frames = [views(10 + i, 2) for i in range(3)]
    names = ("observation/exterior_image_0_left", "observation/exterior_image_1_left")
    with ArcFabric(cameras.url) as fabric:
        serving = serve_on(RemoteBackend(fabric, closed_loop=True, seed=SEED))
        client = WebsocketClientPolicy("127.0.0.1", next(serving))
        assert client.get_server_metadata()["n_external_cameras"] == 2
        answers = [client.infer(dict(zip(names, frame, strict=True)) | {"prompt": PROMPT}) for frame in frames]
        episode = fabric.session(answers[0]["arc_fabric"]["session_id"])
        first = picture_at(cameras, episode.id, 0)
        given = episode.observed(answers[-1]["arc_fabric"]["checkpoint_id"])
        client._ws.close()
        next(serving, None)
    size = ThreeCameras.geometry.image_height, ThreeCameras.geometry.image_width
    assert np.array_equal(first, ThreeCameras().fit_image(scaled(frames[0], size)))
    assert given.shape[1] == CAMERAS and not given[:, 2].any()
    assert np.array_equal(given[-1, :2], scaled(frames[-1], size))


def test_the_document_asks_for_one_picture_per_camera(cameras: WebServer) -> None:
    """OpenAPI has the model's number as the least and the most."""
    document = cameras.ok("GET", "/openapi/openapi.json")
    schema = document["components"]["schemas"]["CreateSession"]
    lists = [form for form in schema["properties"]["initial_frame"]["oneOf"] if form.get("type") == "array"]
    assert [(form["minItems"], form["maxItems"]) for form in lists] == [(CAMERAS, CAMERAS)]
    post = document["paths"]["/api/sessions/{session_id}/step"]["post"]["requestBody"]["content"]
    files = post["multipart/form-data"]["schema"]["properties"]
    assert {name for name in files if name.startswith("observed.")} == {f"observed.{at}" for at in range(CAMERAS)}
    assert files["observed.2"]["minItems"] == files["observed.2"]["maxItems"] == FRAMES
