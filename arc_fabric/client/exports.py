"""Branches, trees and evaluations as files of other tools, made by the server."""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path

from arc_fabric.base.files import write_whole
from arc_fabric.client.transport import Transport
from arc_fabric.errors import Conflict, InvalidRequest

FORMS = {".rrd": "rerun", ".parquet": "parquet", ".csv": "csv", "": "lerobot"}


def export(transport: Transport, what: str, target: str | Path, form: str | None = None) -> Path:
    """Export what an address below /api names (`checkpoints/<id>`, `trees/<id>`, `evaluations/<id>`); the file, or the
    folder of a LeRobot dataset. `form` defaults to what the name says: .rrd, .parquet, .csv; no ending for LeRobot.

    Raises InvalidRequest for another ending, Conflict where the folder is there already.
    """
    path = Path(target)
    chosen = form or FORMS.get(path.suffix)
    if chosen not in FORMS.values():
        raise InvalidRequest(
            f"{path.name}: expected a name in .rrd, .parquet, .csv, or a folder's name.", hint="Or name the form."
        )
    if chosen == "lerobot" and path.exists():
        raise Conflict(f"{path} is there already.", hint="Name a new folder.")
    data = transport.bytes(f"/api/{what}/export", format=chosen)
    if chosen != "lerobot":
        return write_whole(path, data)
    part = path.with_name(path.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        _unpack(tar, part)
    (folder,) = part.iterdir()
    folder.replace(path)
    part.rmdir()
    return path


def _unpack(tar: tarfile.TarFile, folder: Path) -> None:
    """Plain files and folders into `folder`, whatever the archive says. Raises InvalidRequest for anything else.

    Python's own filter for that is there from 3.11.4 on (PEP 706) and is used as its documentation says.
    """
    root = folder.resolve()
    for member in tar:
        if not (member.isreg() or member.isdir()) or not (root / member.name).resolve().is_relative_to(root):
            raise InvalidRequest(
                f"{member.name!r} in the export is no plain file below its folder.", hint="Report this."
            )
    tar.extraction_filter = getattr(tarfile, "data_filter", lambda member, path: member)
    tar.extractall(folder)
