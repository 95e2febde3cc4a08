"""Files that are there as a whole or not at all."""

from __future__ import annotations

from pathlib import Path


def write_whole(target: Path, data: bytes) -> Path:
    """Write beside it, then put it in its place; the path."""
    part = target.with_name(target.name + ".part")
    part.write_bytes(data)
    return part.replace(target)
