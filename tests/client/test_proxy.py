"""A proxy in the environment is for other machines: this one is reached directly, by every client that we make."""

from __future__ import annotations

import pytest

from arc_fabric.base.hosts import PROXIES, is_loopback
from arc_fabric.client import ArcFabric
from arc_fabric.errors import ServiceError
from arc_fabric.services.checkup import proxy
from arc_fabric.services.weed import WeedServer
from arc_fabric.settings import Settings
from arc_fabric.store.backends import backend_from_settings
from tests.support.web_server import WebServer

NOWHERE = ("http://127.0.0.1:9", "socks5://127.0.0.1:9", "no proxy at all")


@pytest.fixture(params=NOWHERE)
def proxied(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every variable names a proxy that is not there, in small and capital letters."""
    for name in PROXIES:
        monkeypatch.setenv(name, request.param)
        monkeypatch.setenv(name.upper(), request.param)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    return str(request.param)


def test_the_client_reaches_this_machine(web: WebServer, proxied: str) -> None:
    """Over HTTP and over WebSocket."""
    with ArcFabric(web.url) as fabric:
        assert fabric.model()["name"]
        with fabric.stream() as stream:
            assert stream.hello["last_id"]


def test_another_machine_is_asked_through_the_proxy(proxied: str) -> None:
    """Which is not there: an error of ours says so, not one of a package that is missing."""
    with pytest.raises(ServiceError) as refused, ArcFabric("http://fabric.example.org", timeout=1.0) as fabric:
        fabric.stream().open()
    assert refused.value.what_to_do


def test_the_object_store_of_this_machine_is_reached(settings: Settings, proxied: str) -> None:
    """By all of the S3 backend's clients."""
    backend = backend_from_settings(settings)
    backend.put("inputs/x", b"picture")
    assert backend.get("inputs/x") == b"picture"
    backend.delete("inputs/x")
    assert not backend.exists("inputs/x")
    backend.close()


def test_the_embedded_store_answers_its_own_probe(s3_server: WeedServer, proxied: str) -> None:
    """As `up` and doctor ask it."""
    assert s3_server.answers()


def test_doctor_speaks_of_proxies(settings: Settings, proxied: str) -> None:
    """That they are not for this machine; and which remote one cannot be reached."""
    found = proxy(settings.replaced(url=""))
    assert found.state == "ok" and "HTTP_PROXY" in found.message and "never for this one" in found.message


@pytest.mark.parametrize(
    ("place", "here"),
    [("http://localhost:1/x", True), ("127.9.9.9:80", True), ("ws://[::1]:1/ws", True), ("a.localhost", True),
     ("http://127.0.0.1.example.org", False), ("https://10.0.0.1", False), ("[", False), ("", False)],
)  # fmt: skip
def test_which_places_are_this_machine(place: str, here: bool) -> None:
    """By name or by address, with or without a scheme."""
    assert is_loopback(place) is here
