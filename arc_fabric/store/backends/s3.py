"""Objects in an S3 bucket (MinIO, SeaweedFS, AWS), by plain requests: put, get with Range, head, list, delete.

Bytes move through obstore (Rust): a request holds the interpreter's lock only to begin and to end, so that a model
that runs beside it in the same process is not disturbed. So does what writers ask at every checkpoint (head, list).
Deleting, and what concerns the bucket, goes through minio-py. Bodies are not signed (`UNSIGNED-PAYLOAD` of AWS
Signature Version 4): SHA-256 of gigabytes would take longer than sending them, and what is read is held against its
BLAKE3 digest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import obstore
import urllib3
from minio import Minio
from minio.error import InvalidResponseError, S3Error, ServerError
from obstore.exceptions import BaseError
from obstore.store import S3Store

from arc_fabric.base.environment import hidden
from arc_fabric.base.hosts import is_loopback
from arc_fabric.base.present import present
from arc_fabric.errors import StoreUnavailable
from arc_fabric.store.backends.base import Backend, Buffer, ObjectInfo, as_parts, short_object

if TYPE_CHECKING:
    from obstore import GetOptions
    from obstore.store import ClientConfig

_HERE = "localhost,127.0.0.0/8,::1"
_MISSING = {"NoSuchKey", "NoSuchObject", "NotFound"}
_REGION = "us-east-1"
_CONNECTIONS = 32
_PART = 16 << 20
_PARTS_AT_ONCE = 3
_CHUNK = 1 << 20
_PAGE = 1000
_CONNECT_S = 10.0
_ANSWER_S = 60.0
"""For the answer, and for each read of it: a busy server may take its time."""
_WHOLE_S = 1800.0
_RETRIES, _PAUSE_S = 2, 0.1
_T = TypeVar("_T")


class S3Backend(Backend):
    """One bucket. Requests that fail with 5xx or a broken connection are tried again a few times, then raise
    StoreUnavailable."""

    def __init__(self, endpoint: str, access_key: str, secret_key: str, bucket: str, *, secure: bool = False) -> None:
        self.endpoint = endpoint.removeprefix("http://").removeprefix("https://").rstrip("/")
        self.bucket = bucket
        retries = urllib3.Retry(total=_RETRIES, backoff_factor=_PAUSE_S, status_forcelist=[500, 502, 503, 504])
        self._pool = urllib3.PoolManager(
            maxsize=_CONNECTIONS, timeout=urllib3.Timeout(connect=_CONNECT_S, read=_ANSWER_S), retries=retries
        )
        self._client = Minio(
            self.endpoint, access_key, secret_key, secure=secure, region=_REGION, http_client=self._pool
        )
        with hidden("AWS_"):  # a session's token of another account would go with every request
            self._bytes = _store(self.endpoint, access_key, secret_key, bucket, secure)

    def ensure_bucket(self) -> None:
        """Make the bucket unless it exists."""

        def make() -> None:
            if not self._client.bucket_exists(self.bucket):
                self._client.make_bucket(self.bucket)

        self._ask(self.bucket, make)

    def put(self, key: str, parts: Buffer | Sequence[Buffer]) -> None:
        views = as_parts(parts)
        if sum(len(view) for view in views) <= _PART:
            body = views[0] if len(views) == 1 else b"".join(views)
            self._ask(key, lambda: obstore.put(self._bytes, key, body, use_multipart=False))
        else:
            self._ask(
                key,
                lambda: obstore.put(self._bytes, key, iter(views), chunk_size=_PART, max_concurrency=_PARTS_AT_ONCE),
            )

    def readinto(self, key: str, offset: int, buffers: Sequence[memoryview]) -> None:
        length = sum(len(buffer) for buffer in buffers)
        if not length:
            return
        self._ask(key, lambda: self._read_range(key, offset, length, buffers))

    def rest(self, key: str, offset: int) -> bytes:
        options: GetOptions | None = {"range": {"offset": offset}} if offset else None
        return self._ask(key, lambda: bytes(obstore.get(self._bytes, key, options=options).bytes()))

    def stat(self, key: str) -> ObjectInfo:
        return _info(self._ask(key, lambda: obstore.head(self._bytes, key)))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        folder = prefix[: prefix.rfind("/") + 1]  # obstore takes a prefix for a folder, with or without its slash
        pages = self._ask(prefix, lambda: obstore.list(self._bytes, folder, chunk_size=_PAGE))
        while (page := self._ask(prefix, lambda: next(pages, None))) is not None:
            yield from (_info(meta) for meta in page if meta["path"].startswith(prefix))

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
            self._client._abort_multipart_upload(self.bucket, upload.object_name, present(upload.upload_id))
        return len(stale)

    def _read_range(self, key: str, offset: int, length: int, buffers: Sequence[memoryview]) -> None:
        answer = obstore.get(self._bytes, key, options={"range": (offset, offset + length)})
        room = [buffer for buffer in buffers if len(buffer)]
        for chunk in answer.stream(min_chunk_size=_CHUNK):
            length -= _pour(memoryview(chunk), room)
        if length:
            raise short_object(key, length)

    def _ask(self, key: str, request: Callable[[], _T]) -> _T:
        try:
            return request()
        except (FileNotFoundError, BaseError) as error:
            if "NoSuchBucket" in str(error):
                raise self._unavailable("NoSuchBucket: the bucket does not exist") from error
            if isinstance(error, FileNotFoundError):
                raise KeyError(key) from None
            if "InvalidRange" in str(error):
                raise short_object(key, 1) from None
            raise self._unavailable(_first_line(error)) from error
        except S3Error as error:
            if error.code in _MISSING:
                raise KeyError(key) from None
            raise self._unavailable(f"{error.code}: {error.message}") from error
        except (urllib3.exceptions.HTTPError, InvalidResponseError, ServerError, OSError) as error:
            raise self._unavailable(f"{type(error).__name__}: {error}") from error

    def _unavailable(self, why: str) -> StoreUnavailable:
        return StoreUnavailable(
            f"The object store at {self.endpoint} (bucket {self.bucket}) does not answer: {why}",
            endpoint=self.endpoint,
            bucket=self.bucket,
        )


def _store(endpoint: str, access_key: str, secret_key: str, bucket: str, secure: bool) -> S3Store:
    return S3Store(
        bucket,
        endpoint=f"{'https' if secure else 'http'}://{endpoint}",
        region=_REGION,
        access_key_id=access_key,
        secret_access_key=secret_key,
        virtual_hosted_style_request=False,
        unsigned_payload=True,
        client_options={
            "allow_http": not secure,
            "connect_timeout": timedelta(seconds=_CONNECT_S),
            "read_timeout": timedelta(seconds=_ANSWER_S),
            "timeout": timedelta(seconds=_WHOLE_S),
            **_past_proxies(endpoint),
        },
        retry_config={
            "max_retries": _RETRIES,
            "backoff": {
                "init_backoff": timedelta(seconds=_PAUSE_S),
                "max_backoff": timedelta(seconds=1),
                "base": 2,
            },
        },
    )


def _past_proxies(endpoint: str) -> ClientConfig:
    """Options by which a store on this machine is reached directly, whatever proxy the environment names: one of our
    own takes its place, which all hosts here are excluded from."""
    return {"proxy_url": "http://127.0.0.1:9", "proxy_excludes": _HERE} if is_loopback(endpoint) else {}


def _info(meta: Mapping[str, Any]) -> ObjectInfo:
    return ObjectInfo(meta["path"], meta["size"], meta["last_modified"].timestamp(), meta["e_tag"] or "")


def _first_line(error: BaseError) -> str:
    """What obstore says, without the dump of its insides that follows."""
    return str(error).partition("\n")[0]


def _pour(data: memoryview, room: list[memoryview]) -> int:
    """Copy data to the beginning of the room, and take what is filled off it; returns how much was copied."""
    at = 0
    while at < len(data):
        taken = min(len(room[0]), len(data) - at)
        room[0][:taken] = data[at : at + taken]
        room[0] = room[0][taken:]
        at += taken
        if not room[0]:
            room.pop(0)
    return at
