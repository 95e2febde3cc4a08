"""Files that are there as a whole or not at all, and folders that are only ours."""

from __future__ import annotations

from pathlib import Path


def write_whole(target: Path, data: bytes) -> Path:
    """Write beside it, then put it in its place; the path."""
    part = target.with_name(target.name + ".part")
    part.write_bytes(data)
    return part.replace(target)


def make_private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for their owner alone. What is there stays as it is."""
    for missing in reversed([place for place in (folder, *folder.parents) if not place.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(exist_ok=True)  # what is there and no folder is an error
