"""The policy server: a WebSocket at the root of a port of its own, as OpenPI and RoboArena clients expect it.

The server speaks first: its metadata. Then each message is an observation, answered by actions. OpenPI
clients send no `endpoint` and get a map with `actions`; RoboArena clients send `endpoint` "infer" or "reset"
and get the bare array, or a text. A text in answer to an observation is an error, in both dialects. An
episode is what shares a `session_id`, or a connection where none is sent (see `episodes`).
"""

from __future__ import annotations

import hmac
import logging
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from arc_fabric.base.hosts import host_of
from arc_fabric.errors import ArcFabricError, Forbidden, InvalidRequest, PayloadTooLarge
from arc_fabric.openpi.backend import Act, Backend
from arc_fabric.openpi.episodes import Episodes, Place
from arc_fabric.openpi.observation import episode_name, read_observation
from arc_fabric.openpi.wire import pack, unpack
from arc_fabric.settings import LOOPBACK_HOSTS

log = logging.getLogger(__name__)
MAX_MESSAGE_BYTES = 64 << 20
"""Larger messages are refused in an answer; of more than twice as much, the connection is closed (code 1009)."""
MAX_CONNECTIONS = 256
"""Each has a thread; one that says nothing ends after ten seconds (`open_timeout` of websockets)."""


def make_server(backend: Backend, host: str = "127.0.0.1", port: int = 8000, *, api_key: str | None = None) -> Server:
    """A server that is bound (`.socket.getsockname()`) and waits for `serve_forever()`; `shutdown()` ends it.

    Beyond loopback an `api_key` is required; clients send it as `Authorization: Api-Key <key>`. Pages in a browser are
    refused: they send an Origin, or, without a key, a Host that does not name this machine.
    """
    if host not in LOOPBACK_HOSTS and not api_key:
        raise Forbidden(f"Refusing to listen on {host} without an API key.", hint="Set one, or listen on 127.0.0.1.")

    def admit(connection: ServerConnection, request: Request) -> Response | None:
        if request.path == "/healthz":
            return connection.respond(200, "OK\n")
        if api_key and not _has_key(request.headers, api_key):
            return connection.respond(401, "Send 'Authorization: Api-Key <key>'.\n")
        if not api_key and host_of(request.headers.get("Host", "")) not in (*LOOPBACK_HOSTS, host):
            return connection.respond(403, f"This server answers to {host} and localhost only.\n")
        return None

    episodes = Episodes(backend)

    def handle(connection: ServerConnection) -> None:
        _Conversation(backend, episodes, connection).run()

    options: dict[str, Any] = {"compression": None, "max_size": 2 * MAX_MESSAGE_BYTES, "origins": [None]}
    listener = _Listener(host, port)
    server = serve(handle, sock=listener, process_request=admit, **options)
    listener.crowded = lambda: len(server.handler_threads) >= MAX_CONNECTIONS
    return server


class _Listener(socket.socket):
    """Ends a connection as it comes where there are too many: without a file descriptor for the next one the server's
    loop would end."""

    def __init__(self, host: str, port: int) -> None:
        bound = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        super().__init__(fileno=bound.detach())
        self.crowded: Callable[[], bool] = lambda: False

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection; ended already in a crowd."""
        sock, address = super().accept()
        if self.crowded():
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        return sock, address


def _has_key(headers: Headers, api_key: str) -> bool:
    return hmac.compare_digest(headers.get("Authorization", "").encode(), f"Api-Key {api_key}".encode())


class _Conversation:
    """One client's connection."""

    def __init__(self, backend: Backend, episodes: Episodes, connection: ServerConnection) -> None:
        self._backend = backend
        self._episodes = episodes
        self._connection = connection
        self._place: Place | None = None

    def run(self) -> None:
        """Until the client leaves."""
        try:
            self._connection.send(pack(self._backend.metadata()))
            for data in self._connection:
                self._connection.send(self._answer(data))
        except ConnectionClosed:
            log.info("client left")
        finally:
            self._end(forget=False)

    def _answer(self, data: str | bytes) -> str | bytes:
        try:
            if len(data) > MAX_MESSAGE_BYTES:
                raise PayloadTooLarge(
                    f"The message has {len(data)} bytes; at most {MAX_MESSAGE_BYTES} are accepted.",
                    hint="Send smaller pictures: the model sees them at its own size.",
                )
            message = unpack(data) if isinstance(data, bytes) else None
            if not isinstance(message, dict):
                raise InvalidRequest("A message must be a msgpack map.")
            return self._serve(message)
        except ArcFabricError as error:
            return f"{error.code}: {error.message} {error.what_to_do}".strip()
        except Exception as error:  # a client must get an answer, whatever the model raised
            log.exception("a call failed")
            return f"{type(error).__name__}: {error}"

    def _serve(self, message: Mapping[str, Any]) -> str | bytes:
        endpoint = message.get("endpoint")
        if endpoint == "reset":
            self._end(forget=True)
            return "reset successful"
        if endpoint not in (None, "infer"):
            raise InvalidRequest(f"There is no endpoint {endpoint!r}; expected 'infer' or 'reset'.")
        started = time.perf_counter()
        act = self._infer(message)
        if endpoint == "infer":
            return pack(act.actions)
        return pack(_openpi_answer(act, 1000 * (time.perf_counter() - started)))

    def _infer(self, message: Mapping[str, Any]) -> Act:
        observation, name = read_observation(message), episode_name(message)
        self._place = self._episodes.place(self, self._place, name)
        return self._episodes.act(self._place, observation)

    def _end(self, *, forget: bool) -> None:
        place, self._place = self._place, None
        self._episodes.leave(self, place, forget=forget)


def _openpi_answer(act: Act, milliseconds: float) -> dict[str, Any]:
    return {
        "actions": act.actions,
        "server_timing": {"infer_ms": milliseconds},
        "arc_fabric": {
            "session_id": act.session_id,
            "checkpoint_id": act.checkpoint_id,
            "frame_index": act.frame_index,
            "closed_loop": act.closed_loop,
            "state_used": act.state_used,
        },
    }
