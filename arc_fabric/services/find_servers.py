"""The object store and the Redis of a data directory, whether `up` runs on it or not: for gc, fsck, export and import.

>>> with reachable_store(load_settings()) as settings:                                  # doctest: +SKIP
...     backend = backend_from_settings(settings)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

from arc_fabric.errors import ServiceError
from arc_fabric.services import credentials
from arc_fabric.services.lock import DataDirLock, read_running
from arc_fabric.services.valkey import ValkeyServer
from arc_fabric.services.weed import WeedServer
from arc_fabric.settings import Settings


@contextmanager
def reachable_store(settings: Settings, *, ledger: bool = False) -> Iterator[Settings]:
    """Settings with an object store that answers: the named one, the running embedded one, or one started for now.

    With `ledger` also with a Redis, found in the same way.
    """
    found = named_or_running(settings) or settings
    if ledger and not found.redis_url:
        found = found.replaced(redis_url=running_redis(settings))
    with ExitStack() as stack:
        missing_redis = ledger and not found.redis_url
        if not found.s3_endpoint or missing_redis:
            lock = DataDirLock(settings.data_dir)
            if not found.s3_endpoint:
                _require_data(settings)
            lock.acquire()
            stack.callback(lock.release)
            if not found.s3_endpoint:
                found = _embedded(found, stack.enter_context(_started_store(settings, lock)))
            if missing_redis:
                found = found.replaced(redis_url=stack.enter_context(_started_redis(settings, lock)))
        yield found


def knows_ledger(settings: Settings) -> bool:
    """Whether the Redis that goes with the object store can be had: named, or in the data directory. An empty one
    started for now would say that nothing is in use."""
    return bool(settings.redis_url) or (settings.data_dir / "redis").is_dir()


def named_or_running(settings: Settings) -> Settings | None:
    """Settings with the object store that they name or that `up` runs on their data directory; None if neither is."""
    if settings.s3_endpoint:
        return settings
    running = read_running(settings.data_dir)
    ours = (settings.data_dir / "s3").is_dir()  # else that `up` was told of a store by flags that we do not know
    return _embedded(settings, urlsplit(running["s3_url"]).netloc) if running and ours else None


def running_redis(settings: Settings) -> str:
    """The URL of the Redis that `up` runs on their data directory; empty if none does. ServiceError where that `up`
    was told of a Redis of its own."""
    running = read_running(settings.data_dir)
    if running is None:
        return ""
    if not (settings.data_dir / "redis").is_dir():
        raise ServiceError(
            "The 'up' that runs here uses a Redis that this command does not know.", hint="Name it with redis_url."
        )
    return credentials.redis_url(settings.data_dir, urlsplit(running["redis_url"]).port or 0)


def _require_data(settings: Settings) -> None:
    if not (settings.data_dir / "s3").is_dir():
        raise ServiceError(
            f"There is no object store in {settings.data_dir}.",
            hint="Name another data_dir, or an object store with s3_endpoint.",
        )


@contextmanager
def _started_store(settings: Settings, lock: DataDirLock) -> Iterator[str]:
    server = WeedServer(settings.data_dir, bucket=settings.s3_bucket, keep_open=(lock.descriptor,))
    try:
        server.start()
        yield server.endpoint
    finally:
        server.stop()


@contextmanager
def _started_redis(settings: Settings, lock: DataDirLock) -> Iterator[str]:
    server = ValkeyServer(settings.data_dir, keep_open=(lock.descriptor,))
    try:
        server.start()
        yield server.url
    finally:
        server.stop()


def _embedded(settings: Settings, endpoint: str) -> Settings:
    pair = credentials.load_or_make(settings.data_dir / "secrets" / "s3.json")
    return settings.replaced(**pair.settings(endpoint))
