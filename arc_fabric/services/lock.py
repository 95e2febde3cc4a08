"""One `up` per data directory.

The lock is a flock on a file whose descriptor the servers inherit: it is free only when the supervisor *and*
the servers that write the data are gone, also after a kill -9.

Who takes the lock also sees to it that the directory is its owner's alone.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import stat
import time
from pathlib import Path
from typing import Any

from arc_fabric.base.files import make_private
from arc_fabric.errors import ServiceError
from arc_fabric.services.credentials import read_json, write_private

log = logging.getLogger(__name__)
_WAIT_S = 30.0
"""For the servers of a killed `up`: the object store takes up to 13 s to end (10 of them where it waits for itself)."""


class DataDirLock:
    """Held while this process and its servers use the data directory."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "up.lock"
        self._descriptor: int | None = None

    @property
    def descriptor(self) -> int:
        """The file descriptor for servers to inherit."""
        if self._descriptor is None:
            raise RuntimeError("the lock is not held")
        return self._descriptor

    def acquire(self) -> None:
        """Take the lock; ServiceError if another `up` has it. Waits for what a killed `up` left behind."""
        try:
            make_private(self._path.parent)
            _keep_private(self._path.parent)
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ServiceError(
                f"{self._path.parent} cannot be used for data: {error.strerror}.", hint="Choose another data_dir."
            ) from None
        deadline = time.monotonic() + _WAIT_S
        while not self._try():
            noted = os.pread(self._descriptor, 32, 0).strip()
            holder = noted.decode() if noted.isdigit() else ""
            if not holder or is_alive(int(holder)) or time.monotonic() > deadline:
                self.release()
                raise _taken(self._path.parent, holder)
            time.sleep(0.1)
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Give the lock up."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _try(self) -> bool:
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _keep_private(folder: Path) -> None:
    """Close a directory that other users could look into, and say so; ServiceError where it is for everybody (/tmp)."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    if not mode & 0o077:
        return
    if mode & stat.S_ISVTX:
        raise ServiceError(
            f"{folder} is a folder that all users share.", hint="Choose a data_dir of your own, one inside it perhaps."
        )
    folder.chmod(0o700)
    log.warning("%s had mode %o, so that other users could read what is stored there: it has 700 now.", folder, mode)


def _taken(data_dir: Path, holder: str) -> ServiceError:
    if holder and not is_alive(int(holder)):
        return ServiceError(
            f"The servers of a killed 'arc-fabric up' (process {holder}) still use {data_dir} after {_WAIT_S:g} s.",
            hint="Wait until valkey-server and weed have ended, or end them; or give this one another --data-dir.",
            pid=holder,
        )
    return ServiceError(
        f"Another 'arc-fabric up' (process {holder or 'unknown'}) uses {data_dir}.",
        hint="Stop it first, or give this one another --data-dir.",
        pid=holder,
    )


def write_running(data_dir: Path, facts: dict[str, Any]) -> None:
    """Leave a note of what runs on a data directory, for the command line."""
    write_private(data_dir / "running.json", json.dumps(facts, indent=2))


def read_running(data_dir: Path) -> dict[str, Any] | None:
    """The note of the `up` that runs on a data directory; None if none does."""
    facts = read_json(data_dir / "running.json")
    known = isinstance(facts, dict) and isinstance(facts.get("pid"), int)
    return facts if known and is_alive(facts["pid"]) else None


def forget_running(data_dir: Path) -> None:
    """Remove the note."""
    (data_dir / "running.json").unlink(missing_ok=True)


def is_alive(pid: int) -> bool:
    """Whether a process of this machine has this id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
