"""Keys of the embedded object store: made at the first start, kept in a file only its owner can read."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Credentials:
    """An S3 key pair; the secret stays out of the repr."""

    access_key: str
    secret_key: str = field(repr=False)

    def settings(self, endpoint: str) -> dict[str, Any]:
        """The settings that reach the embedded server at this endpoint."""
        keys = {"s3_access_key": self.access_key, "s3_secret_key": self.secret_key}
        return {"s3_endpoint": endpoint, "s3_secure": False} | keys


def load_or_make(path: Path) -> Credentials:
    """The pair kept in `path`; a new one is written there (mode 0600) if the file does not exist."""
    if not path.exists():
        write_private(path, json.dumps(asdict(Credentials(secrets.token_hex(10), secrets.token_urlsafe(30)))))
    return Credentials(**json.loads(path.read_text()))


def write_private(path: Path, text: str) -> None:
    """Write a file that only the owner can read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
