"""Folders that are made for their owner alone, files that are there as a whole."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from arc_fabric.base.files import make_private, write_whole


def mode(folder: Path) -> int:
    """Its permissions."""
    return stat.S_IMODE(folder.stat().st_mode)


def test_folders_above_are_private_too_and_what_is_there_stays(tmp_path: Path) -> None:
    """Whatever the umask; a second call changes nothing."""
    there = tmp_path / "there"
    there.mkdir()
    there.chmod(0o755)
    before = os.umask(0o022)
    try:
        for _ in range(2):
            make_private(there / "data" / "demo")
    finally:
        os.umask(before)
    assert (mode(there), mode(there / "data"), mode(there / "data" / "demo")) == (0o755, 0o700, 0o700)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    """Nothing is taken for one."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        make_private(tmp_path / "file")
    with pytest.raises(OSError):
        make_private(tmp_path / "file" / "below")


def test_a_file_is_there_as_a_whole_and_a_device_stays_one(tmp_path: Path) -> None:
    """As root, `-o /dev/full` put a file in the device's place, and a folder's name left a part behind."""
    write_whole(tmp_path / "file", b"old")
    assert write_whole(tmp_path / "file", b"new").read_bytes() == b"new"
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_whole(tmp_path / "folder", b"x")
    os.mkfifo(tmp_path / "pipe")
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    write_whole(tmp_path / "pipe", b"through")
    reader.join(10)
    assert got == [b"through"] and (tmp_path / "pipe").is_fifo()
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_whole(tmp_path / "link", b"linked")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_bytes() == b"linked"
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder", "pipe", "link"}
