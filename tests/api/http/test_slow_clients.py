"""Clients that keep the server waiting, without a token and in every way: others are answered meanwhile."""

from __future__ import annotations

import resource
import selectors
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from gunicorn.config import Config

from benchmarks.slow_clients import WAYS, SlowClients, web_app
from tests.support.waiting import eventually
from webapp.http.patient_worker import PatientWorker
from webapp.http.slow_clients import Patience, PatientSocket

ANSWER_S = 90.0
"""Far beyond what it takes; who waits for a slow client waits for ever."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A web app alone, without Redis and object store."""
    with web_app(tmp_path_factory.mktemp("web")) as url:
        yield url


@pytest.mark.parametrize("way", WAYS)
def test_more_slow_connections_than_threads_stop_nothing(url: str, way: str) -> None:
    """/healthz answers beside 240 of them (100 stopped version 0.1.0 for as long as they liked)."""
    where = urlsplit(url)
    with SlowClients((where.hostname or "", where.port or 0), 240, (way,)) as clients:
        eventually(lambda: clients.opened >= 240, ANSWER_S)
        for _ in range(3):
            assert httpx.get(url + "/healthz", timeout=ANSWER_S, trust_env=False).status_code == 200
        assert clients.open


def test_a_client_that_does_not_close_its_side_stops_nothing(url: str) -> None:
    """What is over lingers beside the others, and then is closed by the server."""
    where = urlsplit(url)
    lingering = [socket.create_connection((where.hostname or "", where.port or 0), timeout=30) for _ in range(40)]
    for sock in lingering:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    for sock in lingering:
        with sock:
            text = b"".join(iter(lambda sock=sock: sock.recv(65536), b""))  # type: ignore[misc]
            assert text.startswith(b"HTTP/1.1 200"), text


def test_a_process_that_has_no_file_left_goes_on(url: str) -> None:
    """Accepting fails then; an idle connection goes, and the next client is answered by the same process (it ended)."""
    where = urlsplit(url)
    ours = [one for one in psutil.Process().children(recursive=True) if f"127.0.0.1:{where.port}" in one.cmdline()]
    worker = next(one for one in ours if one.parent() in ours)
    before = resource.prlimit(worker.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, (worker.num_fds() + 12, before[1]))
    try:
        with SlowClients((where.hostname or "", where.port or 0), 80, ("idle",)) as clients:
            eventually(lambda: clients.opened >= 80, ANSWER_S)
            for _ in range(3):
                assert httpx.get(url + "/healthz", timeout=ANSWER_S, trust_env=False).status_code == 200
        assert worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE
    finally:
        if worker.is_running():
            resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, before)


def test_requests_in_pieces_and_in_a_row_are_answered(url: str) -> None:
    """A header byte by byte, two requests in one packet, and one more on the connection that was kept."""
    where = urlsplit(url)
    request = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=30) as sock:
        for byte in request:
            sock.sendall(bytes((byte,)))
        assert _answers(sock, 1) == 1
        sock.sendall(request * 2)
        assert _answers(sock, 2) == 2
        sock.sendall(request)
        assert _answers(sock, 1) == 1


def _answers(sock: socket.socket, wanted: int) -> int:
    got = b""
    while got.count(b"HTTP/1.1 200") < wanted or got.count(b'"status"') < wanted:
        piece = sock.recv(65536)
        assert piece, got
        got += piece
    return got.count(b"HTTP/1.1 200")


def test_a_lingering_connection_that_a_thread_closes_takes_nobody_with_it() -> None:
    """Its number is the next connection's, which is taken in, and neither is counted for ever (gunicorn's process ended
    with "already registered")."""
    worker = PatientWorker(1, 1, [], None, 30, Config(), None)
    worker.poller = selectors.DefaultSelector()
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as clients:
        for _ in range(20):
            clients.enter_context(socket.create_connection(listener.getsockname()))

        def take() -> Any:
            worker.accept(listener)
            return worker.pending_conns[-1]

        old = take()
        number = old.sock.fileno()
        worker.poller.unregister(old.sock)  # it has sent its header and gone to a thread
        worker.pending_conns.remove(old)
        over: Future[bool] = Future()
        over.set_result(False)
        worker.finish_request(old, over)
        old.sock.close()
        others = [take() for _ in range(19)]
        assert number in [conn.sock.fileno() for conn in others]
        worker.murder_pending()
        assert worker.nr_conns == len(others)
        for conn in others:
            conn.close()
    worker.poller.close()


def test_of_too_many_the_slowest_of_the_commonest_address_goes() -> None:
    """Not the one that another address has, though it waits longer."""
    patience = Patience(limit=3)
    pairs = [socket.socketpair() for _ in range(4)]
    waiting = [
        PatientSocket(ours, address, patience) for (ours, _), address in zip(pairs, ("b", "a", "a", "a"), strict=True)
    ]
    ended: list[str] = []

    def wait(index: int) -> None:
        with waiting[index].within(ANSWER_S):
            if waiting[index].recv(1) == b"":
                ended.append(f"{waiting[index].address}{index}")

    threads = [threading.Thread(target=wait, args=(index,)) for index in range(4)]
    for index, thread in enumerate(threads):
        thread.start()
        eventually(lambda count=index + 1: len(patience._waiting) + len(ended) >= count)  # type: ignore[misc]
    eventually(lambda: bool(ended))
    assert ended == ["a1"]
    for _, theirs in pairs:
        theirs.sendall(b"x") if theirs is not pairs[1][1] else theirs.close()
    for thread in threads:
        thread.join()
    assert ended == ["a1"]
