"""Folders that are made for their owner alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from arc_fabric.base.files import make_private


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
