"""HTTP for the client: a broken connection or a busy server is tried again, a problem body becomes our error.

A POST carries an Idempotency-Key, so sending it again never does the work twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx

from arc_fabric import errors
from arc_fabric.base.hosts import is_loopback, proxies
from arc_fabric.base.retry import retry
from arc_fabric.base.text import NO_TEXT, half_of
from arc_fabric.ids import new_id
from arc_fabric.rules.addresses import check_url, without_password

PAUSES_S = (0.1, 0.3, 1.0, 2.0, 4.0)
_BUSY = (429, 502, 503, 504)


def _checked(url: str) -> str:
    try:
        return check_url(url, "http", "https")
    except ValueError as error:
        raise errors.InvalidRequest(f"{without_password(url)!r} is no address of a server: it {error}.") from None


class Transport:
    """One server. Thread-safe."""

    def __init__(self, url: str, token: str | None, timeout: float) -> None:
        self.url = _checked(url).rstrip("/")
        self._shown = without_password(self.url)
        if token and not (token.isascii() and token.isprintable()):
            raise errors.InvalidRequest("A token is a line of ASCII characters.", hint="See the setting 'tokens'.")
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        limits = httpx.Timeout(timeout, connect=5.0)
        try:
            self._http = httpx.Client(
                base_url=self.url, headers=self.headers, timeout=limits, trust_env=not is_loopback(self.url)
            )
        except (ImportError, ValueError) as error:  # a proxy that needs another package, or that is none
            raise no_way_through(error) from None
        except OSError as error:  # a file of certificates or of keys that the environment names
            raise errors.ServiceError(
                f"TLS cannot be set up: {error}", hint="Unset SSLKEYLOGFILE, SSL_CERT_FILE or SSL_CERT_DIR."
            ) from None

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def json(self, method: str, path: str, *, params: Any = None, body: Any = None, key: str | None = None) -> Any:
        """A JSON answer. Members of `params` and `body` that are None are left out."""
        headers = {"Idempotency-Key": key or new_id("key")} if method == "POST" else {}
        request: dict[str, Any] = {"params": _given(params), "headers": headers}
        if body is not None:
            request["json"] = _given(body)
        return object_of(self.send(method, path, **request))

    def pages(self, path: str, *, cursor: str | None = None, **params: Any) -> Iterator[dict[str, Any]]:
        """Every item of a list of the API, or those after `cursor`."""
        while True:
            page = self.json("GET", path, params={"limit": 200} | params | {"cursor": cursor})
            items, cursor = page.get("items"), page.get("next")
            if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
                raise foreign(self.url, "a list of something else")
            yield from items
            if cursor is None:
                return

    def bytes(self, path: str, **params: Any) -> bytes:
        """A file."""
        return self.send("GET", path, params=_given(params)).content

    def send(self, method: str, path: str, **request: Any) -> httpx.Response:
        """One request, tried again where that is safe. Raises ServiceError or the error that the server names."""

        def once() -> httpx.Response:
            answer = self._http.request(method, path, **request)
            if answer.status_code in _BUSY:
                raise _Busy(answer)
            return answer

        where = half_of(request.get("json"))
        if where is not None:
            raise errors.InvalidRequest(f"{where}: {NO_TEXT}", hint="Send text that UTF-8 can hold.")
        try:
            answer = retry(once, on=(httpx.TransportError, _Busy), pauses=PAUSES_S)
        except _Busy as busy:
            answer = busy.answer
        except httpx.TransportError as broken:
            raise errors.ServiceError(
                f"{self._shown} does not answer: {type(broken).__name__}",
                hint="Check that 'arc-fabric up' runs and that the URL is right.",
                url=self._shown,
            ) from broken
        if answer.is_error:
            raise error_of(answer)
        if answer.is_redirect:
            raise foreign(self.url, f"a way to {answer.headers.get('Location', 'another place')[:200]}")
        return answer


def object_of(answer: httpx.Response) -> dict[str, Any]:
    """The JSON object that an answer holds. Raises ServiceError where it is another program's."""
    try:
        value = answer.json()
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise foreign(str(answer.request.url), f"{answer.headers.get('Content-Type', 'nothing')[:80]}, no JSON object")
    return value


def foreign(url: str, what: str) -> errors.ServiceError:
    """The error where a server answers that is not ours, or a proxy in front of it."""
    return errors.ServiceError(
        f"{without_password(url)} is no Arc Fabric: it answered with {what}.",
        hint="Check the URL (--url, ARC_FABRIC_URL), and whether something in front of it wants a login.",
    )


def no_way_through(error: Exception) -> errors.ServiceError:
    """The error for a proxy of the environment that cannot be used."""
    named = ", ".join(sorted(proxies())) or "a proxy variable"
    return errors.ServiceError(
        f"The proxy that the environment names ({named}) cannot be used: {error}",
        hint="Unset the variable, name the server in NO_PROXY, or install what the message says.",
    )


class _Busy(Exception):
    """The server may take the same request a moment later."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


def error_of(answer: httpx.Response) -> errors.ArcFabricError:
    """The error that a problem body names."""
    return told(answer.content, f"{without_password(str(answer.request.url))} answered {answer.status_code}")


def told(data: bytes | bytearray, otherwise: str) -> errors.ArcFabricError:
    """The error that these bytes name, if they are a problem body; with the message `otherwise` where they are none."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        body = {}
    body = body if isinstance(body, dict) else {}
    said = {name: body[name] for name in ("code", "detail", "what_to_do") if isinstance(body.get(name), str)}
    detail = said.get("detail") or otherwise
    return named_error(said.get("code", ""), detail, said.get("what_to_do", ""), {"problem": body})


def named_error(code: str, message: str, what_to_do: str, context: dict[str, Any]) -> errors.ArcFabricError:
    """An instance of the class called `code` in `arc_fabric.errors`; the base class for unknown names."""
    kind = getattr(errors, code, None)
    if not (isinstance(kind, type) and issubclass(kind, errors.ArcFabricError)):
        kind = errors.ArcFabricError
    return kind(message, hint=what_to_do, **context)


def _given(values: Any) -> Any:
    if not isinstance(values, dict):
        return values
    return {name: value for name, value in values.items() if value is not None}
