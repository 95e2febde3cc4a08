"""Logs of what `up` starts are turned over while their writers go on."""

from __future__ import annotations

import os
from pathlib import Path

from arc_fabric.services.rotation import KEPT, rotate


def test_a_large_log_is_turned_over_under_its_writer(tmp_path: Path) -> None:
    """The writer's descriptor stays good; the last KEPT logs are there, older ones are gone."""
    log = tmp_path / "web.log"
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab", buffering=0) as writer:
        for number in range(KEPT + 2):
            writer.write(f"{number}".encode() * 100)
            assert rotate(log, 50)
            assert log.stat().st_size == 0
        writer.write(b"on")
    assert log.read_bytes() == b"on"
    found = sorted(path.name for path in tmp_path.iterdir())
    assert found == ["web.log", *(f"web.log.{n}" for n in range(1, KEPT + 1))]
    assert (tmp_path / "web.log.1").read_text()[0] == str(KEPT + 1)
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.iterdir())


def test_a_small_or_absent_log_stays(tmp_path: Path) -> None:
    """Nothing is done."""
    (tmp_path / "web.log").write_bytes(b"x")
    assert not rotate(tmp_path / "web.log", 50)
    assert not rotate(tmp_path / "none.log", 50)
