"""Input that nobody sends on purpose is refused with its reason, never answered with 500, and never half taken."""

from __future__ import annotations

import io
import json
import socket
import tracemalloc
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient

from arc_fabric.settings import Settings, Token
from tests.support.web_server import WebServer
from webapp.app import create_app
from webapp.http.validation import MOST_SHOWN

HALF = '"pick up \\ud83e"'
CHECKPOINT = "ckp_" + "0" * 26


def _json(client: FlaskClient, method: str, path: str, text: str | bytes) -> tuple[int, str]:
    answer = client.open(path, method=method, data=text, content_type="application/json")
    assert answer.mimetype == "application/problem+json", answer.text
    return answer.status_code, answer.json["detail"]


@pytest.fixture
def client(settings: Settings) -> Iterator[FlaskClient]:
    """The app in this process, without a token."""
    made = create_app(settings).test_client()
    made.environ_base["HTTP_HOST"] = "127.0.0.1"
    yield made


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/sessions", '{"initial_frame": "sample:two-cups", "prompt": %s}'),
        ("POST", "/api/sessions", '{"initial_frame": "sample:two-cups", "prompt": "p", "label": %s}'),
        ("POST", "/api/jobs", '[{"kind": "create", "params": {"prompt": %s}}]'),
        ("PATCH", f"/api/nodes/{CHECKPOINT}", '{"note": %s}'),
        ("PATCH", f"/api/nodes/{CHECKPOINT}", '{"tags": [%s]}'),
        ("POST", "/api/sessions", "{%s: 1}"),
    ],
)
def test_half_a_character_is_refused_wherever_text_is_taken(
    client: FlaskClient, method: str, path: str, body: str
) -> None:
    """As an escape of JSON, and as the bytes that an encoder which does not look makes of it."""
    halves = [body.encode().replace(b"%s", half) for half in (HALF.encode(), b'"pick up \xed\xa0\xbe"')]
    for given in (*halves, halves[0].decode().encode("utf-16-le")):
        status, detail = _json(client, method, path, given)
        assert status == 422 and "surrogate" in detail, detail
    whole = body.replace("%s", '"\\ud83e\\udd64"')
    assert "surrogate" not in client.open(path, method=method, data=whole, content_type="application/json").text


@pytest.mark.parametrize(
    "member", ['"seeds": [%s]', '"actions": [%s]', '"actions": [{"name": "a", "actions": [%s]}]', '"tags": [%s]', "%s"]
)
def test_a_body_full_of_mistakes_gets_a_short_answer(client: FlaskClient, member: str) -> None:
    """Not one that names each of thirty thousand: that took seconds and megabytes."""
    wrong = ",".join(['"x"'] * 30_000) if "[" in member else ",".join(f'"k{i}": 1' for i in range(30_000))
    body = "{" + member.replace("%s", wrong) + "}"
    answer = client.post("/api/evaluations", data=body, content_type="application/json")
    assert answer.status_code == 422
    assert len(answer.data) < 20_000
    assert 1 <= len(answer.json["errors"]) <= MOST_SHOWN


@pytest.mark.parametrize("path", ["/api/jobs", "/api/evaluations", "/login"])
@pytest.mark.parametrize("member", ["[]", "{}", "1.5", '""'])
def test_a_body_takes_little_more_memory_than_it_has_bytes(client: FlaskClient, path: str, member: str) -> None:
    """Sixteen megabytes of empty lists took 500 MB and seven seconds, also of one who has no token (at /login)."""
    count = (15 << 20) // (len(member) + 1)
    body = b"[" + b",".join([member.encode()] * count) + b"]"
    tracemalloc.start()
    answer = client.post(path, data=body, content_type="application/json")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert answer.status_code == 413 and answer.json["code"] == "PayloadTooLarge", answer.text
    assert peak < 60_000_000


def test_a_login_of_no_stated_length_is_bounded_too(client: FlaskClient) -> None:
    """Chunked, so that only reading shows how much it is."""
    body = io.BytesIO(b'{"token": "' + b"x" * (1 << 20) + b'"}')
    chunked = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    answer = client.post("/login", input_stream=body, content_type="application/json", environ_overrides=chunked)
    assert answer.status_code == 413, answer.text


@pytest.mark.parametrize("name", ["If-Modified-Since", "If-Unmodified-Since", "If-Range", "Date"])
@pytest.mark.parametrize("date", ["Thu, 01 Jan 999999999999 00:00:00 GMT", "Thu, 99 Foo 0000 99:99:99 GMT", "\u0663"])
def test_dates_that_no_calendar_has_count_as_not_sent(client: FlaskClient, name: str, date: str) -> None:
    """On what is built on the way and on files."""
    for path in ("/static/icon.svg", "/openapi/openapi.json", "/api/samples"):
        assert client.get(path, headers={name: date.encode().decode("latin1")}).status_code == 200, path


def test_numbers_beyond_float32_are_refused_with_the_reason(client: FlaskClient) -> None:
    """As actions and as a state: models take 32-bit floats."""
    for body in ('{"actions": [[[1e39, 0, 0, 0]]]}', '{"actions": [[[0, -1e39, 0, 0]]]}', '{"state": [1e300]}'):
        status, detail = _json(client, "POST", f"/api/sessions/ses_{'0' * 26}/step", body)
        assert status == 422 and "34028234663852886" in detail, detail


@pytest.mark.parametrize("last_id", ["\u0663-\u0663", "1-1-1", "-", "1" * 16, "1\n"])
def test_an_event_id_is_of_plain_digits(client: FlaskClient, last_id: str) -> None:
    """What Redis would not take is refused before it is asked."""
    answer = client.get(f"/api/sessions/ses_{'0' * 26}/events", query_string={"last_id": last_id})
    assert answer.status_code == 422 and "last_id" in answer.json["detail"]


def test_digits_of_patterns_are_plain_ones(client: FlaskClient) -> None:
    """In pydantic's patterns a digit class stands for those of every script."""
    assert "\\\\d" not in client.get("/openapi/openapi.json").text


def test_the_document_speaks_json_schema_only(client: FlaskClient) -> None:
    """Bounds are minimum, maximum, minLength and the like; pydantic's own words for them mean nothing to others."""
    names: set[str] = set()

    def walk(value: object) -> None:
        if isinstance(value, dict):
            names.update(value)
            for one in value.values():
                walk(one)
        elif isinstance(value, list):
            for one in value:
                walk(one)

    document = client.get("/openapi/openapi.json").json
    walk(document)
    assert not names & {"ge", "le", "gt", "lt", "min_length", "max_length", "multiple_of", "pattern_"}
    steps = document["components"]["schemas"]["ForkBody"]["properties"]["steps"]
    assert (steps["minimum"], steps["maximum"]) == (0, 1000)


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "//[x", "\xed\xa0\x80", "null", ""])
def test_an_origin_that_is_none_is_a_foreign_one(client: FlaskClient, origin: str) -> None:
    """403, whatever it is."""
    answer = client.post("/api/sessions", json={}, headers={"Origin": origin})
    assert answer.status_code == 403 and answer.json["code"] == "Forbidden"


@pytest.mark.parametrize("host", ["[", "[::1", "127.0.0.1:[", "\xe9"])
def test_a_host_that_is_none_is_not_ours(client: FlaskClient, host: str) -> None:
    """Neither 200 nor 500."""
    assert client.get("/api/sessions", headers={"Host": host}).status_code in (400, 403)


def test_if_match_any_is_any_version(client: FlaskClient) -> None:
    """RFC 9110: `*` holds where there is one at all; another version is 412 with a problem body."""
    for path in ("/api/samples/two-cups", "/static/icon.svg"):
        assert client.get(path, headers={"If-Match": "*"}).status_code == 200, path
    refused = client.get("/api/samples/two-cups", headers={"If-Match": '"other"'})
    assert (refused.status_code, refused.mimetype) == (412, "application/problem+json")


def test_logins_of_any_form_are_refused(settings: Settings) -> None:
    """Half characters, lists and numbers in the place of a token are 401 or 4xx."""
    guarded = settings.replaced(tokens=[Token.model_validate("me:admin:0123456789abcdef")])
    client = create_app(guarded).test_client()
    for text in ('{"token": "\\ud800"}', '{"token": ["x"]}', '["\\udfff"]', '{"token": 1}', '{"token": "\\u0000"}'):
        answer = client.post("/login", data=text, content_type="application/json")
        assert 400 <= answer.status_code < 500, (text, answer.text)
    assert client.get("/api/sessions", headers={"Authorization": "Bearer \xed\xa0\x80"}).status_code == 401


def test_an_event_id_of_foreign_digits_is_none(web: WebServer) -> None:
    """Digits are 0 to 9; on the stream as in the address."""
    for given in ("١٢٣", "1-²", "१"):
        answer = web.http.get("/ws/stream", params={"last_id": given}, headers={
            "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        })  # fmt: skip
        assert answer.status_code == 422, answer.text


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"NOT HTTP\r\n\r\n", 400),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % i for i in range(100)) + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\nBad Name: 1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: nonsense\r\n\r\n", 501),
    ],
)
def test_what_never_reaches_the_app_is_a_problem_too(web: WebServer, sent: bytes, status: int) -> None:
    """gunicorn's own refusals have the form of all others."""
    place = urlsplit(web.url)
    with socket.create_connection((place.hostname, place.port), 30) as connection:
        connection.sendall(sent)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status) and b"application/problem+json" in head, answer
    problem = json.loads(body)
    assert problem["status"] == status and problem["detail"] and problem["what_to_do"]


@pytest.mark.parametrize("header", ["SCRIPT_NAME: /foo", "PATH_INFO: /foo", "SCRIPT-NAME: /foo"])
def test_a_client_does_not_say_where_the_app_lies(web: WebServer, header: str) -> None:
    """gunicorn took SCRIPT_NAME from whoever is on this machine: 500, or another path."""
    place = urlsplit(web.url)
    with socket.create_connection((place.hostname, place.port), 30) as connection:
        connection.sendall(
            f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n{header}\r\nConnection: close\r\n\r\n".encode()
        )
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 "), answer
