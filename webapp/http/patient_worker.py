"""gunicorn's threaded worker for clients of whom some are slow, see `slow_clients`.

It differs from `gthread` in this: a connection gets a thread only once its header is there; threads wait for
clients with patience; a connection that is over lingers in the poller, not in the loop that serves all others (where a
client that does not close its side would stop everything for two seconds); where there are too many, an idle one goes.
"""

from __future__ import annotations

import errno
import json
import selectors
import socket
import time
from collections import Counter, deque
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

from webapp.http.problems import MEDIA_TYPE, problem
from webapp.http.slow_clients import Patience, PatientSocket

HEADER_SECONDS = 20.0
"""A header must be there so long after the connection, or after the first byte of a later request."""
DRAIN_SECONDS = 5.0
"""For the rest of a body that nobody read."""
SLOW_CLIENTS = 32
"""Threads that may wait for clients at once."""
LINGER_SECONDS = 2.0
_LINGER_BYTES = 65_536
_NO_ROOM, _NO_ROOM_S = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM), 0.01
"""What accepting fails with where the process, or the machine, has no file left."""


class _Page:
    """Hears, in a client's place, what gunicorn would answer."""

    def __init__(self) -> None:
        self.first, self.status = "", 0

    def gettimeout(self) -> float:
        """As a socket that does not block."""
        return 0.0

    def sendall(self, data: bytes) -> None:
        """The status is kept, the page is not."""
        self.first = data.partition(b"\r\n")[0].decode("latin-1")
        self.status = int(self.first.split(" ")[1])


class PatientWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """`worker_class` of gunicorn_conf."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._patience = Patience(SLOW_CLIENTS)
        self._lingering: deque[tuple[TConn, float]] = deque()

    def accept(self, listener: Any) -> None:
        """Take a connection in; it waits for its header in the poller."""
        try:
            sock, address = listener.accept()
        except OSError as error:
            if error.errno in _NO_ROOM:  # the listener stays readable: a place must become free, or time must pass
                if not self._drop_an_idle_one():
                    time.sleep(_NO_ROOM_S)
            elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                raise
            return
        if self.nr_conns >= self.worker_connections - 1:
            self._drop_an_idle_one()
        self.nr_conns += 1
        patient = PatientSocket(sock, str(address[0]), self._patience)
        self._await_header(TConn(self.cfg, patient, address, listener.getsockname()))

    def on_client_socket_readable(self, conn: TConn, client: Any) -> None:
        """A kept-alive connection has something: it waits for its header as a new one does."""
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        self._await_header(conn)

    def handle(self, conn: TConn) -> Any:
        """In a thread: a request's header, then `handle_request`."""
        conn.sock.expect(HEADER_SECONDS)
        return super().handle(conn)

    def handle_request(self, req: Any, conn: TConn) -> Any:
        """In a thread: the app reads the body by a deadline of its own; then the rest of it, if any."""
        conn.sock.expect(None)
        try:
            return super().handle_request(req, conn)
        finally:
            conn.sock.expect(DRAIN_SECONDS)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """What gunicorn refuses by itself is answered like all else: in its page's place a problem body."""
        page = _Page()
        super().handle_error(req, page, addr, exc)
        if page.status:
            detail = f"{type(exc).__name__}: {exc}" if page.status < 500 else "The server failed over this request."
            body = json.dumps(problem(page.status, type(exc).__name__, detail)).encode()
            head = (
                page.first,
                "Connection: close",
                f"Content-Type: {MEDIA_TYPE}",
                f"Content-Length: {len(body)}",
                "",
                "",
            )
            with suppress(OSError):
                client.sendall("\r\n".join(head).encode() + body)

    def finish_request(self, conn: TConn, fs: Future[Any]) -> None:
        """In the loop: what becomes of the connection."""
        if not fs.cancelled() and fs.exception() is None and fs.result():
            super().finish_request(conn, fs)
            return
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
            self.poller.register(conn.sock.fileno(), selectors.EVENT_READ, partial(self._drain, conn))
        except (OSError, ValueError):
            self._end(conn)
        else:
            self._lingering.append((conn, time.monotonic() + LINGER_SECONDS))

    def murder_pending(self) -> None:
        """Called once a second at least: close what has waited or lingered long enough."""
        super().murder_pending()
        now = time.monotonic()
        while self._lingering and (self._lingering[0][1] < now or self._lingering[0][0].sock.fileno() < 0):
            conn, _ = self._lingering.popleft()
            if not getattr(conn, "ended", False):
                self._end(conn)

    def _cap_keepalive(self, deadline: float) -> None:
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)

    def _await_header(self, conn: TConn) -> None:
        conn.timeout = time.monotonic() + HEADER_SECONDS
        self.pending_conns.append(conn)
        # Who closes a lingering socket in a thread of its own (a WebSocket does) leaves its number with the poller; the
        # kernel gives the number to the next connection.
        with suppress(KeyError):
            self.poller.unregister(conn.sock.fileno())
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._gather, conn))

    def _gather(self, conn: TConn, sock: Any) -> None:
        if conn.sock.gather():
            self.on_pending_socket_readable(conn, sock)

    def _drain(self, conn: TConn, _fileno: int) -> None:
        """Let a client that still sends see its answer: a socket closed with unread data resets the connection."""
        conn.drained = getattr(conn, "drained", 0)
        with suppress(OSError):
            got = len(conn.sock.recv(_LINGER_BYTES))
            conn.drained += got
            if got and conn.drained < _LINGER_BYTES:
                return
        self._end(conn)

    def _end(self, conn: TConn) -> None:
        with suppress(OSError, KeyError, ValueError):
            self.poller.unregister(conn.sock.fileno())
        self.nr_conns -= 1
        conn.ended = True
        conn.close()

    def _drop_an_idle_one(self) -> bool:
        """Of the address that has most: one that never said anything, else one that was kept alive. Whether there was
        one."""
        for idle in (self.pending_conns, self.keepalived_conns):
            if idle:
                counts = Counter(conn.sock.address for conn in idle)
                conn = max(idle, key=lambda conn: counts[conn.sock.address])  # the oldest of equals
                idle.remove(conn)
                self._end(conn)
                return True
        return False
