"""Who asks, and may they: tokens with scopes, the page's cookie, Host and Origin checks.

Without tokens the server is for this machine only (settings refuse another address): every request is
`local` with scope `admin`, and its Host must name this machine, so that a foreign page cannot reach it through
a name it controls. With tokens, a request carries `Authorization: Bearer <secret>` or the cookie of /login.

A cookie holds the id of its login, by which /logout ends it: for every copy of it, and for good.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from flask import Request
from itsdangerous import BadSignature, TimestampSigner

from arc_fabric.base.hosts import host_of, place_of
from arc_fabric.errors import Forbidden, Unauthorized
from arc_fabric.ids import is_id, new_id
from arc_fabric.settings import LOOPBACK_HOSTS, Scope, Settings, Token

COOKIE = "arc_fabric"
COOKIE_SECONDS = 12 * 3600
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
PUBLIC_PATHS = ("/static/", "/openapi", "/healthz", "/readyz", "/login", "/logout", "/favicon.ico")
_RANK: dict[Scope, int] = {"read": 0, "write": 1, "admin": 2}


@dataclass(frozen=True)
class Principal:
    """The holder of a token (or `local`)."""

    name: str
    scope: Scope
    login: str = ""
    """Id of the login whose cookie the request came with."""

    @property
    def by_cookie(self) -> bool:
        """Whether a page's cookie speaks for it, not the token itself."""
        return bool(self.login)


def authenticate(request: Request, settings: Settings, ended: Callable[[str], bool]) -> Principal | None:
    """The principal of a request, None if it has no valid token. Raises Forbidden for a foreign Host.

    `ended` says whether the login with an id was ended.
    """
    if not settings.tokens:
        _check_host(request, settings)
        return Principal("local", "admin")
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        token = find_token(secret.strip(), settings.tokens)
        return Principal(token.name, token.scope) if token else None
    principal = _read_cookie(request.cookies.get(COOKIE, ""), settings.tokens)
    return None if principal is None or ended(principal.login) else principal


def require(request: Request, principal: Principal | None) -> None:
    """Raise Unauthorized or Forbidden unless `principal` may make this request."""
    if is_public(request.path):
        return
    if principal is None:
        raise Unauthorized("this server needs a token and none that is valid came with the request")
    needed: Scope = "read" if request.method in SAFE_METHODS else "write"
    if _RANK[principal.scope] < _RANK[needed]:
        raise Forbidden(
            f"token {principal.name!r} has scope {principal.scope!r}; this request needs {needed!r}",
            hint=f"Use a token with scope {needed!r} (settings: tokens).",
            scope=principal.scope,
            needed=needed,
        )


def may_write(principal: Principal | None) -> bool:
    """Whether it may do more than look."""
    return principal is not None and _RANK[principal.scope] >= _RANK["write"]


def is_public(path: str) -> bool:
    """Paths that need no token: they show nothing of what is stored."""
    return path == "/" or path.startswith(PUBLIC_PATHS)


def check_origin(request: Request, principal: Principal | None) -> None:
    """Refuse what another site's page sends: every unsafe request and every WebSocket is checked."""
    upgrading = request.headers.get("Upgrade", "").lower() == "websocket"
    if request.method in SAFE_METHODS and not upgrading:
        return
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site")
    foreign = origin is not None and place_of(origin) != request.host.lower()
    if foreign or (site is not None and site not in ("same-origin", "none")):
        raise Forbidden(
            f"requests from {origin or 'another site'} are not accepted here",
            hint="Open this server's own page, or use the HTTP API with a token and without an Origin header.",
        )
    if principal is not None and principal.by_cookie and origin is None and site is None:
        raise Forbidden(
            "a request with the page's cookie must say where it comes from",
            hint="Send 'Authorization: Bearer <token>' instead of the cookie.",
        )


def find_token(secret: str, tokens: Sequence[Token]) -> Token | None:
    """The token with this secret; looks at all of them, in time that does not depend on the secret."""
    given = hashlib.sha256(secret.encode(errors="replace")).digest()
    found = None
    for token in tokens:
        known = hashlib.sha256(token.secret.get_secret_value().encode()).digest()
        if hmac.compare_digest(given, known):
            found = token
    return found


def make_cookie(token: Token) -> str:
    """A new login's id, the token's name and the time, signed: proves that its holder had the token, and never holds
    the secret."""
    return signer(token).sign(f"{new_id('log')}:{token.name}").decode()


def _read_cookie(value: str, tokens: Sequence[Token]) -> Principal | None:
    for token in tokens:
        with suppress(BadSignature):
            login, _, name = signer(token).unsign(value, max_age=COOKIE_SECONDS).decode().partition(":")
            if name == token.name and is_id(login, "log"):
                return Principal(token.name, token.scope, login)
    return None


def signer(token: Token) -> TimestampSigner:
    """Signs with the token's secret, for its scope: a cookie ends with either."""
    secret = token.secret.get_secret_value()
    return TimestampSigner(secret, salt=f"{COOKIE}.{token.scope}", key_derivation="hmac", digest_method=hashlib.sha256)


def _check_host(request: Request, settings: Settings) -> None:
    host = host_of(request.host)
    if host not in LOOPBACK_HOSTS and host != settings.host:
        raise Forbidden(
            f"this server answers to {settings.host} and localhost only, not to {host!r}",
            hint="Use http://127.0.0.1:<port>, or set tokens and a host to serve other machines.",
        )
