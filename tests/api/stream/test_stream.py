"""The WebSocket: events in order and once, frames by credit, clear refusals, and nothing left behind."""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from arc_fabric.media.frames import decode_png, unpack_live
from tests.api.conftest import Made
from tests.support.waiting import TIMEOUT_S, eventually
from tests.support.web_server import WebServer


class Watch:
    """A viewer that sorts what comes into events, frames and the rest."""

    def __init__(self, url: str, path: str = "/ws/stream", **options: Any) -> None:
        self.ws: ClientConnection = connect("ws" + url[4:] + path, compression=None, **options).__enter__()
        self.hello = json.loads(self.ws.recv(timeout=TIMEOUT_S))
        assert self.hello["type"] == "hello"
        self.events: list[dict[str, Any]] = []
        self.frames: list[bytes] = []
        self.others: list[dict[str, Any]] = []

    def say(self, **message: Any) -> None:
        self.ws.send(json.dumps(message))

    def read_until(self, condition: Callable[[], object]) -> None:
        """Take what comes until the condition holds."""
        deadline = time.monotonic() + TIMEOUT_S
        while not condition():
            self._take(self.ws.recv(timeout=max(deadline - time.monotonic(), 0.01)))

    def settle(self) -> None:
        """Until what was said so far has been heard, and its answers are here."""
        pongs = self.pongs
        self.say(type="ping")
        self.read_until(lambda: self.pongs > pongs)

    def until(self, kind: str, session_id: str) -> dict[str, Any]:
        """Read up to an event of this kind; what has been read already does not count."""
        read = len(self.events)

        def new() -> list[dict[str, Any]]:
            return [e for e in self.events[read:] if (e["kind"], e["session_id"]) == (kind, session_id)]

        self.read_until(new)
        return new()[0]

    @property
    def pongs(self) -> int:
        """Answers to pings so far."""
        return sum(other["type"] == "pong" for other in self.others)

    def _take(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            self.frames.append(message)
            return
        body = json.loads(message)
        (self.events if body["type"] == "event" else self.others).append(body)


@pytest.fixture
def watch(web: WebServer) -> Iterator[Any]:
    """Makes viewers and closes them."""
    with ExitStack() as stack:

        def open_one(path: str = "/ws/stream", **options: Any) -> Watch:
            made = Watch(web.url, path, **options)
            stack.callback(made.ws.close)
            return made

        yield open_one


def key(event: dict[str, Any]) -> tuple[int, ...]:
    """An event's place in the stream."""
    return tuple(int(part) for part in event["id"].split("-"))


def test_a_step_is_told_in_order(session: Made, watch: Any) -> None:
    """queued, started, committed, finished come in this order with rising ids, and the data are the views."""
    viewer = watch(f"/ws/sessions/{session.id}/stream")
    assert viewer.hello["sessions"][0]["id"] == session.id
    job = session.step(2)
    viewer.until("job.finished", session.id)
    kinds = [event["kind"] for event in viewer.events]
    assert kinds.count("node.committed") == 2
    assert kinds.index("job.queued") < kinds.index("job.started") < kinds.index("node.committed")
    assert [key(event) for event in viewer.events] == sorted(key(event) for event in viewer.events)
    assert viewer.events[-1]["data"]["id"] == job["id"]
    assert viewer.events[-1]["data"]["state"] == "succeeded"


def test_reconnecting_with_the_last_id_loses_and_repeats_nothing(session: Made, watch: Any) -> None:
    """What one uninterrupted viewer saw equals what a viewer saw that was away in the middle, in the same order."""
    whole, broken = watch(), watch()
    session.step()
    broken.until("job.finished", session.id)
    broken.ws.close()
    last = broken.events[-1]["id"]
    session.step(3)
    back = watch()
    worker = threading.Thread(target=session.step, args=(3,))
    worker.start()
    back.say(type="subscribe", session_ids=[session.id], last_id=last)
    worker.join()
    session.step()
    newest = session.web.ok("GET", f"{session.path}/events?last_id={last}&limit=1000")["items"][-1]["id"]
    for viewer in (whole, back):
        viewer.read_until(lambda viewer=viewer: viewer.events and viewer.events[-1]["id"] == newest)
    seen = [event["id"] for event in broken.events + back.events]
    assert len(seen) == len(set(seen))
    expected = [event["id"] for event in whole.events]
    assert [event["id"] for event in back.events] == expected[expected.index(last) + 1 :]


def test_frames_come_by_credit_and_the_latest_wins(session: Made, watch: Any) -> None:
    """Two frames without credit, then as many as were drawn; each says its pane and number."""
    viewer = watch()
    viewer.say(type="subscribe", session_ids=[session.id, session.id])
    viewer.settle()
    for at_least in (2, 4):  # frames that come at once are told as one: each step gives a pane one of them or more
        session.step()
        viewer.read_until(lambda at_least=at_least: len(viewer.frames) >= at_least)
    session.step(2)
    viewer.settle()
    assert sorted(unpack_live(message)[0].pane for message in viewer.frames) == [0, 0, 1, 1]
    number = 0
    while number < 32:  # the first credit may come before the last frame does
        viewer.frames.clear()
        viewer.say(type="credit", pane=0, n=1)
        viewer.read_until(lambda: viewer.frames)
        viewer.settle()
        assert len(viewer.frames) == 1
        last, jpeg = unpack_live(viewer.frames[0])
        assert last.pane == 0 and last.number > number
        number = last.number
    assert last.last
    assert decode_png(jpeg).ndim == 3


def test_other_sessions_do_not_reach_a_sessions_own_stream(session: Made, watch: Any, picture: str) -> None:
    """The stream of one session is about that session only."""
    other = Made(session.web, picture)
    viewer = watch(f"/ws/sessions/{session.id}/stream")
    other.step()
    session.step()
    viewer.until("job.finished", session.id)
    assert {event["session_id"] for event in viewer.events} == {session.id}
    viewer.say(type="subscribe", session_ids=[other.id])
    viewer.read_until(lambda: viewer.others)
    assert viewer.others[-1]["code"] == "InvalidRequest"


@pytest.mark.parametrize(
    "message",
    [
        "{",
        "[]",
        '{"type":"nonsense"}',
        '{"type":"subscribe"}',
        '{"type":"subscribe","session_ids":["x"]}',
        '{"type":"subscribe","session_ids":["ses_00000000000000000000000000"]}',
        '{"type":"credit","pane":-1}',
        '{"type":"credit","pane":0,"n":1e9}',
        '{"type":"ping","more":1}',
        b"binary",
        "[" * 5000,
        "\x00",
    ],
)
def test_bad_messages_get_an_error_and_the_stream_goes_on(watch: Any, message: str | bytes) -> None:
    """Each is answered with a problem; a ping still works afterwards."""
    viewer = watch()
    viewer.ws.send(message)
    viewer.settle()
    assert [other["type"] for other in viewer.others] == ["error", "pong"]
    assert viewer.others[0]["what_to_do"]


def test_many_mistakes_end_the_stream(watch: Any) -> None:
    """A client that sends only nonsense is closed with 1008."""
    viewer = watch()
    with pytest.raises(ConnectionClosed) as closed:
        for _ in range(40):
            viewer.ws.send("nonsense")
        viewer.read_until(lambda: False)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/ws/stream", {"Origin": "http://evil.example"}, 403),
        ("/ws/stream", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("/ws/sessions/ses_00000000000000000000000000/stream", {}, 404),
        ("/ws/sessions/x/stream", {}, 404),
        ("/ws/stream?last_id=x", {}, 422),
        ("/ws/nowhere", {}, 404),
        ("/api/sessions", {}, 405),
    ],
)
def test_refused_handshakes_say_why(web: WebServer, path: str, headers: dict[str, str], status: int) -> None:
    """Plain HTTP answers with a problem body."""
    with pytest.raises(InvalidStatus) as refused:
        connect("ws" + web.url[4:] + path, additional_headers=headers)
    assert refused.value.response.status_code == status
    assert json.loads(refused.value.response.body)["detail"]


def test_a_handshake_that_is_none_is_a_400(web: WebServer) -> None:
    """Upgrade without a proper key, version or method."""
    base = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    good = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    for headers in (base, base | {"Sec-WebSocket-Key": "short"}, base | good | {"Sec-WebSocket-Version": "8"}):
        assert web.http.get("/ws/stream", headers=headers).status_code == 400


def test_places_are_limited_and_given_back(web: WebServer) -> None:
    """The viewer after max_viewers gets 503; when one leaves there is room again."""
    with ExitStack() as stack:
        viewers = [Watch(web.url) for _ in range(web.settings.max_viewers)]
        for viewer in viewers:
            stack.callback(viewer.ws.close)
        with pytest.raises(InvalidStatus) as refused:
            connect("ws" + web.url[4:] + "/ws/stream")
        assert refused.value.response.status_code == 503
        assert web.http.get("/healthz").status_code == 200
        viewers[0].ws.close()
        eventually(lambda: web.busy()[1] < len(viewers), what="the place is free")
        Watch(web.url).ws.close()


def test_a_stuck_viewer_and_broken_ones_leave_nothing_behind(session: Made, watch: Any) -> None:
    """Viewers that stop reading, vanish or send broken frames: others see everything, and no thread stays."""
    web = session.web
    watch().ws.close()  # the threads that follow Redis start with the first viewer
    eventually(lambda: web.busy()[1] == 0, what="the viewer is gone")
    web.wait_idle(before := web.busy()[0])
    host, port = web.url.removeprefix("http://").split(":")
    raw = [_handshake(host, int(port)) for _ in range(12)]
    for number, sock in enumerate(raw):
        sock.sendall(_masked(json.dumps({"type": "subscribe", "session_ids": [session.id]}).encode()))
        if number % 4 == 1:
            sock.sendall(os.urandom(500))
        if number % 4 == 2:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
        if number % 4 == 3:
            sock.sendall(_masked(b"{}", length=1 << 40))
            sock.shutdown(socket.SHUT_WR)
    viewer = watch()
    session.step(20)
    viewer.until("job.finished", session.id)
    assert sum(event["kind"] == "node.committed" for event in viewer.events) == 20
    for sock in raw:
        sock.close()
    viewer.ws.close()
    web.wait_idle(before)
    assert "Traceback" not in web.web.log_tail(200)


def _handshake(host: str, port: int) -> socket.socket:
    sock = socket.create_connection((host, port), timeout=10)
    sock.sendall(
        f"GET /ws/stream HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    assert sock.recv(4096).startswith(b"HTTP/1.1 101")
    return sock


def _masked(data: bytes, *, length: int | None = None) -> bytes:
    """A text frame from a client, masked with zeros; `length` may lie."""
    size = len(data) if length is None else length
    head = (
        bytes([0x81, 0x80 | size])
        if size < 126
        else bytes([0x81, 0xFE]) + struct.pack(">H", size)
        if size < 65536
        else bytes([0x81, 0xFF]) + struct.pack(">Q", size)
    )
    return head + b"\0\0\0\0" + data
