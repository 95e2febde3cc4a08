"""From a viewer's outbox to its socket.

Whoever puts something into the box sends it as well, as far as the socket takes it at once: waking a thread per
viewer and message costs several times what the sending does. For a viewer that reads slowly, a thread waits.
"""

from __future__ import annotations

import threading

from simple_websocket import Server

from arc_fabric.base.threads import DaemonThread
from webapp.stream.outbox import Outbox
from webapp.stream.sockets import GuardedSocket

MOST_BYTES = 1 << 15
"""Sent at once: bounds what must leave within the socket's deadline."""
_TEXT, _BINARY = 0x81, 0x82


def wire(message: str | bytes) -> bytes:
    """A whole message as one WebSocket frame of a server (RFC 6455: final, not masked).

    >>> wire("hi"), wire(bytes(300))[:4]
    (b'\\x81\\x02hi', b'\\x82~\\x01,')
    """
    kind, data = (_TEXT, message.encode()) if isinstance(message, str) else (_BINARY, message)
    size = len(data)
    if size < 126:
        return bytes((kind, size)) + data
    if size < 1 << 16:
        return bytes((kind, 126)) + size.to_bytes(2) + data
    return bytes((kind, 127)) + size.to_bytes(8) + data


class Sender:
    """Sends in the order of the box, from one thread at a time."""

    def __init__(self, ws: Server, sock: GuardedSocket, box: Outbox) -> None:
        self._ws, self._sock, self._box = ws, sock, box
        self._turn = threading.Lock()
        self._thread = DaemonThread(target=self._send_handed_over, name="viewer-writer")

    def start(self) -> None:
        """Be ready for a slow viewer."""
        self._thread.start()

    def join(self, timeout: float) -> None:
        """Wait until the thread has ended, once the box is closed."""
        self._thread.join(timeout)

    def push(self) -> None:
        """Send what the box holds, without ever waiting. Who has the turn looks again after giving it back."""
        while not self._box.handed_over and self._ws.connected and self._box.ready:
            if not self._turn.acquire(blocking=False):
                return
            try:
                if not self._box.handed_over and not self._sock.send_now(self._next()):
                    self._box.hand_over()
            except OSError:
                self._sock.kill()
                return
            finally:
                self._turn.release()

    def _next(self) -> bytes:
        """The next messages as they go over the wire; empty when there are none."""
        parts: list[bytes] = []
        size = 0
        while size < MOST_BYTES and (message := self._box.take()) is not None:
            parts.append(wire(message))
            size += len(parts[-1])
        return b"".join(parts)

    def _send_handed_over(self) -> None:
        while self._box.wait_handed_over():
            try:
                with self._turn:
                    self._sock.send(b"")
                    while self._ws.connected and (data := self._next()):
                        self._sock.send(data)
                    self._box.take_back()
            except OSError:
                self._sock.kill()
                return
            self.push()
