"""Closed loop through the whole system on the tabletop model: the bits of the SDK in one process."""

from __future__ import annotations

import base64

import numpy as np

from arc_fabric.manager import StateManager
from arc_fabric.media.frames import encode_png
from arc_fabric.models.registry import load_model
from arc_fabric.session import Session
from tests.integration.conftest import Api

PROMPT = "pick up the red cup"


def seen(picture: np.ndarray, at: int) -> np.ndarray:
    """What a camera that moves sideways saw before step `at`, uint8 [8, 64, 64, 3]."""
    return np.stack([np.roll(picture, 8 * at + i, axis=1) for i in range(8)])


def test_http_and_worker_give_the_bits_of_the_sdk(api: Api) -> None:
    """Six steps across a window's end, with real frames but for one; one request with several steps, one as a form."""
    model = load_model("tabletop", "cpu")
    picture = next(iter(model.samples().values()))
    given = [None, *(seen(picture, at) for at in range(1, 3)), None, *(seen(picture, at) for at in range(4, 6))]
    plain = Session("plain", model, StateManager(model), PROMPT, picture, seed=7)
    expected = [plain.step(observed=frames) for frames in given]

    session = api.session(initial_frame=encoded(picture))
    api.step(session["id"])
    api.step(session["id"], observed=[[encoded(frame) for frame in given[1]]])
    files = [("observed", (f"{i}.png", encode_png(frame), "image/png")) for i, frame in enumerate(given[2])]
    api.job(api.ok("POST", f"/api/sessions/{session['id']}/step", files=files, data={"prompt": PROMPT}))
    rest = [None if frames is None else [encoded(frame) for frame in frames] for frames in given[3:]]
    api.step(session["id"], observed=rest)

    nodes = api.ok("GET", f"/api/sessions/{session['id']}/tree")["nodes"][1:]
    assert [node["observed"] for node in nodes] == [0, 8, 8, 0, 8, 8]
    for n, step in enumerate(expected, 1):
        assert np.array_equal(api.latents(session["id"], n), step.step_latents.float().numpy()), f"step {n}"
        assert np.array_equal(np.float32(nodes[n - 1]["actions"]), step.actions)
    imagined = api.fork(session["id"], checkpoint_id=nodes[0]["id"], steps=1)
    assert not np.array_equal(api.latents(imagined["id"], 2), api.latents(session["id"], 2))


def encoded(picture: np.ndarray) -> str:
    """A PNG in base64."""
    return base64.b64encode(encode_png(picture)).decode()
