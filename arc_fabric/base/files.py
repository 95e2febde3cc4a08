"""Files that are there as a whole or not at all, and folders that are only ours."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """Where to write what shall be `target`: beside it, and it is put in its place once all is there. A device or a
    pipe (/dev/stdout) is written into, never replaced. What fails leaves nothing."""
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if target.is_symlink() or (target.exists() and not target.is_file()):
        yield target
        return
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def write_whole(target: Path, data: bytes) -> Path:
    """Write it as a whole; the path."""
    with whole(target) as part:
        part.write_bytes(data)
    return target


def make_private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for their owner alone. What is there stays as it is."""
    for missing in reversed([place for place in (folder, *folder.parents) if not place.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(exist_ok=True)  # what is there and no folder is an error
