"""Slow connections against a web app: how fast is /healthz meanwhile? `python -m benchmarks.slow_clients [--json]`

Five hundred connections in four ways (nothing said, a header byte every few seconds, a trickled body, answers left
unread), which are opened again as often as the server drops them. With `--url` a running server is asked; without it
one is started, whose Redis and object store need not exist.
"""

from __future__ import annotations

import argparse
import resource
import selectors
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from arc_fabric.services.parts import gunicorn_command
from arc_fabric.services.ports import free_ports
from arc_fabric.services.process import Child
from arc_fabric.settings import load_settings

WAYS = ("idle", "header", "body", "unread")
TRICKLE_S = 2.0
_HEAD = "Host: 127.0.0.1\r\nContent-Type: application/json\r\n"
_UNREAD = f"GET /openapi/swagger-ui-bundle.js HTTP/1.1\r\n{_HEAD}\r\n".encode() * 40


class SlowClients:
    """So many connections, kept open and slow by one thread; `dropped` counts by way what the server ended."""

    def __init__(self, address: tuple[str, int], count: int, ways: tuple[str, ...] = WAYS) -> None:
        self._address = address
        self._wanted = [ways[number % len(ways)] for number in range(count)]
        self._open: dict[socket.socket, str] = {}
        self._selector = selectors.DefaultSelector()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.dropped: Counter[str] = Counter()
        self.opened = 0

    def __enter__(self) -> SlowClients:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for sock in self._open:
            sock.close()

    @property
    def open(self) -> int:
        """Connections now."""
        return len(self._open)

    def _run(self) -> None:
        due = time.monotonic() + TRICKLE_S
        while not self._over.is_set():
            for way in list((Counter(self._wanted) - Counter(self._open.values())).elements())[:50]:
                self._connect(way)
            for key, _ in self._selector.select(0.05):
                self._look(key.fileobj)  # type: ignore[arg-type]
            if time.monotonic() > due:
                due += TRICKLE_S
                self._trickle()

    def _connect(self, way: str) -> None:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(5)
        begin = {
            "idle": b"",
            "header": b"GET /healthz HTTP/1.1\r\nX-Slow: ",
            "body": f"POST /api/sessions HTTP/1.1\r\n{_HEAD}Content-Length: 100000\r\n\r\n".encode(),
            "unread": _UNREAD,
        }[way]
        try:
            sock.connect(self._address)
            sock.sendall(begin)
        except OSError:
            sock.close()
            return
        self._open[sock] = way
        self.opened += 1
        if way != "unread":  # that one must not look whether there is something to read
            self._selector.register(sock, selectors.EVENT_READ)

    def _trickle(self) -> None:
        for sock, way in list(self._open.items()):
            try:
                if way in ("header", "body"):
                    sock.send(b"x")
                elif way == "unread" and sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO) != 1:
                    self._drop(sock)  # no longer established
            except OSError:
                self._drop(sock)

    def _look(self, sock: socket.socket) -> None:
        with suppress(OSError):
            if sock.recv(65536):
                return
        self._drop(sock)

    def _drop(self, sock: socket.socket) -> None:
        self.dropped[self._open.pop(sock)] += 1
        with suppress(KeyError):
            self._selector.unregister(sock)
        sock.close()


@contextmanager
def web_app(folder: Path) -> Iterator[str]:
    """A web app alone; its URL."""
    port = free_ports(1)[0]
    settings = load_settings(data_dir=folder, redis_url="redis://127.0.0.1:1/0", s3_endpoint="127.0.0.1:1", port=port)
    command = gunicorn_command(settings, port)
    child = Child("web", command, folder / "web.log", env=settings.to_env(), stop_signals=((signal.SIGTERM, 10.0),))
    url = f"http://127.0.0.1:{port}"
    child.start_ready(lambda: _answers(url), 120)
    try:
        yield url
    finally:
        child.stop()


def _answers(url: str) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(url + "/healthz", timeout=2, trust_env=False).status_code == 200
    return False


def ask(url: str, seconds: float) -> list[float]:
    """Seconds that /healthz took, each on a new connection; 30 for one that had no answer by then."""
    times = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        with suppress(httpx.HTTPError):
            httpx.get(url + "/healthz", timeout=30, trust_env=False).raise_for_status()
        times.append(time.monotonic() - began)
        time.sleep(0.05)
    return sorted(times)


def measure(url: str, count: int, seconds: float) -> dict[str, object]:
    """Figures of one run."""
    alone = ask(url, 3)
    where = urlsplit(url)
    with SlowClients((where.hostname or "127.0.0.1", where.port or 80), count) as clients:
        while clients.opened < count:
            time.sleep(0.1)
        times = ask(url, seconds)
        return {
            "connections": count,
            "open": clients.open,
            "dropped": dict(clients.dropped),
            "asked": len(times),
            "healthz_alone_p95_s": round(alone[int(0.95 * len(alone))], 4),
            "healthz_p50_s": round(times[len(times) // 2], 4),
            "healthz_p95_s": round(times[int(0.95 * len(times))], 4),
            "healthz_max_s": round(times[-1], 4),
        }


def main() -> int:
    """1 when the bar is missed."""
    from benchmarks.rows import Report  # loads torch; tests that only open slow connections need none

    parser = argparse.ArgumentParser(prog="python -m benchmarks.slow_clients", description=__doc__)
    parser.add_argument("--url", help="a running server; without it one is started")
    parser.add_argument("--connections", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16_384), hard))
    report = Report("slow_clients")
    if options.url:
        facts = measure(options.url, options.connections, options.seconds)
    else:
        with tempfile.TemporaryDirectory() as folder, web_app(Path(folder)) as url:
            facts = measure(url, options.connections, options.seconds)
    p95 = float(str(facts["healthz_p95_s"]))
    report.add(f"/healthz beside {options.connections} slow connections, p95", p95, "s", at_most=1.0, baselines=facts)
    return report.finish(as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
