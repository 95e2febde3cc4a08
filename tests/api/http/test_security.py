"""Tokens, scopes, cookies, origins, headers, and a clean stop."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from flask import Request
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from werkzeug.test import EnvironBuilder

from arc_fabric.errors import InvalidRequest
from arc_fabric.settings import Settings, Token, load_settings
from tests.api.conftest import Made
from tests.support.web_server import WebServer
from webapp.http import auth
from webapp.http.limits import RateLimiter

READER, WRITER = "r" * 24, "w" * 24


def bearer(secret: str) -> dict[str, str]:
    """The header of a token."""
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture(scope="module")
def guarded(web_server: WebServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    """A second web app on the same data that wants tokens."""
    settings: Settings = web_server.settings.replaced(
        tokens=f"looker:read:{READER},doer:write:{WRITER}", data_dir=tmp_path_factory.mktemp("guarded")
    )
    server = WebServer(settings, worker=False).start()
    yield server
    server.stop()


def test_without_a_token_only_the_shell_is_shown(guarded: WebServer) -> None:
    """Health, login, static files and the API's description; everything else is a 401."""
    for path in ("/healthz", "/readyz", "/login", "/openapi", "/openapi/openapi.json", "/static/icon.svg"):
        assert guarded.http.get(path).status_code == 200, path
    for path in ("/api/sessions", "/api/model", "/metrics", "/api/nowhere"):
        problem = guarded.problem(401, "GET", path)
        assert "Bearer" in problem["what_to_do"]
    assert guarded.http.get("/").headers["location"] == "login"
    guarded.problem(401, "GET", "/api/sessions", headers=bearer("wrong" * 5))
    with pytest.raises(InvalidStatus) as refused:
        connect("ws" + guarded.url[4:] + "/ws/stream").__enter__()
    assert refused.value.response.status_code == 401


def test_scopes(guarded: WebServer, picture: str) -> None:
    """A read token looks, a write token works; the refusal names what is missing."""
    assert guarded.http.get("/api/sessions", headers=bearer(READER)).status_code == 200
    body = {"prompt": "p", "initial_frame": picture}
    problem = guarded.problem(403, "POST", "/api/sessions", json=body, headers=bearer(READER))
    assert (problem["scope"], problem["needed"]) == ("read", "write")
    assert READER not in str(problem)
    answer = guarded.ok("POST", "/api/sessions", json=body, headers=bearer(WRITER))
    guarded.ok("DELETE", f"/api/sessions/{answer['session_id']}", headers=bearer(WRITER))


def test_the_pages_cookie(guarded: WebServer) -> None:
    """Login gives an HttpOnly, SameSite cookie that holds no secret; with it writing needs the page's own origin."""
    assert guarded.http.post("/login", data={"token": "nonsense"}).status_code == 401
    answer = guarded.http.post("/login", data={"token": WRITER})
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert WRITER not in cookie
    value = {"Cookie": cookie.split(";")[0]}
    assert guarded.http.get("/api/sessions", headers=value).status_code == 200
    assert guarded.http.get("/", headers=value).status_code == 200
    guarded.problem(403, "POST", "/api/jobs", json={"kind": "close"}, headers=value)
    own = value | {"Origin": guarded.url}
    guarded.problem(422, "POST", "/api/jobs", json={"kind": "close"}, headers=own)
    guarded.problem(403, "POST", "/api/jobs", json={}, headers=value | {"Origin": "http://evil.example"})
    for forged in (value["Cookie"][:-2] + "00", "arc_fabric=doer.99999999999.x", "arc_fabric=", "arc_fabric=a.b"):
        assert guarded.http.get("/api/sessions", headers={"Cookie": forged}).status_code == 401, forged
    guarded.http.cookies.clear()


def test_a_cookie_ends_with_its_time_its_secret_or_its_scope() -> None:
    """Twelve hours after the login, and when the token is taken away or changed; another token's cookie is no help."""
    token = Token.model_validate(f"doer:write:{WRITER}")
    fresh = auth.make_cookie(token)
    signer = auth.signer(token)
    signer.get_timestamp = lambda: int(time.time()) - auth.COOKIE_SECONDS - 1  # type: ignore[method-assign]
    stale = signer.sign(token.name).decode()
    others = [f"doer:admin:{WRITER}", f"doer:write:{READER}", f"looker:write:{WRITER}"]
    assert _holder(fresh, str(token.reveal())) == "doer"
    assert _holder(stale, str(token.reveal())) is None
    assert [_holder(fresh, other) for other in others] == [None] * 3
    assert _holder(fresh, *others, token.reveal()) == "doer"


def _holder(cookie: str, *tokens: str) -> str | None:
    """Whom a request with this cookie comes from, on a server with these tokens."""
    environ = EnvironBuilder("/api/sessions", headers={"Cookie": f"{auth.COOKIE}={cookie}"}).get_environ()
    found = auth.authenticate(Request(environ), load_settings(tokens=",".join(tokens)), lambda login: False)
    return found.name if found else None


def test_a_logout_ends_the_cookie_for_good(guarded: WebServer) -> None:
    """Every copy of it, also after the web app has started again; another login of the same token goes on."""
    kept, ended = (_login(guarded) for _ in range(2))
    assert guarded.http.get("/api/sessions", headers=ended).status_code == 200
    assert guarded.http.post("/logout", headers=ended | {"Origin": guarded.url}).status_code == 303
    for server in (guarded, WebServer(guarded.settings, worker=False).start()):
        server.problem(401, "GET", "/api/sessions", headers=ended)
        assert server.http.get("/", headers=ended).headers["location"] == "login"
        assert server.http.get("/api/sessions", headers=kept).status_code == 200
    server.stop()


def _login(server: WebServer) -> dict[str, str]:
    """The header of a new cookie."""
    cookie = server.http.post("/login", data={"token": WRITER}).headers["set-cookie"]
    server.http.cookies.clear()
    return {"Cookie": cookie.split(";")[0]}


def test_foreign_pages_and_names_are_refused_without_tokens_too(web: WebServer) -> None:
    """On loopback a web site can reach us through the browser: its Origin gives it away, or its Host does."""
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        web.problem(403, "POST", "/api/sessions", json={}, headers=headers)
    web.problem(403, "GET", "/api/sessions", headers={"Host": "evil.example"})
    assert web.http.get("/api/sessions", headers={"Host": "localhost:1"}).status_code == 200
    web.problem(422, "POST", "/api/sessions", json={}, headers={"Origin": web.url})


def test_every_answer_carries_the_security_headers(web: WebServer) -> None:
    """A strict policy without inline code, nosniff, no framing, a request id; errors too."""
    for path in ("/", "/api/sessions", "/api/nowhere", "/openapi", "/static/icon.svg"):
        headers = web.http.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-request-id"].startswith("req_")


def test_pages_have_no_inline_code(web: WebServer) -> None:
    """The strict policy would block it."""
    for path in ("/", "/openapi", "/login"):
        text = web.http.get(path, follow_redirects=True).text
        assert "<style" not in text
        assert "<script>" not in text
        assert " onclick" not in text


def test_the_openapi_page_works_offline(web: WebServer) -> None:
    """Everything it loads comes from this server."""
    page = web.http.get("/openapi").text
    assert "http://" not in page
    assert "https://" not in page
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css", "openapi.js", "pages.css"):
        assert web.http.get(f"/openapi/{asset}").status_code == 200
    assert web.http.get("/openapi/..%2fapp.py").status_code == 404
    assert 'id="SessionNotFound"' in web.http.get("/openapi/errors").text
    document = web.ok("GET", "/openapi/openapi.json")
    assert document["openapi"].startswith("3.1")


def test_other_addresses_need_tokens() -> None:
    """A server that others could reach without a token is refused by the settings, in clear words."""
    with pytest.raises(InvalidRequest, match="no tokens"):
        load_settings(host="0.0.0.0")


def test_one_client_cannot_flood() -> None:
    """Beyond the burst a client is refused until the rate has let it have another request; others are not."""
    now = 100.0
    limiter = RateLimiter(rate=4.0, burst=3.0, clock=lambda: now)
    for _ in range(3):
        limiter.check("a")
    with pytest.raises(Exception, match="requests per second"):
        limiter.check("a")
    limiter.check("b")
    now += 0.25
    limiter.check("a")


def test_sigterm_ends_the_web_app_in_order_beside_an_open_stream(web_server: WebServer, session: Made) -> None:
    """It ends by itself although a viewer is connected, before who stops it insists (without our stop
    flag it took 30 s and was killed)."""
    server = WebServer(web_server.settings, worker=False).start()
    viewer = connect("ws" + server.url[4:] + "/ws/stream").__enter__()
    viewer.recv(timeout=5)
    server.stop()
    assert server.web.returncode == 0
    viewer.close()


def test_the_web_process_never_loads_torch(session: Made) -> None:
    """Also not after it has sent jobs, served latents and compared branches."""
    session.step()
    fork = session.fork(steps=1)
    session.web.ok("GET", f"/api/compare?nodes={session.now()['head']},{fork['head']}")
    session.web.http.get(f"{session.path}/latents/1")
    processes = psutil.Process(session.web.web.pid).children(recursive=True)
    assert processes
    for process in processes:
        assert "libtorch" not in Path(f"/proc/{process.pid}/maps").read_text()
