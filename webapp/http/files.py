"""Files that never change under their address, whole or in part (RFC 9110, 13 and 14): ETag, long caching, and with
Range only the part asked for is read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

from flask import Response, request
from werkzeug.exceptions import PreconditionFailed, RequestedRangeNotSatisfiable

FOREVER = "private, max-age=31536000, immutable"
CHUNK = 1 << 20
"""Bytes read at once; a longer answer is sent while the next are read."""

Read = Callable[[int, int], bytes]
"""Bytes of a file from an offset on, so many."""


def immutable(data: bytes | Callable[[], bytes], mimetype: str, *, name: str, download: str | None = None) -> Response:
    """The answer with bytes that are at hand, or made only where the client does not have them; see `in_parts`."""
    response = _unchanged(mimetype, name=name)
    if response.status_code != 200:
        return response
    whole = data() if callable(data) else data
    return _filled(response, len(whole), lambda start, length: whole[start : start + length], download)


def in_parts(size: int, read: Read, mimetype: str, *, name: str, download: str | None = None) -> Response:
    """The answer with a file of `size` bytes: 200, 206 with the one range asked for, 304; raises 412 and 416.

    `name` identifies the content (ids and parameters), so the ETag costs no hash over the bytes. The first bytes are
    read before the answer begins, so what `read` raises then becomes an answer of its own; nothing is read for HEAD.
    """
    response = _unchanged(mimetype, name=name)
    return response if response.status_code != 200 else _filled(response, size, read, download)


def _unchanged(mimetype: str, *, name: str) -> Response:
    """The answer without its body: 304 if that is all the client needs to hear, else 200. Raises 412 for If-Match."""
    response = Response(mimetype=mimetype)
    response.set_etag(hashlib.blake2b(name.encode(), digest_size=12).hexdigest())
    response.headers["Cache-Control"] = FOREVER
    response.accept_ranges = "bytes"
    response.make_conditional(request)
    if response.status_code == 412:
        raise PreconditionFailed("If-Match names another version of the file")
    return response


def _filled(response: Response, size: int, read: Read, download: str | None) -> Response:
    """The answer with its body, or with the part of it that was asked for."""
    if download:
        response.headers["Content-Disposition"] = f'inline; filename="{download}"'
    start, stop = 0, size
    asked = _asked_range(response.get_etag()[0], size)
    if asked is not None:
        start, stop = asked
        response.status_code = 206
        response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    if request.method != "HEAD":
        response.response = _body(read, start, stop)
    response.content_length = stop - start
    return response


def _asked_range(etag: str | None, size: int) -> tuple[int, int] | None:
    """Start and end (exclusive) of the part to send; None: the whole file.

    The whole is sent without Range, for another unit, for several ranges at once, and where If-Range names another
    version (or a date: these files have none).
    """
    given = request.headers.get("Range", "").strip()
    unit, _, ranges = given.partition("=")
    version = request.headers.get("If-Range", "").strip()
    if request.method != "GET" or not size or unit.strip().lower() != "bytes" or "," in ranges:
        return None
    if version and version != f'"{etag}"':
        return None
    start, end = request.range.ranges[0] if request.range is not None else (size, None)
    if start < 0:
        start = max(start + size, 0)
    if start >= size:
        raise RequestedRangeNotSatisfiable(size, "bytes", f"the file has bytes 0 to {size - 1}, not {given[:80]!r}")
    return start, min(end or size, size)


def _body(read: Read, start: int, stop: int) -> Iterable[bytes]:
    first = read(start, min(CHUNK, stop - start))
    return [first] if stop - start <= CHUNK else _pieces(first, read, start + CHUNK, stop)


def _pieces(first: bytes, read: Read, start: int, stop: int) -> Iterator[bytes]:
    yield first
    for at in range(start, stop, CHUNK):
        yield read(at, min(CHUNK, stop - at))
