"""Clients that keep the server waiting, and how few threads they may hold.

A header is gathered by the loop that serves all connections, and holds no thread until it is whole (`gather`). A
thread that waits for bytes from a client, or for a client to take some, waits inside `Patience`: by a deadline, and
at most `limit` of them at once. One more, and who waits longest of the address that has most of them is dropped. So
however many connections say nothing, trickle their header or body, or leave their answer unread, the other threads stay
free.

>>> ours, theirs = socket.socketpair()
>>> sock = PatientSocket(ours, "127.0.0.1", Patience(limit=1))
>>> with sock.within(0.01):
...     sock.recv(10)
Traceback (most recent call last):
ConnectionResetError: [Errno 104] the client was too slow
>>> sock.late
True
"""

from __future__ import annotations

import errno
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

HEADER_BYTES = 65_536
"""More than gunicorn takes for one: what is longer is refused by it."""
SEND_SECONDS = 10.0
"""Longest time in which a client takes no byte of its answer."""


class Patience:
    """Who is waited for. Thread-safe."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._waiting: set[PatientSocket] = set()

    @contextmanager
    def waiting(self, sock: PatientSocket) -> Iterator[None]:
        """While a thread waits for this client."""
        with self._lock:
            self._waiting.add(sock)
            if len(self._waiting) > self._limit:
                slowest = self._slowest()
                self._waiting.discard(slowest)
                slowest.drop()
        try:
            yield
        finally:
            with self._lock:
                self._waiting.discard(sock)

    def _slowest(self) -> PatientSocket:
        counts = Counter(sock.address for sock in self._waiting)
        return max(self._waiting, key=lambda sock: (counts[sock.address], -sock.since))


class PatientSocket:
    """A client's socket as gunicorn's threads use it: `recv` within a deadline, `sendall` while there is progress.

    Without a deadline (an upgraded connection) `recv` waits for ever, and counts as nobody's slowness.
    """

    def __init__(self, sock: socket.socket, address: str, patience: Patience) -> None:
        self._sock, self._patience = sock, patience
        self.address = address
        self.since = time.monotonic()
        self._gathered = b""
        self.late = False
        """Whether a deadline has passed."""
        self._deadline: float | None = None

    def expect(self, seconds: float | None) -> None:
        """From now on what is to be received must come within so many seconds in all."""
        self.since = time.monotonic()
        self._deadline = None if seconds is None else self.since + seconds

    @contextmanager
    def within(self, seconds: float) -> Iterator[PatientSocket]:
        """The same, for a while."""
        self.expect(seconds)
        try:
            yield self
        finally:
            self.expect(None)

    def gather(self) -> bool:
        """Take what has come, without waiting. Whether a thread should look at it: a header is whole, or will never
        be."""
        try:
            got = self._sock.recv(HEADER_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True
        self._gathered += got
        return not got or b"\r\n\r\n" in self._gathered or len(self._gathered) > HEADER_BYTES

    def drop(self) -> None:
        """End the connection: who waits for it wakes up."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def recv(self, size: int) -> bytes:
        """At most `size` bytes; ConnectionResetError (and `late`) once the deadline has passed."""
        if self._gathered:
            first, self._gathered = self._gathered[:size], self._gathered[size:]
            return first
        while self._deadline is not None:
            try:
                return self._sock.recv(size, socket.MSG_DONTWAIT)
            except BlockingIOError:
                self._wait(select.POLLIN, self._deadline)
        return self._sock.recv(size)

    def sendall(self, data: Any) -> None:
        """Send all of it; ConnectionResetError where the client takes nothing for SEND_SECONDS."""
        left = memoryview(data)
        while left:
            try:
                left = left[self._sock.send(left, socket.MSG_DONTWAIT) :]
            except BlockingIOError:
                self._wait(select.POLLOUT, time.monotonic() + SEND_SECONDS)

    def send(self, data: Any, flags: int = 0) -> int:
        """Like socket.send; all of it where no flags say otherwise."""
        if flags:
            return self._sock.send(data, flags)
        self.sendall(data)
        return len(data)

    def settimeout(self, seconds: float | None) -> None:
        """Ignored: gunicorn's own times are for sockets that block a thread without limit."""

    def gettimeout(self) -> None:
        """None: see `settimeout`."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def _wait(self, event: int, deadline: float) -> None:
        poll = select.poll()
        poll.register(self._sock, event)
        with self._patience.waiting(self):
            ready = poll.poll(max(deadline - time.monotonic(), 0) * 1000)
        if not ready:
            self.late = True
            raise ConnectionResetError(errno.ECONNRESET, "the client was too slow")
