"""Limits on requests: body size and time, rate per client, long-polls and heavy work at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from flask import Request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge, RequestTimeout

from arc_fabric.errors import InvalidRequest, PayloadTooLarge, RateLimited
from webapp.http.slow_clients import PatientSocket

BODY_SECONDS = 20.0
PUBLIC_BODY_BYTES = 64 << 10
"""Largest body where no token is needed."""
RATE_PER_SECOND = 300.0
BURST = 900.0
LONG_POLLS = 24
MAX_WAIT_S = 60.0
MAX_DRAIN = 512 << 20


class RateLimiter:
    """A token bucket per client. Thread-safe; forgets clients whose bucket is full again."""

    def __init__(
        self, rate: float = RATE_PER_SECOND, burst: float = BURST, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._buckets: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def check(self, client: str) -> None:
        """Take one request's worth from `client`'s bucket; RateLimited when it is empty."""
        now = self._clock()
        with self._lock:
            if len(self._buckets) > 4096:
                self._forget(now)
            left, at = self._buckets.get(client, (self._burst, now))
            left = min(self._burst, left + (now - at) * self._rate)
            self._buckets[client] = (max(left - 1, 0), now)
        if left < 1:
            raise RateLimited(f"more than {self._rate:.0f} requests per second from one client")

    def _forget(self, now: float) -> None:
        full_after = self._burst / self._rate
        self._buckets = {name: (left, at) for name, (left, at) in self._buckets.items() if now - at < full_after}


class LongPolls:
    """At most `limit` requests wait at once; the others get the present state without waiting."""

    def __init__(self, limit: int = LONG_POLLS) -> None:
        self._slots = threading.Semaphore(limit)

    @contextmanager
    def seat(self) -> Iterator[bool]:
        """Yields whether this request may wait."""
        free = self._slots.acquire(blocking=False)
        try:
            yield free
        finally:
            if free:
                self._slots.release()


class Turns:
    """Heavy work, one request at a time; some wait for their turn for a while, the others are told to come again. So
    the threads of the server are never all busy with it, nor is its memory used more than once."""

    def __init__(self, what: str, *, waiting: int = 16, seconds: float = 60.0) -> None:
        self._what, self._seconds = what, seconds
        self._places = threading.Semaphore(waiting + 1)
        self._turn = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """The work itself; RateLimited where others are before us."""
        if not self._places.acquire(blocking=False):
            raise self._refusal()
        try:
            if not self._turn.acquire(timeout=self._seconds):
                raise self._refusal()
            try:
                yield
            finally:
                self._turn.release()
        finally:
            self._places.release()

    def _refusal(self) -> RateLimited:
        return RateLimited(f"the server is busy with {self._what} for others", hint="Try again in a moment.")


def read_body(request: Request, max_bytes: int) -> None:
    """Read the whole body now, so that a slow or broken upload ends here with a clear answer."""
    request.max_content_length = max_bytes  # of a chunked one
    if request.content_length is not None and request.content_length > max_bytes:
        _drain(request)
        raise too_large(max_bytes, request.content_length)
    if not request.content_length and "chunked" not in request.headers.get("Transfer-Encoding", ""):
        return
    with _deadline(request) as late:
        try:
            got = len(request.get_data(cache=True, parse_form_data=False))
            if request.content_length is None:
                request.stream.read(1)  # raises if the limit cut the body off
            elif got != request.content_length:
                raise ValueError(f"{got} of {request.content_length} bytes came")
        except RequestEntityTooLarge:
            _drain(request)
            raise too_large(max_bytes, None) from None
        except (ClientDisconnected, ParseException, OSError, ValueError) as error:
            if late():
                detail = f"The request body did not arrive within {BODY_SECONDS:.0f} s."
                raise RequestTimeout(detail) from None
            raise InvalidRequest(f"the request body is broken: {error}", hint="Send it again.") from None


def _drain(request: Request) -> None:
    """Take the rest of a refused body, within reason: a client that still sends may not see the answer."""
    source = request.environ["wsgi.input"]
    left = MAX_DRAIN
    with _deadline(request), suppress(ParseException, OSError, ValueError):
        while left > 0 and (chunk := source.read(1 << 20)):
            left -= len(chunk)


def too_large(max_bytes: int, got: int | None) -> PayloadTooLarge:
    """The error for a body over the limit."""
    came = f"{got} bytes" if got is not None else "more"
    return PayloadTooLarge(
        f"the request body may have {max_bytes} bytes and has {came}",
        hint="Send less here."
        if max_bytes <= PUBLIC_BODY_BYTES
        else "Send a smaller image (it is scaled down anyway), or raise max_body_bytes on the server.",
        max_bytes=max_bytes,
    )


@contextmanager
def _deadline(request: Request) -> Iterator[Callable[[], bool]]:
    """Reading from the client ends after BODY_SECONDS: a trickle must not hold a thread. Yields whether it did."""
    sock = request.environ.get("gunicorn.socket")
    if isinstance(sock, PatientSocket):
        with sock.within(BODY_SECONDS):
            yield lambda: sock.late
    else:
        yield lambda: False
