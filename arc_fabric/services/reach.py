"""The object store of a data directory, whether `up` runs on it or not: for gc, fsck, export and import.

>>> with reachable_store(load_settings()) as settings:                                  # doctest: +SKIP
...     backend = backend_from_settings(settings)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from arc_fabric.errors import ServiceError
from arc_fabric.services import credentials
from arc_fabric.services.lock import DataDirLock, read_running
from arc_fabric.services.weed import WeedServer
from arc_fabric.settings import Settings


@contextmanager
def reachable_store(settings: Settings) -> Iterator[Settings]:
    """Settings with an object store that answers: the named one, the running embedded one, or one started for now."""
    found = named_or_running(settings)
    if found:
        yield found
    else:
        with _started(settings) as endpoint:
            yield _embedded(settings, endpoint)


def named_or_running(settings: Settings) -> Settings | None:
    """Settings with the object store that they name or that `up` runs on their data directory; None if neither is."""
    if settings.s3_endpoint:
        return settings
    running = read_running(settings.data_dir)
    ours = (settings.data_dir / "s3").is_dir()  # else that `up` was told of a store by flags that we do not know
    return _embedded(settings, urlsplit(running["s3_url"]).netloc) if running and ours else None


@contextmanager
def _started(settings: Settings) -> Iterator[str]:
    if not (settings.data_dir / "s3").is_dir():
        raise ServiceError(
            f"There is no object store in {settings.data_dir}.",
            hint="Name another data_dir, or an object store with s3_endpoint.",
        )
    lock = DataDirLock(settings.data_dir)
    lock.acquire()
    server = WeedServer(settings.data_dir, bucket=settings.s3_bucket, keep_open=(lock.descriptor,))
    try:
        server.start()
        yield server.endpoint
    finally:
        server.stop()
        lock.release()


def _embedded(settings: Settings, endpoint: str) -> Settings:
    pair = credentials.load_or_make(settings.data_dir / "secrets" / "s3.json")
    return settings.replaced(
        s3_endpoint=endpoint, s3_access_key=pair.access_key, s3_secret_key=pair.secret_key, s3_secure=False
    )
