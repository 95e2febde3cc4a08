"""A Redis that answers and takes no writes, in every way that it has."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis
from redis.exceptions import ResponseError

from arc_fabric.services.valkey import ValkeyServer
from tests.support.waiting import eventually

_SETTINGS = {
    "OOM": ({"maxmemory": 1}, {"maxmemory": 0}),
    "NOREPLICAS": ({"min-replicas-to-write": 1}, {"min-replicas-to-write": 0}),
}
KINDS = ("OOM", "NOREPLICAS", "READONLY", "MISCONF", "NOPERM")


@contextmanager
def refusing(server: ValkeyServer, kind: str) -> Iterator[None]:
    """Inside the block the server refuses every write with an error of this code."""
    with Redis.from_url(server.url) as client:
        begin, end = _of(client, kind)
        begin()
        try:
            yield
        finally:
            end()


@contextmanager
def held_up(server: ValkeyServer) -> Iterator[None]:
    """Inside the block the server answers everything with BUSY: a script runs that does not end by itself."""
    with Redis.from_url(server.url, retry=None) as client, Redis.from_url(server.url, retry=None) as looping:
        client.config_set("busy-reply-threshold", 1)
        thread = threading.Thread(target=_loop, args=(looping,))
        thread.start()
        eventually(lambda: _is_busy(client))
        try:
            yield
        finally:
            client.script_kill()
            thread.join(30)
            client.config_set("busy-reply-threshold", 5000)


def _loop(client: Redis) -> None:
    with contextlib.suppress(ResponseError):  # it was killed
        client.eval("while true do end", 0)


def _is_busy(client: Redis) -> bool:
    try:
        client.ping()
    except ResponseError as error:
        return str(error).startswith("BUSY")
    return False


def _of(client: Redis, kind: str) -> tuple[Callable[[], object], Callable[[], object]]:
    if kind in _SETTINGS:
        on, off = _SETTINGS[kind]
        return lambda: [client.config_set(*one) for one in on.items()], lambda: [
            client.config_set(*one) for one in off.items()
        ]
    if kind == "READONLY":  # a replica of a master that is not there
        return lambda: client.replicaof("127.0.0.1", "1"), lambda: client.replicaof("NO", "ONE")
    if kind == "NOPERM":  # the user that we are may only read
        return lambda: client.execute_command("ACL", "SETUSER", "default", "-@write"), lambda: client.execute_command(
            "ACL", "SETUSER", "default", "+@all"
        )
    return lambda: _break_snapshots(client), lambda: _mend_snapshots(client)


def _break_snapshots(client: Redis) -> None:
    """A folder is where the snapshot shall go, so that the next one fails."""
    with contextlib.suppress(FileExistsError):
        (Path(client.config_get("dir")["dir"]) / "dump.rdb").mkdir()
    client.config_set("stop-writes-on-bgsave-error", "yes")
    client.config_set("save", "3600 1000000")
    client.bgsave()
    eventually(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err")


def _mend_snapshots(client: Redis) -> None:
    """No snapshots any more: a server that cannot write one does not end when it is told to, either."""
    client.config_set("stop-writes-on-bgsave-error", "no")
    client.config_set("save", "")
