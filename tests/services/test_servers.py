"""The embedded servers keep their data, keep to loopback, keep their secrets, and die with us."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest
import redis
from minio import Minio
from minio.error import S3Error

from arc_fabric.errors import ServiceError
from arc_fabric.services.lock import DataDirLock
from arc_fabric.services.ports import choose_port, free_ports, is_free
from arc_fabric.services.process import Child
from arc_fabric.services.valkey import ValkeyServer
from arc_fabric.services.weed import WeedServer
from tests.support.waiting import eventually

LOOPBACK = {"127.0.0.1", "::1"}
STRANGER = httpx.Client(timeout=5, trust_env=False)


def listening(pid: int) -> set[tuple[str, int]]:
    """Every address and port a process listens on."""
    found = psutil.Process(pid).net_connections(kind="tcp")
    return {(at.laddr.ip, at.laddr.port) for at in found if at.status == psutil.CONN_LISTEN}


def test_redis_keeps_its_data_over_a_restart(tmp_path: Path) -> None:
    """What was written before a stop is there after the next start, on whatever port that is."""
    for expected in (None, b"kept"):
        server = ValkeyServer(tmp_path)
        server.start()
        try:
            with redis.Redis.from_url(server.url) as client:
                assert client.get("key") == expected
                client.set("key", "kept")
        finally:
            server.stop()
        assert server.child.returncode == 0


def test_object_store_keeps_its_data_and_keys_over_a_restart(tmp_path: Path) -> None:
    """Objects and credentials survive a stop; the first GET after `start` returns succeeds."""
    body = os.urandom(3 << 20)
    for round_ in range(2):
        server = WeedServer(tmp_path, bucket="arc-fabric")
        server.start()
        try:
            pair = server.credentials
            client = Minio(server.endpoint, pair.access_key, pair.secret_key, secure=False)
            if round_ == 0:
                client.put_object("arc-fabric", "a/b", io.BytesIO(body), len(body))
            with client.get_object("arc-fabric", "a/b") as answer:
                assert answer.read() == body
        finally:
            server.stop()


def test_nothing_listens_beyond_loopback(redis_server: ValkeyServer, s3_server: WeedServer) -> None:
    """Both servers bind 127.0.0.1 only, every port of theirs."""
    for server in (redis_server, s3_server):
        assert server.child.pid is not None
        assert {address for address, _ in listening(server.child.pid)} <= LOOPBACK


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_no_port_of_the_object_store_serves_a_stranger(s3_server: WeedServer, s3_client: Minio, method: str) -> None:
    """Without the key nothing is read, written or deleted by HTTP, whatever port and whoever asks (it was: the filer of
    version 0.1.0 deleted a bucket for any page in a browser)."""
    s3_client.put_object("arc-fabric", "mine", io.BytesIO(b"kept"), 4)
    # "/" of the master is a page about itself, whatever the method.
    paths = ("/", "/buckets", "/buckets/arc-fabric/mine", "/buckets/arc-fabric/?recursive=true", "/arc-fabric/mine")
    assert s3_server.child.pid is not None
    ports = {port for _, port in listening(s3_server.child.pid)}
    assert s3_server.port in ports and len(ports) > 4
    headers = {"Origin": "http://elsewhere.example", "Host": "elsewhere.example"}
    for port in ports:
        for path in paths:
            with contextlib.suppress(httpx.HTTPError):
                answer = STRANGER.request(method, f"http://127.0.0.1:{port}{path}", headers=headers)
                assert answer.status_code >= 400 or b"mine" not in answer.content, (port, path, answer.text)
                assert answer.status_code >= 400 or path == "/" or method == "GET", (port, path)
                assert answer.status_code >= 400 or "access-control-allow-origin" not in answer.headers, (port, path)
    with s3_client.get_object("arc-fabric", "mine") as answer:
        assert answer.read() == b"kept"


def test_object_store_refuses_other_keys(s3_server: WeedServer) -> None:
    """The store answers only to the secret that was made for it."""
    stranger = Minio(s3_server.endpoint, s3_server.credentials.access_key, "not the secret", secure=False)
    with pytest.raises(S3Error, match="SignatureDoesNotMatch"):
        list(stranger.list_objects(s3_server.bucket))


def test_secrets_are_readable_by_the_owner_only(s3_server: WeedServer) -> None:
    """Secret files have mode 0600, and a repr shows no secret."""
    assert s3_server.child.log.parent.parent.joinpath("secrets").is_dir()
    for file in s3_server.child.log.parent.parent.joinpath("secrets").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert s3_server.credentials.secret_key not in repr(s3_server.credentials)


def test_a_busy_port_is_a_clear_error(redis_server: ValkeyServer, tmp_path: Path) -> None:
    """A taken port is refused by name before the start, and shows in the server's log if lost later."""
    assert not is_free(redis_server.port)
    with pytest.raises(ServiceError, match=f"Port {redis_server.port}.*in use"):
        choose_port(redis_server.port, what="the web app")
    late = ValkeyServer(tmp_path, port=redis_server.port)
    with pytest.raises(ServiceError, match=r"(?s)redis ended with status 1.*in use"):
        late.start()


def test_a_drawn_port_is_nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the draw and the server's bind another process does not draw it, although it looks free."""
    (drawn,) = free_ports(1)
    assert is_free(drawn)
    other = "import sys; from arc_fabric.services import ports; ports._claim(int(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", other, str(drawn)], capture_output=True, text=True, check=False)
    assert done.returncode and "already in use" in done.stderr


def test_no_port_of_a_pair_is_another_ones_neighbour(monkeypatch: pytest.MonkeyPatch) -> None:
    """The object store opens one port beside each of its own, 10,000 above: drawn as another's, it would not start."""

    class Draw:
        """Draws what collides first."""

        def sample(self, among: range, count: int) -> list[int]:
            first = [port for port in among if is_free(port) and is_free(port + 10_000)][:3]
            return [port + 10_000 for port in first] + first + [port for port in among if port > first[-1]][:count]

    monkeypatch.setattr("arc_fabric.services.ports._draw", Draw())
    found = free_ports(6, pair=10_000)
    assert len({*found, *(port + 10_000 for port in found)}) == 12


def test_free_ports_are_different_and_free() -> None:
    """Ports asked for together are distinct."""
    ports = free_ports(40)
    assert len(set(ports)) == 40
    assert all(is_free(port) for port in ports[:5])


def test_a_command_that_does_not_exist_is_a_clear_error(tmp_path: Path) -> None:
    """A missing binary shows in the error, not as a hang."""
    child = Child("ghost", ["/no/such/binary"], tmp_path / "ghost.log")
    child.start()
    with pytest.raises(ServiceError, match=r"(?s)ghost ended with status 1.*No such file"):
        child.wait_ready(lambda: False, 10)


def test_the_object_store_gives_way_to_the_models(s3_server: WeedServer, redis_server: ValkeyServer) -> None:
    """It runs at a lower priority than we do, with all its threads; Redis does not."""
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    assert redis_server.child.pid and s3_server.child.pid
    assert os.getpriority(os.PRIO_PROCESS, redis_server.child.pid) == ours
    for thread in psutil.Process(s3_server.child.pid).threads():
        assert os.getpriority(os.PRIO_PROCESS, thread.id) == min(19, ours + 5)


def test_a_stubborn_child_is_killed(tmp_path: Path) -> None:
    """A child that ignores SIGTERM is gone once its timeout is over, with whatever it started."""
    script = (
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(60)"
    )
    child = Child("stubborn", [sys.executable, "-c", script], tmp_path / "log", stop_signals=((signal.SIGTERM, 0.2),))
    child.start()
    child.wait_ready(lambda: "up" in child.log_tail(), 10)
    child.stop()
    assert child.returncode == -signal.SIGKILL


def test_children_die_with_a_killed_parent(tmp_path: Path) -> None:
    """kill -9 of the parent takes its children along, also those started from a thread that has ended."""
    script = (
        "import sys, threading, time\nfrom pathlib import Path\n"
        "from arc_fabric.services.process import Child\n"
        "child = Child('c', ['/bin/sh', '-c', 'echo up; exec sleep 600'], Path(sys.argv[1]))\n"
        "thread = threading.Thread(target=child.start); thread.start(); thread.join()\n"
        "child.wait_ready(lambda: 'up' in child.log_tail(), 60)\n"
        "while Path(f'/proc/self/task/{thread.native_id}').exists(): pass\n"
        "print(child.pid, child.running, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid, alive = parent.stdout.readline().split()
    assert alive == "True"
    orphan = psutil.Process(int(pid))
    parent.kill()
    parent.wait()
    eventually(lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE)


def test_a_folder_that_everybody_shares_holds_no_data(tmp_path: Path) -> None:
    """Neither locked nor changed: /tmp as data_dir would otherwise be closed to all others."""
    tmp_path.chmod(0o1777)
    with pytest.raises(ServiceError, match="all users share"):
        DataDirLock(tmp_path).acquire()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o1777
    assert not list(tmp_path.iterdir())
