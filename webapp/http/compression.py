"""JSON and text go compressed to whoever takes that: a large tree is a tenth on the wire."""

from __future__ import annotations

import gzip

from flask import Request, Response

LEAST_BYTES = 2048
_LEVEL = 4
_KINDS = frozenset({"application/json", "text/plain"})


def compress(request: Request, response: Response) -> Response:
    """The answer as gzip, where it is long enough and the client accepts it. Its ETag becomes a weak one: the same
    content in another form."""
    if response.mimetype not in _KINDS or response.is_streamed or response.content_encoding:
        return response
    body = response.get_data()
    if len(body) < LEAST_BYTES:
        return response
    response.vary.add("Accept-Encoding")
    if request.accept_encodings.quality("gzip") <= 0:
        return response
    response.set_data(gzip.compress(body, _LEVEL, mtime=0))
    response.content_encoding = "gzip"
    etag, _ = response.get_etag()
    if etag is not None:
        response.set_etag(etag, weak=True)
    return response
