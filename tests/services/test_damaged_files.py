"""Files of a data directory that somebody or something has damaged: mended where nothing is lost by it, else named."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest
from redis import Redis

from arc_fabric.errors import ServiceError
from arc_fabric.ledger import Ledger
from arc_fabric.services import credentials, lock, weed
from arc_fabric.services.parts import refuse_taken_names
from arc_fabric.services.valkey import ValkeyServer
from arc_fabric.settings import Settings

GARBAGE = (b"", b"{", b"[]", b"null", b"\xff\xfe\x00", b'{"access_key": 1}', b"[" * 200_000)


@pytest.mark.parametrize("garbage", GARBAGE)
def test_a_damaged_note_of_ports_is_written_anew(tmp_path: Path, garbage: bytes) -> None:
    """It only keeps the URL the same from start to start."""
    file = tmp_path / "ports.json"
    file.write_bytes(garbage)
    ports = weed._lasting_ports(file)
    assert set(ports) == set(weed._PORTS) and credentials.read_json(file) == ports
    file.write_text('{"s3.port": "x"}'.replace("x", "a" * 10))
    assert set(weed._lasting_ports(file)) == set(weed._PORTS)


@pytest.mark.parametrize("garbage", GARBAGE)
def test_damaged_keys_are_named(tmp_path: Path, garbage: bytes) -> None:
    """Which file, and what to do; no traceback."""
    file = tmp_path / "s3.json"
    file.write_bytes(garbage)
    with pytest.raises(ServiceError, match=r"s3\.json") as refused:
        credentials.load_or_make(file)
    assert "Remove it" in refused.value.what_to_do


@pytest.mark.parametrize("garbage", GARBAGE)
def test_a_damaged_note_of_what_runs_is_none(tmp_path: Path, garbage: bytes) -> None:
    """Nor does a lock file without a process id stop anybody."""
    (tmp_path / "running.json").write_bytes(garbage)
    assert lock.read_running(tmp_path) is None
    (tmp_path / "up.lock").write_bytes(garbage[:100] or b"x")
    held = lock.DataDirLock(tmp_path)
    held.acquire()
    held.release()


def test_the_way_to_mend_redis_works_as_it_is_told(tmp_path: Path) -> None:
    """The start fails with a command line that exists here; after it the server starts with what is whole."""
    server = ValkeyServer(tmp_path)
    server.start()
    with Redis.from_url(server.url) as client:
        client.set("kept", "1")
    server.stop()
    parts = sorted((tmp_path / "redis" / "appendonlydir").glob("*.incr.aof"))
    data = parts[-1].read_bytes()
    parts[-1].write_bytes(data + b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n*garbage*\r\n" + data)
    with pytest.raises(ServiceError) as refused:
        server.start()
    command = refused.value.what_to_do.partition("by: ")[2]
    done = subprocess.run(shlex.split(command), input=b"y\n", capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done
    server.start()
    with Redis.from_url(server.url) as client:
        assert client.get("kept") == b"1"
    server.stop()


def test_two_systems_on_one_redis_are_refused_by_name(settings: Settings) -> None:
    """While workers of the names live there, whoever runs them; not because of dead ones."""
    ledger = Ledger(settings.redis_url)
    refuse_taken_names(settings)
    record = {"name": "gpu.1", "boot_id": "b", "host": "elsewhere", "pid": 7, "state": "idle"}
    ledger.leases.take("gpu.1", "b", record)
    ledger.redis.persist("arc:lease:gpu.1")
    with pytest.raises(ServiceError, match=r"gpu.1 \(process 7 on elsewhere\)"):
        refuse_taken_names(settings.replaced(lease_ttl_s=0.1))
    refuse_taken_names(settings.replaced(devices="cpu"))
    ledger.redis.delete("arc:lease:gpu.1")
    refuse_taken_names(settings)
    ledger.close()
