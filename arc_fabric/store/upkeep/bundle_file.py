"""A bundle opened for reading: its index, and every object as a view of the file, which is never copied into memory.

Whoever sent it: the zip must be as `export` writes one (nothing compressed, no name twice, nothing that overlaps), and
the index of the form that follows. What the objects hold is `bundle_check`'s matter.
"""

from __future__ import annotations

import json
import mmap
import struct
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from arc_fabric.errors import ArcFabricError, DamagedSnapshot, InvalidRequest, UnknownFormat
from arc_fabric.store.format.manifest import ROOT, check_id

FORMAT = "arc-fabric-bundle"
VERSION = 1
INDEX = "bundle.json"
MAX_INDEX = 256 << 20
"""Bytes of the index, and of the zip's own directory."""
MAX_TEXT = 100_000
"""Characters of one text in the index."""
_MAX_DIGITS = 18
_END, _LOCAL = struct.Struct("<4s4H2LH"), struct.Struct("<4s5H3L2H")
"""The zip's records "end of central directory" and "local file header" (APPNOTE 4.3.16 and 4.3.7)."""


@dataclass(frozen=True)
class Bundle:
    """What a bundle holds."""

    checkpoints: tuple[str, ...]
    """The checkpoints that were exported, as asked for."""
    objects: Mapping[str, Mapping[str, Any]]
    """key -> length, digest, and kv_dropped for a tensors file whose KV has left storage."""
    extra: Mapping[str, Any]

    @property
    def size(self) -> int:
        """Bytes of all objects."""
        return sum(facts["length"] for facts in self.objects.values())


class BundleFile:
    """The index, and `[key]`: the bytes of an object as a read-only view."""

    def __init__(self, index: Bundle, views: Mapping[str, memoryview]) -> None:
        self.index = index
        self._views = views

    def __getitem__(self, key: str) -> memoryview:
        return self._views[key]


@contextmanager
def opened(path: Path) -> Iterator[BundleFile]:
    """Raises InvalidRequest (no such file), DamagedSnapshot and UnknownFormat."""
    if path.exists() and not path.is_file():
        raise InvalidRequest(f"{path} is no plain file.", hint="Name a file that export wrote.")  # a pipe never ends
    try:
        file = path.open("rb")
    except OSError as error:
        raise InvalidRequest(
            f"{path} cannot be read: {error.strerror}.", hint="Name a file that export wrote."
        ) from None
    with file:
        try:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (ValueError, OSError) as error:
            raise _damaged(path, str(error)) from None
        views: dict[str, memoryview] = {}  # the map goes with the last of them
        yield BundleFile(_read(path, memoryview(data), views), views)


def _read(path: Path, whole: memoryview, views: dict[str, memoryview]) -> Bundle:
    try:
        _check_end(whole)
        with zipfile.ZipFile(path) as archive:
            infos = {info.filename: info for info in archive.infolist()}
            if len(infos) != len(archive.infolist()):
                raise ValueError("it holds a name twice")
            if sum(info.file_size for info in infos.values()) > len(whole):
                raise ValueError("its parts overlap")
            for name, info in infos.items():
                views[name] = _view(whole, info)
            if len(views[INDEX]) > MAX_INDEX:
                raise ValueError(f"its index has more than {MAX_INDEX} bytes")
            body = archive.read(INDEX)  # which compares its checksum
        index = _index(body, path)
        if {*index.objects, INDEX} != set(views):
            odd = sorted({*index.objects, INDEX} ^ set(views))
            raise ValueError(f"index and content differ, in {odd[0]!r} first")
        for key, facts in index.objects.items():
            if facts["length"] != len(views[key]):
                raise ValueError(f"{key} has {len(views[key])} bytes, not {facts['length']}")
    except ArcFabricError:
        raise
    except KeyError as error:
        raise _damaged(path, f"it lacks {error}") from None
    # RuntimeError: encrypted, or nested too deeply
    except (ValueError, TypeError, struct.error, zipfile.BadZipFile, OSError, EOFError, RuntimeError) as error:
        raise _damaged(path, str(error)) from None
    return index


def _check_end(whole: memoryview) -> None:
    """Before the directory is read: it is as large as it may be. A file of more than 4 GiB says so elsewhere, and has a
    directory of at most that size too: its parts are as long as the file."""
    mark, _, _, _, _, size, at, comment = _END.unpack_from(whole, len(whole) - _END.size)
    if mark != b"PK\5\6" or comment:
        raise ValueError("it does not end as a bundle ends")
    if size == 0xFFFFFFFF or at == 0xFFFFFFFF:
        record = struct.unpack_from("<4sQ2H2L4Q", whole, len(whole) - _END.size - 20 - 56)
        if record[0] != b"PK\6\6":
            raise ValueError("its directory is not where it should be")
        size = record[8]
    if size > MAX_INDEX:
        raise ValueError(f"its directory has more than {MAX_INDEX} bytes")


def _view(whole: memoryview, info: zipfile.ZipInfo) -> memoryview:
    if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size or info.flag_bits & 1:
        raise ValueError(f"{info.filename!r} is compressed or encrypted")
    fields = _LOCAL.unpack_from(whole, info.header_offset)
    start = info.header_offset + _LOCAL.size
    end = start + fields[9] + fields[10] + info.file_size
    if (
        fields[0] != b"PK\3\4"
        or bytes(whole[start : start + fields[9]]) != info.orig_filename.encode()
        or end > len(whole)
    ):
        raise ValueError(f"{info.filename!r} is not where the directory says")
    return whole[end - info.file_size : end]


def _index(data: bytes, path: Path) -> Bundle:
    body = json.loads(data, parse_constant=_refuse, parse_int=_number)
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise ValueError(f"it is not marked as {FORMAT!r}")
    if body.get("version") != VERSION:
        raise UnknownFormat(f"{path} has bundle version {body.get('version')!r}; this software reads {VERSION}.")
    checkpoints, objects, extra = body["checkpoints"], body["objects"], body["extra"]
    if not (isinstance(checkpoints, list) and isinstance(objects, dict) and isinstance(extra, dict)):
        raise TypeError("its index is of another form")
    for name in ("nodes", "sessions"):
        if not isinstance(extra.get(name, []), list):
            raise TypeError(f"its {name} are no list")
    _check_texts(body)
    for key, facts in objects.items():
        _check_key(key)
        if (
            not isinstance(facts, dict)
            or type(facts.get("length")) is not int
            or not isinstance(facts.get("digest"), str)
        ):
            raise TypeError(f"its index does not say what {key} is")
    return Bundle(tuple(map(check_id, checkpoints)), objects, extra)


def _check_key(key: str) -> None:
    owner, slash, name = key.removeprefix(ROOT).partition("/")
    if not key.startswith(ROOT) or not slash:
        raise ValueError(f"{key!r} is no key of a checkpoint's object")
    check_id(owner)
    check_id(name)


def _check_texts(value: Any) -> None:
    """Every text can be written as UTF-8 and is of a sensible length."""
    if isinstance(value, str):
        value.encode()
        if len(value) > MAX_TEXT:
            raise ValueError(f"a text in its index has more than {MAX_TEXT} characters")
    elif isinstance(value, dict):
        for name, one in value.items():
            _check_texts(name)
            _check_texts(one)
    elif isinstance(value, list):
        for one in value:
            _check_texts(one)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _number(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError("a number in its index is too large")
    return int(digits)


def _damaged(path: Path, what: str) -> DamagedSnapshot:
    return DamagedSnapshot(
        f"{path} is not a complete bundle: {what}.", hint="Get it, or export it, again.", object=str(path)
    )
