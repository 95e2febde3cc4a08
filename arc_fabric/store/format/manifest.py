"""The stored form of a checkpoint, pure: no torch, no storage.

A checkpoint `<id>` is stored as two objects:

    checkpoints/<id>/tensors.safetensors   the bytes this step added, a valid safetensors file
    checkpoints/<id>/manifest.json         every tensor as a list of pieces (checkpoint id, offset, length, digest)

A piece lies in the file of the checkpoint that added it, which may be an ancestor: that is how snapshots
share a prefix. A piece of zeros has no bytes (`zero`), a piece that a light snapshot left out has a digest but no
place (`dropped`). Offsets count from the start of the file. docs/reference/snapshots.md describes every field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Any

from blake3 import blake3

from arc_fabric.errors import DamagedSnapshot, InvalidRequest, UnknownFormat

FORMAT = "arc-fabric-snapshot"
VERSION = 1
ROOT = "checkpoints/"
TENSORS = "tensors.safetensors"
MANIFEST = "manifest.json"
ITEMSIZE = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I16": 2, "F16": 2, "BF16": 2,
    "I32": 4, "F32": 4, "I64": 8, "F64": 8,
}  # fmt: skip
_ALIGN = 64
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


def check_id(checkpoint_id: str) -> str:
    """The id itself, or InvalidRequest when it cannot be part of an object key."""
    if not isinstance(checkpoint_id, str) or not _ID.fullmatch(checkpoint_id):
        raise InvalidRequest(f"{checkpoint_id!r} is not a checkpoint id.", hint="Ids look like ckp_ + 26 characters.")
    return checkpoint_id


def key_of(checkpoint_id: str, name: str) -> str:
    """Object key of one of a checkpoint's objects."""
    return f"{ROOT}{checkpoint_id}/{name}"


def is_rebuildable(name: str) -> bool:
    """KV caches can be rebuilt from latents; everything else is always kept."""
    return name.startswith("kv_cache")


def digest_of(data: bytes | bytearray | memoryview) -> str:
    """BLAKE3 of some bytes, hex."""
    return blake3(data).hexdigest()


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of one tensor along its append axis, stored once and shared by reference."""

    extent: int
    """Indices it covers on the append axis (1 for a whole tensor)."""
    length: int
    """Bytes, C-contiguous."""
    digest: str
    """BLAKE3 of the bytes, hex; empty for zeros."""
    checkpoint: str = ""
    """The checkpoint whose file holds the bytes; empty for zeros and dropped pieces."""
    offset: int = 0
    key: str = ""
    """Name of the piece inside that safetensors file."""
    fingerprint: str = ""
    """Hash computed on the accelerator the tensor lived on (store/format/fingerprint.py), or empty."""

    @property
    def zero(self) -> bool:
        """All bytes are zero; nothing is stored."""
        return not self.digest

    @property
    def stored(self) -> bool:
        """The bytes can be had (zeros always can)."""
        return self.zero or bool(self.checkpoint)

    def dropped_with(self, checkpoints: Set[str]) -> Piece:
        """Without its place, if it is KV in one of these checkpoints' files."""
        if self.checkpoint not in checkpoints or not is_rebuildable(self.key):
            return self
        return replace(self, checkpoint="", offset=0, key="")

    def to_json(self) -> dict[str, Any]:
        """The JSON object that stands for it in a manifest."""
        if self.zero:
            return {"extent": self.extent, "length": self.length, "zero": True}
        body: dict[str, Any] = {"extent": self.extent, "length": self.length, "digest": self.digest}
        if self.fingerprint:
            body["fingerprint"] = self.fingerprint
        place = {"checkpoint": self.checkpoint, "key": self.key, "offset": self.offset}
        body.update(place if self.checkpoint else {"dropped": True})
        return body

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Piece:
        """Inverse of `to_json`."""
        names = ("extent", "length", "digest", "checkpoint", "offset", "key", "fingerprint")
        return cls(**({"digest": ""} | {name: body[name] for name in names if name in body}))


@dataclass(frozen=True, slots=True)
class TensorRecord:
    """One tensor: its form and the pieces that make it up in order along `axis`."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    axis: int | None
    unit: int
    pieces: tuple[Piece, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of the whole tensor."""
        return sum(piece.length for piece in self.pieces)

    @property
    def loadable(self) -> bool:
        """Every piece has its bytes somewhere."""
        return all(piece.stored for piece in self.pieces)

    def piece_shape(self, piece: Piece) -> tuple[int, ...]:
        """Shape of one piece: the tensor's, with the append axis cut to the piece's extent."""
        if self.axis is None:
            return self.shape
        return (*self.shape[: self.axis], piece.extent, *self.shape[self.axis + 1 :])

    def to_json(self) -> dict[str, Any]:
        """The JSON object that stands for it in a manifest."""
        return {
            "dtype": self.dtype,
            "shape": list(self.shape),
            "axis": self.axis,
            "unit": self.unit,
            "pieces": [piece.to_json() for piece in self.pieces],
        }

    @classmethod
    def from_json(cls, name: str, body: Mapping[str, Any]) -> TensorRecord:
        """Inverse of `to_json`."""
        pieces = tuple(Piece.from_json(piece) for piece in body["pieces"])
        return cls(name, body["dtype"], tuple(body["shape"]), body["axis"], body["unit"], pieces)


@dataclass(frozen=True)
class Manifest:
    """What a checkpoint consists of. Immutable; `deleted` marks a payload dropped by its owner."""

    checkpoint_id: str
    parent_id: str | None
    created: float
    tensors: Mapping[str, TensorRecord]
    meta: Mapping[str, Any]
    file: Mapping[str, Any] = field(default_factory=dict)
    """Of the tensors file: `length`, and `header_length`, `header_digest` over its first bytes."""
    attachments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """name -> length, digest."""
    deleted: bool = False

    @property
    def bytes_total(self) -> int:
        """Bytes of all its tensors."""
        return sum(record.nbytes for record in self.tensors.values())

    def bytes_stored(self, encoded: bytes | None = None) -> int:
        """Bytes of its objects: its file, its attachments, and the manifest itself (`encoded`, if that is at hand)."""
        attached = sum(int(facts["length"]) for facts in self.attachments.values())
        return int(self.file.get("length", 0)) + attached + len(encoded or self.encode())

    @property
    def bytes_new(self) -> int:
        """Bytes of its tensors that no checkpoint before it had: the pieces in its own file."""
        return sum(piece.length for _, piece in self.own_parts())

    def pieces(self) -> Iterable[Piece]:
        """Every piece of every tensor."""
        return (piece for record in self.tensors.values() for piece in record.pieces)

    def references(self) -> set[str]:
        """The checkpoints whose files it needs, itself included when it has a file."""
        own = set() if self.deleted else {self.checkpoint_id}
        return own | {piece.checkpoint for piece in self.pieces() if piece.checkpoint}

    def own_parts(self) -> list[tuple[TensorRecord, Piece]]:
        """The pieces in its own file, each once, in file order, with a tensor they belong to."""
        found: dict[str, tuple[TensorRecord, Piece]] = {}
        for record in self.tensors.values():
            for piece in record.pieces:
                if piece.checkpoint == self.checkpoint_id:
                    found.setdefault(piece.key, (record, piece))
        return sorted(found.values(), key=lambda part: part[1].offset)

    def without_kv_of(self, checkpoints: Set[str]) -> Manifest:
        """A manifest without the KV pieces that lie in these checkpoints' files."""
        tensors = {
            name: replace(record, pieces=tuple(piece.dropped_with(checkpoints) for piece in record.pieces))
            for name, record in self.tensors.items()
        }
        return replace(self, tensors=tensors)

    def tombstone(self) -> Manifest:
        """The manifest left when its payload is deleted: who it was, nothing to restore."""
        file = {"kv_dropped": True} if self.kv_dropped else {}
        return replace(self, tensors={}, attachments={}, meta={}, file=file, deleted=True)

    @property
    def kv_dropped(self) -> bool:
        """Whether the KV pieces were taken out of its file after it was stored."""
        return bool(self.file.get("kv_dropped"))

    def to_json(self) -> dict[str, Any]:
        """The JSON object, with a digest over everything else in it."""
        body = self._body()
        return body | {"digest": digest_of(canonical(body))}

    def encode(self) -> bytes:
        """The object's bytes: what the digest is of, and the digest."""
        body = canonical(self._body())
        return body[:-1] + f',"digest":"{digest_of(body)}"}}'.encode()

    def _body(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "version": VERSION,
            "checkpoint_id": self.checkpoint_id,
            "parent_id": self.parent_id,
            "created": self.created,
            "deleted": self.deleted,
            "file": dict(self.file),
            "tensors": {name: record.to_json() for name, record in self.tensors.items()},
            "attachments": {name: dict(value) for name, value in self.attachments.items()},
            "bytes_new": self.bytes_new,
            "bytes_total": self.bytes_total,
            "meta": dict(self.meta),
        }


def canonical(body: Any) -> bytes:
    """The one way to write a JSON value as bytes that a digest is taken of."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def decode_manifest(data: bytes, checkpoint_id: str) -> Manifest:
    """Parse and verify a stored manifest. Raises DamagedSnapshot or UnknownFormat."""
    body = parse_body(data, checkpoint_id)
    try:
        return Manifest(
            checkpoint_id=body["checkpoint_id"],
            parent_id=body["parent_id"],
            created=body["created"],
            tensors={name: TensorRecord.from_json(name, value) for name, value in body["tensors"].items()},
            meta=body["meta"],
            file=body["file"],
            attachments=body["attachments"],
            deleted=body["deleted"],
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _damaged(checkpoint_id, f"lacks or misshapes {error}") from error


def parse_body(data: bytes, checkpoint_id: str) -> dict[str, Any]:
    """The verified JSON object of a manifest (format, version, digest and id checked)."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _damaged(checkpoint_id, "is not JSON") from error
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise _damaged(checkpoint_id, f"is not marked as {FORMAT!r}")
    if body.get("version") != VERSION:
        raise UnknownFormat(
            f"Checkpoint {checkpoint_id} has format version {body.get('version')!r}; this software reads {VERSION}.",
            checkpoint_id=checkpoint_id,
        )
    stated = body.pop("digest", None)
    try:
        same = stated == digest_of(canonical(body))
    except (ValueError, RecursionError) as error:  # a lone surrogate, an abyss of lists
        raise _damaged(checkpoint_id, "is no manifest") from error
    if not same:
        raise _damaged(checkpoint_id, "does not match its own digest")
    if body.get("checkpoint_id") != checkpoint_id:
        raise _damaged(checkpoint_id, f"belongs to {body.get('checkpoint_id')!r}")
    return body


def _damaged(checkpoint_id: str, what: str) -> DamagedSnapshot:
    key = key_of(checkpoint_id, MANIFEST)
    return DamagedSnapshot(f"The manifest {key} {what}.", checkpoint_id=checkpoint_id, object=key)


def header_bytes(parts: Iterable[tuple[str, str, tuple[int, ...], int]], *, pad_to: int = 0) -> bytes:
    """Length and header of a safetensors file holding `parts` (key, dtype, shape, bytes) back to back.

    The header is padded with spaces, as the format allows, so that data starts at a multiple of 64 (or at `pad_to`).
    """
    header: dict[str, Any] = {}
    at = 0
    for key, dtype, shape, length in parts:
        header[key] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + length]}
        at += length
    text = json.dumps(header, separators=(",", ":")).encode()
    total = max(pad_to, -(-(8 + len(text)) // _ALIGN) * _ALIGN)
    return (total - 8).to_bytes(8, "little") + text.ljust(total - 8)
