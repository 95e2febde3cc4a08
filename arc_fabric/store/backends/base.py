"""The contract of an object store: flat keys, whole-object writes, ranged reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True)
class ObjectInfo:
    """One stored object. `modified` is epoch seconds by the clock of the machine that stores it, perhaps whole ones."""

    key: str
    size: int
    modified: float
    version: str = ""
    """Another one for other bytes (S3: the ETag); empty where storage does not tell."""


class Backend(ABC):
    """A flat object store. All methods are safe to call from many threads at once.

    A `put` is atomic: readers see the old object, the new one, or none, never a part. Once it has returned, the object
    survives the writer's death and every later `head`, `get` and `list` sees it. A missing key raises KeyError; a store
    that does not answer raises StoreUnavailable (worth retrying).
    """

    @abstractmethod
    def put(self, key: str, parts: Buffer | Sequence[Buffer]) -> None:
        """Write one object from buffers back to back; the caller keeps them unchanged until it returns."""

    @abstractmethod
    def readinto(self, key: str, offset: int, buffers: Sequence[memoryview]) -> None:
        """Fill writable byte views, back to back, from `offset` on. A too short object raises ValueError."""

    @abstractmethod
    def rest(self, key: str, offset: int) -> bytes:
        """All bytes from `offset` on, of one write, also where another one replaces the object meanwhile."""

    @abstractmethod
    def stat(self, key: str) -> ObjectInfo:
        """Size and time of an object."""

    @abstractmethod
    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """All objects whose key starts with `prefix`, in key order (of folders that begin alike some stores list the
        shorter name first), as they are found: what is held in memory does not grow with their number."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove an object; a missing one is no error."""

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """An object's bytes, or a range of them."""
        if length is None:
            return self.rest(key, offset)
        if length <= 0:
            return b""
        data = bytearray(length)
        self.readinto(key, offset, [memoryview(data)])
        return bytes(data)

    def exists(self, key: str) -> bool:
        """Whether the object is there."""
        try:
            self.stat(key)
        except KeyError:
            return False
        return True

    def sweep(self, before: float) -> int:
        """Remove what writes that were begun before this time (by the storage's clock) and never finished have left
        behind; returns how many. Listings do not show it."""
        return 0

    def close(self) -> None:  # noqa: B027  (most backends hold nothing)
        """Give back connections."""


def as_parts(parts: Buffer | Sequence[Buffer]) -> list[memoryview]:
    """Flat byte views of one buffer or several."""
    several = [parts] if isinstance(parts, (bytes, bytearray, memoryview)) else parts
    return [memoryview(part).cast("B") for part in several]


def short_object(key: str, missing: int) -> ValueError:
    """The error for an object that ends before the range asked for."""
    return ValueError(f"{key} ends {missing} bytes before the end of the range asked for")
