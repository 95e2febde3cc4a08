"""What is wrong gets a clear 4xx that says what to do, and leaves nothing half-made."""

from __future__ import annotations

import base64
import io
import socket
import struct
import zlib
from typing import Any

import pytest
from PIL import Image

from tests.api.conftest import Made
from tests.support.web_server import WebServer

NOBODY = "ses_" + "0" * 26
NOTHING = "ckp_" + "0" * 26


def encoded(data: bytes) -> str:
    """Base64 text."""
    return base64.b64encode(data).decode()


def bomb(width: int, height: int) -> bytes:
    """A tiny PNG file that says it is huge."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def truncated() -> bytes:
    """Half a JPEG."""
    out = io.BytesIO()
    Image.effect_noise((200, 200), 90).convert("RGB").save(out, "JPEG")
    return out.getvalue()[: len(out.getvalue()) // 2]


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (encoded(b"no image at all"), "no PNG, JPEG or WebP"),
        (encoded(b"no image at all" * 9), "the 135 bytes given are no PNG, JPEG or WebP"),
        ("%%%", "base64"),
        ("", "initial_frame"),
        (encoded(bomb(60_000, 60_000)), "60000"),
        (encoded(bomb(4097, 10)), "4096"),
        (encoded(truncated()), "decoded"),
        (encoded(b"GIF89a" + b"\0" * 100), "no PNG, JPEG or WebP"),
        ("sample:no-such", "no sample"),
        ("sample:../../etc/passwd", "no sample"),
    ],
)
def test_bad_images_are_refused(web: WebServer, frame: str, says: str) -> None:
    """422 with the reason; no session, no object."""
    before = sum(1 for _ in web.ledger.sessions.page(limit=500).items)
    problem = web.problem(422, "POST", "/api/sessions", json={"prompt": "p", "initial_frame": frame})
    assert says in problem["detail"]
    assert sum(1 for _ in web.ledger.sessions.page(limit=500).items) == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"prompt": "p", "initial_frame": "x", "state": [1.0] * 99}, "state"),
        ({"prompt": 17, "initial_frame": "x"}, "prompt"),
        ({"prompt": None, "initial_frame": "x"}, "prompt"),
        ({"initial_frame": "x"}, "prompt"),
        ({"prompt": "", "initial_frame": "x"}, "prompt"),
        ({"prompt": "p" * 2001, "initial_frame": "x"}, "prompt"),
        ({"prompt": "p", "initial_frame": "x", "seed": "7"}, "seed"),
        ({"prompt": "p", "initial_frame": "x", "seed": -1}, "seed"),
        ({"prompt": "p", "initial_frame": "x", "seed": True}, "seed"),
        ({"prompt": "p", "initial_frame": "x", "state": [1, "2"]}, "state.1"),
        ({"prompt": "p", "initial_frame": "x", "extra": 1}, "extra"),
    ],
)
def test_bad_members_are_named(web: WebServer, body: dict[str, Any], field: str) -> None:
    """The problem names the field."""
    problem = web.problem(422, "POST", "/api/sessions", json=body)
    named = [error["field"] for error in problem.get("errors", [])] or [problem["detail"].split()[0]]
    assert any(name == field for name in named), problem


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 422),
        (b"[" * 100_000, "application/json", 422),
        (b'{"a": NaN}', "application/json", 422),
        (b'{"a": 1e999}', "application/json", 422),
        (b'"{\\"prompt\\": \\"p\\"}"', "application/json", 422),
        (b"[]", "application/json", 422),
        (b'{"prompt": "\\ud800", "initial_frame": "x"}', "application/json", 422),
        (b"\xff\xfe", "application/json", 422),
        (b"prompt=p", "application/x-www-form-urlencoded", 415),
        (b"hello", "text/plain", 415),
        (b"--x\r\nbroken", "multipart/form-data; boundary=x", 422),
        (b"broken", "multipart/form-data", 422),
    ],
)
def test_bodies_that_are_no_json_object(web: WebServer, content: bytes, kind: str, status: int) -> None:
    """Whatever the body is, the answer is a 4xx with a problem."""
    web.problem(status, "POST", "/api/sessions", content=content, headers={"content-type": kind})


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", f"/api/sessions/{NOBODY}", 404, "SessionNotFound"),
        ("GET", "/api/sessions/1", 404, "SessionNotFound"),
        ("GET", f"/api/sessions/{NOBODY}/tree", 404, "SessionNotFound"),
        ("GET", f"/api/sessions/{NOBODY}/frames/0", 404, "SessionNotFound"),
        ("GET", f"/api/sessions/{NOBODY}/video", 404, "SessionNotFound"),
        ("DELETE", f"/api/sessions/{NOBODY}", 404, "SessionNotFound"),
        ("POST", f"/api/sessions/{NOBODY}/step", 404, "SessionNotFound"),
        ("POST", f"/api/sessions/{NOBODY}/rewind", 404, "SessionNotFound"),
        ("POST", f"/api/sessions/{NOBODY}/reopen", 404, "SessionNotFound"),
        ("GET", f"/api/checkpoints/{NOTHING}", 404, "NodeNotFound"),
        ("GET", f"/api/checkpoints/{NOTHING}/frames", 404, "NodeNotFound"),
        ("GET", f"/api/checkpoints/{NOTHING}/video", 404, "NodeNotFound"),
        ("GET", "/api/checkpoints/..%2F..%2Fetc", 404, "NotFound"),
        ("GET", "/api/jobs/job_" + "0" * 26, 404, "JobNotFound"),
        ("GET", "/api/jobs?limit=0", 422, "InvalidRequest"),
        ("GET", "/api/jobs?cursor=x", 422, "InvalidRequest"),
        ("GET", "/api/jobs?nonsense=1", 422, "InvalidRequest"),
        ("GET", f"/api/compare?nodes={NOTHING}", 422, "InvalidRequest"),
        ("GET", f"/api/compare?nodes={NOTHING},{NOTHING[:-1]}1", 404, "NodeNotFound"),
        ("GET", "/api/nowhere", 404, "NotFound"),
        ("PUT", "/api/sessions", 405, "MethodNotAllowed"),
        ("GET", "/ws/stream", 400, "WebsocketMismatch"),
    ],
)
def test_unknown_things(web: WebServer, method: str, path: str, status: int, code: str) -> None:
    """Unknown ids, routes, methods and parameters."""
    assert web.problem(status, method, path)["code"] == code


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("step", {"steps": 0}, 422, "InvalidRequest"),
        ("step", {"steps": 1001}, 422, "InvalidRequest"),
        ("step", {"steps": 1.5}, 422, "InvalidRequest"),
        ("step", {"steps": 2, "actions": [None]}, 422, "InvalidRequest"),
        ("step", {"steps": 1, "actions": [[[1.0]]]}, 422, "InvalidRequest"),
        ("step", {"state": [1.0] * 99}, 422, "InvalidRequest"),
        ("step", {"if_head": NOTHING}, 409, "HeadMoved"),
        ("rewind", {"n_steps": 2}, 409, "RewindBeyondRoot"),
        ("rewind", {"n_steps": 1, "checkpoint_id": NOTHING}, 422, "InvalidRequest"),
        ("rewind", {"checkpoint_id": NOTHING}, 404, "NodeNotFound"),
        ("fork", {"checkpoint_id": NOTHING}, 404, "CheckpointNotFound"),
        ("fork", {}, 422, "InvalidRequest"),
        ("fork", {"checkpoint_id": NOTHING, "prompt_mode": "forget"}, 422, "InvalidRequest"),
    ],
)
def test_work_that_cannot_be_done(session: Made, path: str, body: dict[str, Any], status: int, code: str) -> None:
    """Refused at once; the session has no job more than before."""
    session.step()
    before = len(session.web.ok("GET", f"/api/jobs?session={session.id}")["items"])
    assert session.web.problem(status, "POST", f"{session.path}/{path}", json=body)["code"] == code
    assert len(session.web.ok("GET", f"/api/jobs?session={session.id}")["items"]) == before


def test_frames_and_latents_beyond_the_end(session: Made) -> None:
    """404 that says what there is."""
    session.step()
    assert session.web.problem(404, "GET", f"{session.path}/frames/9")["n_frames"] == 9
    assert session.web.problem(404, "GET", f"{session.path}/latents/2")["frame_index"] == 1
    session.web.problem(404, "GET", f"{session.path}/latents/0")
    session.web.problem(404, "GET", f"{session.path}/video?to=10")
    session.web.problem(404, "GET", f"{session.path}/video?from=5&to=5")
    session.web.problem(404, "GET", f"/api/checkpoints/{session.now()['head']}/frames/8")


def test_a_huge_body_is_refused_and_the_connection_lives(web: WebServer) -> None:
    """50 MB: 413 with a problem body, with a length and in chunks alike; the next request works."""
    headers = {"content-type": "application/json"}
    problem = web.problem(413, "POST", "/api/sessions", content=b"x" * 50_000_000, headers=headers)
    assert problem["max_bytes"] == 16 << 20
    chunks = (b"x" * 1_000_000 for _ in range(30))
    web.problem(413, "POST", "/api/sessions", content=chunks, headers=headers)
    assert web.http.get("/healthz").status_code == 200


def test_idempotency_key_brings_the_first_job_back(session: Made) -> None:
    """Also where the repeated request could no longer be accepted; another body with the same key is a 409."""
    session.step(2)
    key = {"Idempotency-Key": f"key-{session.id}"}
    first = session.web.http.post(f"{session.path}/rewind?wait=20", json={"n_steps": 2}, headers=key)
    again = session.web.http.post(f"{session.path}/rewind?wait=20", json={"n_steps": 2}, headers=key)
    assert first.json()["job"]["id"] == again.json()["job"]["id"]
    assert again.headers["idempotency-replayed"] == "true"
    session.web.problem(409, "POST", f"{session.path}/rewind", json={"n_steps": 1}, headers=key)
    assert session.now()["frame_index"] == 0


def test_half_an_upload_ends_with_a_4xx_or_a_closed_connection(web: WebServer) -> None:
    """A client that stops in the middle of its body leaves the server as it was."""
    host, port = web.url.removeprefix("http://").split(":")
    head = f"POST /api/sessions HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
    for rest in ("Content-Length: 1000\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\nzz\r\n"):
        with socket.create_connection((host, int(port)), timeout=10) as sock:
            sock.sendall((head + rest).encode())
            sock.shutdown(socket.SHUT_WR)
            answer = sock.recv(4096)
            assert not answer or answer.startswith(b"HTTP/1.1 4"), answer
    assert web.http.get("/healthz").status_code == 200


def test_a_picture_that_can_be_none_refuses_the_whole_list(session: Made) -> None:
    """Found by generated requests: 422 with the place of the picture, before any job of the list is looked at."""
    short = {"kind": "create", "params": {"prompt": "p", "initial_frame": "AAA"}}
    step = {"kind": "step", "session_id": session.id}
    problem = session.web.problem(422, "POST", "/api/jobs", json=[step, short])
    assert (problem["code"], problem["errors"][0]["field"]) == ("InvalidImage", "1.params.initial_frame")
    unknown = {"kind": "step", "session_id": "ses_" + "0" * 26, "params": {"observed": [["sample:none"] * 8]}}
    problem = session.web.problem(422, "POST", "/api/jobs", json=[unknown])
    assert problem["errors"][0]["field"].startswith("0.params.observed.0"), problem
    assert session.now()["frame_index"] == 0


@pytest.mark.parametrize("text", [" " * 10_000_000 + "!", "A" * 10_000_000 + "!", "A " * 5_000_000 + "=" * 3])
def test_texts_made_against_patterns_are_refused(web: WebServer, text: str) -> None:
    """Megabytes that nearly are base64 cost what reading them costs: a pattern that tries again from every character
    would outlast any timeout."""
    web.problem(422, "POST", "/api/sessions", json={"prompt": "p", "initial_frame": text})
