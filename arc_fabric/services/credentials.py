"""Secrets of the embedded servers: made by us, kept in files that only their owner can read.

The object store's key pair and Redis' password last; the certificate by which the parts of the object store know each
other is a new one at every start. None is ever on a command line or in a log.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from arc_fabric.base.files import make_private
from arc_fabric.errors import ServiceError
from arc_fabric.extras import extra


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
    found = read_json(path)
    names = {"access_key", "secret_key"}
    if not isinstance(found, dict) or set(found) != names or not all(isinstance(v, str) and v for v in found.values()):
        raise not_ours(path)
    return Credentials(**found)


def redis_config(data_dir: Path) -> Path:
    """The embedded Redis' configuration, which is its password; a new one is written if there is none."""
    path = data_dir / "secrets" / "redis.conf"
    if not path.exists():
        write_private(path, f"requirepass {secrets.token_urlsafe(30)}\n")
    return path


def redis_url(data_dir: Path, port: int) -> str:
    """The URL, password included, of the embedded Redis of a data directory."""
    path = redis_config(data_dir)
    found = re.fullmatch(r"requirepass ([\w-]{16,})\n?", path.read_text(errors="replace"), re.ASCII)
    if found is None:
        raise not_ours(path)
    return f"redis://:{found[1]}@127.0.0.1:{port}/0"


def read_json(path: Path) -> Any:
    """What a JSON file of ours holds; None where there is none, or none that can be read."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return None


def not_ours(path: Path) -> ServiceError:
    """The error for a file of secrets that somebody has changed."""
    return ServiceError(
        f"{path} is not as this software writes it.", hint="Remove it: a new one is made.", path=str(path)
    )


def make_certificate(path: Path) -> None:
    """Write a new key with its certificate, which is its own authority, into one PEM file: for mutual TLS among the
    parts of one server, none of which trusts any other key."""
    with extra("local", instead="set s3_endpoint to a MinIO or S3 of yours."):
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "arc-fabric")])
    uses = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH, x509.ExtendedKeyUsageOID.CLIENT_AUTH])
    where = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=3650))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    certificate = builder.add_extension(uses, critical=False).add_extension(where, critical=False)
    signed = certificate.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_private(path, (key.private_bytes(*form) + signed).decode())


def write_private(path: Path, text: str) -> None:
    """Write a file that only the owner can read, whole or not at all."""
    make_private(path.parent)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
