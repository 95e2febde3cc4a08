"""Headers of every answer: request id and a strict content security policy."""

from __future__ import annotations

from flask import Response

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


def root(response: Response, path: str) -> None:
    """Let what it points to lie below the path under which the client sees this server."""
    location = response.headers.get("Location", "")
    if path and location.startswith("/"):
        response.headers["Location"] = path + location


def secure(response: Response, request_id: str) -> Response:
    """Add what every answer carries."""
    for name, value in SECURITY.items():
        response.headers.setdefault(name, value)
    response.headers["X-Request-Id"] = request_id
    response.headers.setdefault("Cache-Control", "no-store" if response.mimetype == "application/json" else "no-cache")
    return response
