"""The first list of endpoints, in its own order and words: what was promised then works exactly so."""

from __future__ import annotations

import io
import json

import numpy as np
from PIL import Image
from websockets.sync.client import connect

from tests.support.web_server import WebServer


def test_the_first_list_of_endpoints(web: WebServer, picture: str) -> None:
    """Work is 202 with a job to poll; a fork takes {checkpoint_id, new_prompt, new_seed}, returns the session id."""
    http = web.http
    created = http.post("/api/sessions", json={"prompt": "pick up the red cup", "initial_frame": picture})
    assert created.status_code == 202
    sid = created.json()["session_id"]
    path = f"/api/sessions/{sid}"

    def done(answer: object) -> dict:
        assert answer.status_code == 202, answer.text  # type: ignore[attr-defined]
        job = answer.json()["job"]  # type: ignore[attr-defined]
        job = web.ok("GET", f"/api/jobs/{job['id']}?wait=30")
        assert job["state"] == "succeeded", job
        return job

    done(created)
    assert sid in [item["id"] for item in web.ok("GET", "/api/sessions")["items"]]
    assert web.ok("GET", path)["id"] == sid

    with connect("ws" + web.url[4:] + f"/ws/sessions/{sid}/stream", compression=None) as stream:
        assert json.loads(stream.recv(timeout=5))["type"] == "hello"
        done(http.post(f"{path}/step", json={}))
        done(http.post(f"{path}/step", json={"steps": 2}))
        kinds = set()
        while "node.committed" not in kinds:
            message = stream.recv(timeout=10)
            kinds |= {json.loads(message).get("kind")} if isinstance(message, str) else set()

    head = web.ok("GET", path)["head"]
    assert done(http.post(f"{path}/checkpoint", json={}))["result"] == {"checkpoint_id": head, "durability": "durable"}
    assert done(http.post(f"{path}/rewind", json={"n_steps": 1}))["result"]["frame_index"] == 2
    fork = http.post(f"{path}/fork", json={"checkpoint_id": head, "new_prompt": "push the cup", "new_seed": 42})
    done(fork)
    other = web.ok("GET", f"/api/sessions/{fork.json()['session_id']}")
    assert (other["head"], other["prompt"], other["seed"]) == (head, "push the cup", 42)

    frame = http.get(f"{path}/frames/0")
    assert (frame.headers["content-type"], Image.open(io.BytesIO(frame.content)).format) == ("image/png", "PNG")
    video = http.get(f"{path}/video")
    assert (video.headers["content-type"], video.content[4:8]) == ("video/mp4", b"ftyp")
    assert [node["frame_index"] for node in web.ok("GET", f"{path}/tree")["nodes"]] == [0, 1, 2, 3]
    assert web.ok("GET", f"{path}/tree?format=d3")["children"][0]["children"][0]["name"] == "step 2"
    assert np.load(io.BytesIO(http.get(f"{path}/latents/1").content)).ndim == 5

    waiting = http.post(f"{path}/step", json={"steps": 1000}).json()["job"]
    assert web.ok("DELETE", f"/api/jobs/{waiting['id']}")["id"] == waiting["id"]
    assert web.ok("GET", f"/api/jobs/{waiting['id']}?wait=30")["state"] == "cancelled"
    assert web.ok("DELETE", path)["session"]["state"] == "closed"
    assert "<html" in http.get("/").text
    assert http.get("/static/js/main.js").status_code == 200
