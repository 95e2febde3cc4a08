"""The raw socket under a WebSocket, made safe for several writers and for readers that stall.

simple-websocket writes from two threads (ours and its pinger) with plain `send`: a ping could land inside a
large frame, a full buffer could cut a frame short, and a stalled reader could hold a thread for ever.
"""

from __future__ import annotations

import base64
import binascii
import select
import socket
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Any

from werkzeug.exceptions import BadRequest

from arc_fabric.base.threads import DaemonThread

SEND_SECONDS = 10.0
"""A viewer that takes no byte for so long is dropped."""


class GuardedSocket:
    """A socket whose `send` is whole, one at a time, and ends by a deadline. Other calls pass through."""

    def __init__(self, sock: socket.socket, *, seconds: float = SEND_SECONDS) -> None:
        self._sock = sock
        self._seconds = seconds
        self._lock = threading.Lock()
        self._left: deque[memoryview] = deque()
        """What is to be sent, in order; the holder of the lock takes from its left end."""

    def send(self, data: bytes) -> int:
        """Send all of `data`, and what `send_now` left; OSError (and a dead socket) when the peer does not take it in
        time."""
        self._left.append(memoryview(data))
        deadline = time.monotonic() + self._seconds
        with self._lock:
            while not self._send_some():
                self._await_room(deadline)
        return len(data)

    def send_now(self, data: bytes) -> bool:
        """Send what the socket takes at once, without waiting; False when some is left, which goes before anything
        else with the next `send`."""
        self._left.append(memoryview(data))
        if not self._lock.acquire(blocking=False):
            return False
        try:
            return self._send_some()
        finally:
            self._lock.release()

    def _send_some(self) -> bool:
        """Whether nothing is left."""
        while self._left:
            first = self._left[0]
            try:
                sent = self._sock.send(first, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return False
            if sent < len(first):
                self._left[0] = first[sent:]
            else:
                self._left.popleft()
        return True

    def _await_room(self, deadline: float) -> None:
        poll = select.poll()
        try:
            poll.register(self._sock, select.POLLOUT)
        except ValueError as error:  # it has no file descriptor any more
            raise OSError("the viewer's socket is closed") from error
        if not poll.poll(max(deadline - time.monotonic(), 0) * 1000):
            self.kill()
            raise TimeoutError("the viewer takes no data")

    def kill(self) -> None:
        """End the connection at once in both directions; blocked readers wake up."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def recv(self, size: int) -> bytes:
        """Read at most `size` bytes, like socket.recv."""
        return self._sock.recv(size)

    def fileno(self) -> int:
        """The file descriptor, like socket.fileno."""
        return self._sock.fileno()

    def close(self) -> None:
        """Close the socket, like socket.close."""
        self._sock.close()


SERVER_OPTIONS = {
    "ping_interval": 25,
    "max_message_size": 64 * 1024,
    "thread_class": DaemonThread,
}
"""Options of simple-websocket's server."""


def prepare(environ: dict[str, Any]) -> GuardedSocket:
    """Check the handshake and put a guarded socket where simple-websocket looks for one.

    Offers of extensions are dropped: permessage-deflate costs more than it saves on JPEG.
    """
    key = environ.get("HTTP_SEC_WEBSOCKET_KEY", "")
    version = environ.get("HTTP_SEC_WEBSOCKET_VERSION")
    try:
        valid = len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        valid = False
    if not valid or version != "13" or environ.get("REQUEST_METHOD") != "GET":
        raise BadRequest("This is no WebSocket handshake of version 13 with a 16-byte Sec-WebSocket-Key.")
    environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)
    for name in ("gunicorn.socket", "werkzeug.socket"):
        if name in environ:
            environ[name] = guarded = GuardedSocket(environ[name])
            return guarded
    raise BadRequest("This server cannot upgrade connections.")
