"""One suite over all backends."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from arc_fabric.errors import StoreUnavailable
from arc_fabric.services.ports import free_ports
from arc_fabric.services.weed import WeedServer
from arc_fabric.store.backends import Backend, DiskBackend, MemoryBackend, S3Backend


def test_what_is_put_is_read(backend: Backend) -> None:
    """Whole, in ranges, from several parts, and empty."""
    backend.put("a/b", [b"hello ", memoryview(bytearray(b"world"))])
    backend.put("a/empty", b"")
    assert backend.get("a/b") == b"hello world"
    assert backend.get("a/b", 6, 5) == b"world"
    assert backend.get("a/b", 6) == b"world"
    assert backend.get("a/empty") == b""
    first, second = bytearray(2), bytearray(3)
    backend.readinto("a/b", 1, [memoryview(first), memoryview(second)])
    assert bytes(first + second) == b"ello "
    assert backend.stat("a/b").size == 11


def test_a_missing_object_is_a_key_error_and_a_short_one_a_value_error(backend: Backend) -> None:
    """The two are told apart, and deleting what is not there is no error."""
    for read in (lambda: backend.get("no"), lambda: backend.get("no", 0, 4), lambda: backend.stat("no")):
        with pytest.raises(KeyError):
            read()
    backend.put("short", b"123")
    for offset in (1, 3, 10):
        with pytest.raises(ValueError, match="short"):
            backend.get("short", offset, 5)
    backend.delete("no")
    assert not backend.exists("no") and backend.exists("short")


def test_listing_is_by_prefix_and_in_order(backend: Backend) -> None:
    """Prefixes need not end at a slash; overwritten objects are listed once; deleted ones not."""
    for key in ("x/2", "x/1", "x1/a", "y"):
        backend.put(key, b"1")
    backend.put("x/1", b"22")
    backend.delete("y")
    assert [(info.key, info.size) for info in backend.list("x")] == [("x/1", 2), ("x/2", 1), ("x1/a", 1)]
    assert [info.key for info in backend.list("x/")] == ["x/1", "x/2"]
    assert list(backend.list("nothing/")) == []


def test_a_read_sees_one_write(backend: Backend) -> None:
    """An object that is replaced by shorter and longer ones all the time is read whole, as one of them."""
    texts = [b"a" * 40_000, b"b" * 50, b"c" * 9_000]
    backend.put("x", texts[0])
    stop = threading.Event()

    def replace() -> None:
        while not stop.is_set():
            for text in texts:
                backend.put("x", text)

    writer = threading.Thread(target=replace)
    writer.start()
    try:
        seen = {backend.get("x") for _ in range(300)}
    finally:
        stop.set()
        writer.join(30)
    assert seen <= set(texts)


def test_many_threads_at_once(backend: Backend) -> None:
    """Writers and readers of different and of the same keys do not disturb one another."""
    wrong: list[str] = []

    def work(me: int) -> None:
        for i in range(10):
            backend.put(f"own/{me}", bytes([me]) * (i + 1))
            backend.put("shared", bytes([me]) * 1000)
            if backend.get(f"own/{me}") != bytes([me]) * (i + 1) or len(set(backend.get("shared"))) != 1:
                wrong.append(f"{me}/{i}")

    threads = [threading.Thread(target=work, args=(me,)) for me in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_large_object_goes_up_in_parts(s3_backend: S3Backend) -> None:
    """More than one multipart part; ranges across the border read back."""
    data = bytearray(70 << 20)
    data[(64 << 20) - 2 : (64 << 20) + 2] = b"edge"
    s3_backend.put("large", data)
    assert s3_backend.stat("large").size == len(data)
    assert s3_backend.get("large", (64 << 20) - 2, 4) == b"edge"


def test_a_store_that_does_not_answer_is_unavailable() -> None:
    """A refused connection is StoreUnavailable, which is worth retrying, with the endpoint named."""
    backend = S3Backend(f"127.0.0.1:{free_ports(1)[0]}", "key", "secret-key", "bucket")
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1"):
        backend.stat("x")


def test_a_bucket_that_does_not_exist_is_told(s3_server: WeedServer) -> None:
    """Listing and reading say so, as a store that does not serve, not as missing objects."""
    pair = s3_server.credentials
    backend = S3Backend(s3_server.endpoint, pair.access_key, pair.secret_key, "no-such-bucket")
    for attempt in (lambda: list(backend.list("checkpoints/")), lambda: backend.get("x", 0, 1)):
        with pytest.raises(StoreUnavailable, match="NoSuchBucket"):
            attempt()
    backend.close()


def test_a_long_listing_is_whole_and_in_order(s3_backend: S3Backend) -> None:
    """More objects than one answer of the server holds (1,000), with their sizes and the time they were stored."""
    keys = [f"many/{i:04d}" for i in range(1050)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: s3_backend.put(key, key.encode()), keys))
    found = list(s3_backend.list("many/"))
    assert [info.key for info in found] == keys and {info.size for info in found} == {len(keys[0])}
    assert all(abs(info.modified - time.time()) < 600 for info in found)
    assert s3_backend.stat(keys[7]) == found[7]


def test_keys_cannot_leave_the_directory(tmp_path: Path) -> None:
    """A disk backend refuses keys that climb out of its folder."""
    backend = DiskBackend(tmp_path / "store")
    with pytest.raises(ValueError, match="leaves"):
        backend.put("../outside", b"x")


def test_the_parts_of_an_upload_that_was_cut_off_are_swept(s3_backend: S3Backend) -> None:
    """A multipart upload that nobody completed goes, once it is old enough."""
    upload = s3_backend._client._create_multipart_upload(s3_backend.bucket, "cut/off", {})
    assert upload and s3_backend.sweep(before=0) == 0
    assert s3_backend.sweep(before=time.time() + 60) == 1
    assert s3_backend.sweep(before=time.time() + 60) == 0


def test_temporary_files_of_a_killed_writer_are_swept(tmp_path: Path) -> None:
    """Files that were never renamed are not listed, and go once they are old enough."""
    backend = DiskBackend(tmp_path)
    backend.put("a/b", b"1")
    (tmp_path / "a" / ".tmp-123").write_bytes(b"half")
    assert [info.key for info in backend.list("")] == ["a/b"]
    assert backend.sweep(before=0) == 0
    assert backend.sweep(before=time.time() + 60) == 1
    assert backend.get("a/b") == b"1"


def test_listings_are_in_key_order(tmp_path: Path) -> None:
    """Also of folders that begin alike, and without what is being written."""
    keys = sorted(["f/a/x", "f/a-b/x", "f/a.txt", "f/ab/y/z", "f/b", "g/x"])
    for backend in (MemoryBackend(), DiskBackend(tmp_path / "objects")):
        for key in keys:
            backend.put(key, b"")
        assert [info.key for info in backend.list("f/")] == keys[:-1]
        assert [info.key for info in backend.list("f/a")] == keys[:-2]
        assert [info.key for info in backend.list("")] == keys
        assert not list(backend.list("h/"))
