"""Response headers: request id, a strict content security policy, and caching of what never changes."""

from __future__ import annotations

import hashlib

from flask import Response, request

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
SECURITY = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
FOREVER = "private, max-age=31536000, immutable"


def secure(response: Response, request_id: str) -> Response:
    """Add what every answer carries."""
    for name, value in SECURITY.items():
        response.headers.setdefault(name, value)
    response.headers["X-Request-Id"] = request_id
    response.headers.setdefault("Cache-Control", "no-store" if response.mimetype == "application/json" else "no-cache")
    return response


def immutable(data: bytes, mimetype: str, *, name: str, download: str | None = None) -> Response:
    """Bytes that never change under this address: ETag, long caching, Range and If-None-Match honoured.

    `name` identifies the content (ids and parameters), so the ETag costs no hash over the bytes.
    """
    response = Response(data, mimetype=mimetype)
    response.set_etag(hashlib.blake2b(name.encode(), digest_size=12).hexdigest())
    response.headers["Cache-Control"] = FOREVER
    if download:
        response.headers["Content-Disposition"] = f'inline; filename="{download}"'
    response.accept_ranges = "bytes"
    return response.make_conditional(request, accept_ranges=True, complete_length=len(data))
