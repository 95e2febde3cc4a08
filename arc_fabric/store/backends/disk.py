"""Objects as files below one directory: temporary file in the same folder, fsync, rename."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path

from arc_fabric.errors import StoreUnavailable
from arc_fabric.store.backends.base import Backend, Buffer, ObjectInfo, as_parts, short_object

_TEMPORARY = ".tmp-"


class DiskBackend(Backend):
    """Keys are relative paths below `path`. `sync=False` trades power-failure safety for speed (caches)."""

    def __init__(self, path: Path | str, *, sync: bool = True) -> None:
        self.path = Path(path).resolve()
        self._sync = sync
        self.path.mkdir(parents=True, exist_ok=True)

    def put(self, key: str, parts: Buffer | Sequence[Buffer]) -> None:
        target = self._path(key)
        temporary = target.with_name(f"{_TEMPORARY}{os.urandom(6).hex()}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("xb") as file:
                for part in as_parts(parts):
                    file.write(part)
                if self._sync:
                    file.flush()
                    os.fsync(file.fileno())
            temporary.replace(target)
            if self._sync:
                _sync_directory(target.parent)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise StoreUnavailable(f"Cannot write {target}: {error}") from error

    def readinto(self, key: str, offset: int, buffers: Sequence[memoryview]) -> None:
        with self._open(key) as file:
            file.seek(offset)
            for buffer in buffers:
                missing = len(buffer) - file.readinto(buffer)
                if missing:
                    raise short_object(key, missing)

    def rest(self, key: str, offset: int) -> bytes:
        with self._open(key) as file:  # the open file stays what it is when another takes its name
            file.seek(offset)
            return file.read()

    def stat(self, key: str) -> ObjectInfo:
        try:
            status = self._path(key).stat()
        except (FileNotFoundError, NotADirectoryError):
            raise KeyError(key) from None
        return _info(key, status)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        folder, _, start = prefix.rpartition("/")
        yield from self._below(f"{folder}/" if folder else "", start)

    def _below(self, folder: str, start: str) -> Iterator[ObjectInfo]:
        """What lies below a folder (a key with its slash, or empty), of its members those that begin with `start`."""
        try:
            with os.scandir(self.path / folder) as found:
                members = {f"{i.name}/" if i.is_dir() else i.name: i for i in found if i.name.startswith(start)}
        except (FileNotFoundError, NotADirectoryError):
            return  # deleted while we listed, or never there
        for name in sorted(members):
            if name.endswith("/"):
                yield from self._below(folder + name, "")
            elif not name.startswith(_TEMPORARY):
                with suppress(FileNotFoundError):  # deleted while we listed
                    yield _info(folder + name, members[name].stat())

    def delete(self, key: str) -> None:
        path = self._path(key)
        path.unlink(missing_ok=True)
        try:
            path.parent.rmdir()
        except OSError:
            return  # not empty, or gone already

    def sweep(self, before: float) -> int:
        swept = 0
        for folder, _, names in os.walk(self.path):  # passes over folders that vanish meanwhile
            for path in (Path(folder, name) for name in names if name.startswith(_TEMPORARY)):
                try:
                    if path.stat().st_mtime < before:
                        path.unlink()
                        swept += 1
                except FileNotFoundError:
                    continue  # its writer has finished it
        return swept

    def _open(self, key: str) -> FileIO:
        try:
            return self._path(key).open("rb", buffering=0)
        except (FileNotFoundError, NotADirectoryError):
            raise KeyError(key) from None

    def _path(self, key: str) -> Path:
        path = (self.path / key).resolve()
        if self.path not in path.parents:
            raise ValueError(f"{key!r} is not a key: it leaves the store's directory")
        return path


def _info(key: str, status: os.stat_result) -> ObjectInfo:
    return ObjectInfo(key, status.st_size, status.st_mtime, f"{status.st_ino}-{status.st_mtime_ns}")


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
