"""A web app that a real reverse proxy shows below a path."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from arc_fabric.services.ports import free_ports
from arc_fabric.services.process import Child
from arc_fabric.settings import Settings
from tests.support.nursery import ROOT
from tests.support.web_server import WebServer

TOP = "/lab/arc"


@contextmanager
def serving_below(settings: Settings, how: str) -> Iterator[str]:
    """The URL at which a proxy that cuts or keeps the path shows a web app with one toy worker."""
    server, port = WebServer(settings.replaced(root_path=TOP)), free_ports(1)[0]
    server.ledger.redis.flushdb()
    command = [sys.executable, "-m", "tests.support.reverse_proxy", str(port), server.url, TOP, how]
    proxy = Child("proxy", command, settings.data_dir / "proxy.log", cwd=ROOT)
    server.start()
    try:
        proxy.start_ready(lambda: _answers(port), 60)
        yield f"http://127.0.0.1:{port}{TOP}"
    finally:
        proxy.stop()
        server.stop()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}{TOP}/healthz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
