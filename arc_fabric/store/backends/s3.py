"""Objects in an S3 bucket (MinIO, SeaweedFS, AWS), by plain requests: put, get with Range, head, list, delete."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import urllib3
from minio import Minio
from minio.error import InvalidResponseError, S3Error, ServerError

from arc_fabric.errors import StoreUnavailable
from arc_fabric.store.backends.base import Backend, Buffer, ObjectInfo, as_parts, short_object

_MISSING = {"NoSuchKey", "NoSuchObject", "NotFound"}
_CONNECTIONS = 32
_PART = 16 << 20
_SEND_S = 10.0
"""To connect, and for each part of a body to leave: a busy server may take its time."""
_ANSWER_S = 60.0
_T = TypeVar("_T")


class S3Backend(Backend):
    """One bucket. Requests that fail with 5xx or a broken connection are tried again a few times, then raise
    StoreUnavailable."""

    def __init__(self, endpoint: str, access_key: str, secret_key: str, bucket: str, *, secure: bool = False) -> None:
        self.endpoint = endpoint.removeprefix("http://").removeprefix("https://").rstrip("/")
        self.bucket = bucket
        retries = urllib3.Retry(total=2, backoff_factor=0.1, status_forcelist=[500, 502, 503, 504])
        self._pool = urllib3.PoolManager(
            maxsize=_CONNECTIONS, timeout=urllib3.Timeout(connect=_SEND_S, read=_ANSWER_S), retries=retries
        )
        self._client = Minio(
            self.endpoint, access_key, secret_key, secure=secure, region="us-east-1", http_client=self._pool
        )

    def ensure_bucket(self) -> None:
        """Make the bucket unless it exists."""

        def make() -> None:
            if not self._client.bucket_exists(self.bucket):
                self._client.make_bucket(self.bucket)

        self._ask(self.bucket, make)

    def put(self, key: str, parts: Buffer | Sequence[Buffer]) -> None:
        views = as_parts(parts)
        length = sum(len(view) for view in views)
        self._ask(
            key,
            lambda: self._client.put_object(
                self.bucket, key, _Chain(views), length, part_size=_PART, num_parallel_uploads=3
            ),
        )

    def readinto(self, key: str, offset: int, buffers: Sequence[memoryview]) -> None:
        length = sum(len(buffer) for buffer in buffers)
        if not length:
            return
        self._ask(key, lambda: self._read_range(key, offset, length, buffers))

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        if length is not None:
            return super().get(key, offset, length)
        return self._ask(key, lambda: self._read_rest(key, offset))

    def head(self, key: str) -> ObjectInfo:
        found = self._ask(key, lambda: self._client.stat_object(self.bucket, key))
        return ObjectInfo(key, found.size or 0, found.last_modified.timestamp() if found.last_modified else 0.0)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        found = self._ask(prefix, lambda: list(self._client.list_objects(self.bucket, prefix=prefix, recursive=True)))
        for item in found:
            if item.object_name and not item.is_dir:
                modified = item.last_modified.timestamp() if item.last_modified else 0.0
                yield ObjectInfo(item.object_name, item.size or 0, modified)

    def delete(self, key: str) -> None:
        try:
            self._ask(key, lambda: self._client.remove_object(self.bucket, key))
        except KeyError:
            return

    def sweep(self, before: float) -> int:
        return self._ask("multipart uploads", lambda: self._abort_uploads(before))

    def close(self) -> None:
        self._pool.clear()

    def _abort_uploads(self, before: float) -> int:
        # minio-py has these requests, but not in its public interface
        found = self._client._list_multipart_uploads(self.bucket).uploads
        stale = [upload for upload in found if upload.initiated_time and upload.initiated_time.timestamp() < before]
        for upload in stale:
            self._client._abort_multipart_upload(self.bucket, upload.object_name, upload.upload_id)
        return len(stale)

    def _read_range(self, key: str, offset: int, length: int, buffers: Sequence[memoryview]) -> None:
        response = self._client.get_object(self.bucket, key, offset=offset, length=length)
        try:
            for buffer in buffers:
                _fill(response, buffer, key)
        finally:
            response.close()
            response.release_conn()

    def _read_rest(self, key: str, offset: int) -> bytes:
        response = self._client.get_object(self.bucket, key, offset=offset)
        try:
            return response.read()
        finally:
            response.close()
            response.release_conn()

    def _ask(self, key: str, request: Callable[[], _T]) -> _T:
        try:
            return request()
        except S3Error as error:
            if error.code in _MISSING:
                raise KeyError(key) from None
            if error.code == "InvalidRange":
                raise short_object(key, 1) from None
            raise self._unavailable(f"{error.code}: {error.message}") from error
        except (urllib3.exceptions.HTTPError, InvalidResponseError, ServerError, OSError) as error:
            raise self._unavailable(f"{type(error).__name__}: {error}") from error

    def _unavailable(self, why: str) -> StoreUnavailable:
        return StoreUnavailable(
            f"The object store at {self.endpoint} (bucket {self.bucket}) does not answer: {why}",
            endpoint=self.endpoint,
            bucket=self.bucket,
        )


def _fill(response: urllib3.BaseHTTPResponse, buffer: memoryview, key: str) -> None:
    at = 0
    while at < len(buffer):
        got = response.readinto(buffer[at : at + (1 << 20)])
        if not got:
            raise short_object(key, len(buffer) - at)
        at += got


class _Chain(io.RawIOBase):
    """Reads several buffers as one stream without joining them."""

    def __init__(self, views: Sequence[memoryview]) -> None:
        self._views = [view for view in views if len(view)]
        self._at = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        taken: list[memoryview] = []
        room = size if size >= 0 else sum(len(view) for view in self._views)
        while room and self._views:
            view = self._views[0]
            part = view[self._at : self._at + room]
            taken.append(part)
            room -= len(part)
            self._at += len(part)
            if self._at == len(view):
                self._views.pop(0)
                self._at = 0
        return taken[0].tobytes() if len(taken) == 1 else b"".join(taken)
