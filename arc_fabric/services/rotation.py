"""Logs of child processes do not grow for ever: a large one is copied aside and begun anew.

The processes go on writing to the same file, which they have open for appending. Lines that are written between the
copy and the cut are lost: a few of 32 MiB.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

KEPT = 3
"""Older logs: `web.log.1` is the last one."""


def rotate(log: Path, most: int) -> bool:
    """Turn over a log of more than `most` bytes; whether it was. One that is absent, or cannot be written, stays."""
    try:
        if log.stat().st_size <= most:
            return False
        for number in range(KEPT - 1, 0, -1):
            older = _aside(log, number)
            if older.exists():
                older.replace(_aside(log, number + 1))
        shutil.copy(log, _aside(log, 1))
        os.truncate(log, 0)
    except OSError:
        return False
    return True


def _aside(log: Path, number: int) -> Path:
    return log.with_name(f"{log.name}.{number}")
