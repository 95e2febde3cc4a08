"""Host names as requests and settings give them: whatever was sent, the answer is a text. And which are this machine.

A proxy that the environment names (HTTP_PROXY, ALL_PROXY, ...) is for other machines: what we say to this one never
goes through it.

>>> host_of("localhost:8321"), host_of("["), place_of("http://LOCALHOST:8321"), place_of("http://[")
('localhost', '', 'localhost:8321', '')
>>> is_loopback("http://127.0.0.1:8321/arc"), is_loopback("[::1]:9000"), is_loopback("https://fabric.example.org")
(True, True, False)
"""

from __future__ import annotations

import os
from ipaddress import ip_address
from urllib.parse import urlsplit

PROXIES = ("http_proxy", "https_proxy", "all_proxy")
"""Variables of the environment that name a proxy, in small or capital letters."""


def host_of(place: str) -> str:
    """The host of `host:port`, as in a Host header; empty where there is none."""
    try:
        return urlsplit("//" + place).hostname or ""
    except ValueError:
        return ""


def place_of(origin: str) -> str:
    """`host:port` of an Origin or URL; empty where it is none, which is nobody's."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def is_loopback(place: str) -> bool:
    """Whether a URL, or `host:port`, names this machine."""
    host = host_of(place.partition("://")[2].partition("/")[0] if "://" in place else place)
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def proxies() -> dict[str, str]:
    """The proxies that the environment names, by variable."""
    return {name: value for name, value in os.environ.items() if name.lower() in PROXIES and value}
