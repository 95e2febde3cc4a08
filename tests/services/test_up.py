"""`arc-fabric up` as an operator meets it: one object of URLs, clean stops, clear refusals, no orphans."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
import redis

from arc_fabric.ledger import Ledger
from arc_fabric.services.ports import free_ports
from arc_fabric.settings import Settings
from tests.services.stack import RunningStack
from tests.support.waiting import eventually
from tests.support.web_server import TOY

ROOT = Path(__file__).resolve().parents[2]
UP = [sys.executable, "-m", "arc_fabric", "up", "--json"]


def gone(pid: int) -> bool:
    """Whether a process has ended."""
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[RunningStack]:
    """A small system of this test alone: one worker on a toy model, no Flower, but the openpi server."""
    env = {"ARC_FABRIC_OPENPI_PORT": str(free_ports(1)[0]), "PYTHONPATH": str(ROOT)}
    running = RunningStack(tmp_path / "data", "--devices", "cpu", "--no-flower", "--model", TOY, env=env)
    yield running
    if running.process is not None and running.process.poll() is None:
        running.stop()


def refused(*flags: str, env: dict[str, str] | None = None) -> dict[str, str]:
    """The error object of an `up` that must not start."""
    done = subprocess.run(
        [*UP, *flags], capture_output=True, text=True, timeout=90, env={**os.environ, **(env or {})}, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return dict(json.loads(done.stdout)["error"])


def test_the_json_object_names_everything(stack: RunningStack) -> None:
    """Each part is healthy, has a pid and a log, and the URLs answer."""
    facts = stack.facts
    names = ["redis", "s3", "gpu.0", "gpu.1", "media", "web", "flower", "openpi"]
    assert [part["name"] for part in facts["services"]] == names
    assert {part["state"] for part in facts["services"]} == {"healthy"}
    assert all(psutil.pid_exists(part["pid"]) and Path(part["log"]).exists() for part in facts["services"])
    assert httpx.get(facts["url"] + "/healthz").status_code == 200
    assert httpx.get(facts["flower_url"] + "/healthcheck").status_code == 200
    with redis.Redis.from_url(stack.redis_url) as client:
        assert client.ping()
    secret = json.loads((stack.data_dir / "secrets" / "s3.json").read_text())["secret_key"]
    assert secret not in json.dumps(facts)


def test_nothing_of_it_listens_beyond_loopback(stack: RunningStack) -> None:
    """No process of the system, nor a child of one, has a socket open to other machines."""
    for part in stack.facts["services"]:
        leader = psutil.Process(part["pid"])
        for process in (leader, *leader.children(recursive=True)):
            found = [c.laddr.ip for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
            assert set(found) <= {"127.0.0.1", "::1"}, part["name"]


def test_a_second_up_on_the_same_data_is_refused(stack: RunningStack) -> None:
    """Two supervisors on one data directory would corrupt it."""
    error = refused("--data-dir", str(stack.data_dir))
    assert "Another 'arc-fabric up'" in error["message"]
    assert str(stack.process.pid if stack.process else "") in error["message"]


def test_a_busy_port_is_refused_and_leaves_nothing_running(tmp_path: Path) -> None:
    """A port that is taken is named, and the servers that had started are stopped."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        error = refused("--data-dir", str(tmp_path), "--port", str(port), "--devices", "cpu")
    assert f"Port {port}" in error["message"]
    assert "another port" in error["what_to_do"]
    ours = [p for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(p.info["cmdline"] or [])]
    assert not ours


def test_a_child_that_dies_at_the_start_is_a_clear_error(tmp_path: Path, settings: Settings) -> None:
    """A worker that cannot load its model ends `up` with the worker's own last words, not with a hang.

    Redis and object store are external ones here: `up` uses them and starts none of its own.
    """
    flags = ("--devices", "cpu", "--no-flower", "--model", "nonesuch", "--port", "0")
    error = refused("--data-dir", str(tmp_path), *flags, env=settings.to_env())
    assert "gpu.0" in error["message"]
    assert "nonesuch" in error["message"]
    assert not (tmp_path / "redis").exists()
    assert not (tmp_path / "s3").exists()


def test_an_external_redis_that_does_not_answer_is_a_clear_error(tmp_path: Path) -> None:
    """The settings' Redis is used instead of the embedded one, and missed by name."""
    error = refused("--data-dir", str(tmp_path), env={"ARC_FABRIC_REDIS_URL": "redis://127.0.0.1:1/0"})
    assert "redis at redis://127.0.0.1:1/0 does not answer" in error["message"]


def test_a_second_system_on_one_redis_is_refused(tmp_path: Path, settings: Settings) -> None:
    """Workers of its names live there, on another machine: it says where, and starts none."""
    ledger = Ledger(settings.redis_url)
    ledger.leases.take("gpu.0", "b", {"name": "gpu.0", "boot_id": "b", "host": "elsewhere", "pid": 7, "state": "idle"})
    ledger.redis.persist("arc:lease:gpu.0")
    flags = ("--data-dir", str(tmp_path), "--devices", "cpu", "--no-flower", "--port", "0")
    error = refused(*flags, env=settings.to_env() | {"ARC_FABRIC_LEASE_TTL_S": "0.5"})
    assert (
        "Workers of another 'arc-fabric up'" in error["message"]
        and "gpu.0 (process 7 on elsewhere)" in error["message"]
    )
    assert ledger.workers.find("gpu.0").pid == 7 and not (tmp_path / "logs" / "gpu.0.log").exists()
    ledger.close()


def test_beyond_loopback_without_tokens_is_refused(tmp_path: Path) -> None:
    """The refusal comes before anything starts."""
    error = refused("--data-dir", str(tmp_path / "new"), "--host", "0.0.0.0")
    assert "no tokens" in error["message"]
    assert not (tmp_path / "new").exists()


@pytest.mark.timeout(900)  # three starts of everything; minutes on a machine that others keep busy
def test_it_survives_deaths_and_keeps_its_data(own_stack: RunningStack) -> None:
    """Dead children are started again; a killed supervisor leaves no orphan; a clean stop ends all; data stays."""
    own_stack.start()
    _remember(own_stack)
    assert httpx.get(own_stack.facts["openpi_url"].replace("ws:", "http:") + "/healthz").status_code == 200
    killed = [own_stack.pid(service) for service in ("web", "redis")]
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: all(gone(pid) for pid in killed))
    eventually(lambda: _answers(own_stack.url + "/readyz"), 120)
    assert _remembers(own_stack)

    assert own_stack.process is not None
    orphans = [own_stack.pid(service) for service in ("s3", "gpu.0", "media")]
    own_stack.process.kill()
    own_stack.process.wait()
    own_stack.start()  # at once: it waits for the servers of the killed one to end
    assert all(gone(pid) for pid in orphans)
    assert _remembers(own_stack)

    children = [part["pid"] for part in own_stack.facts["services"]]
    assert own_stack.stop() == 0
    assert all(gone(pid) for pid in children)
    assert not (own_stack.data_dir / "running.json").exists()


def _remember(running: RunningStack) -> None:
    with redis.Redis.from_url(running.redis_url) as client:
        client.set("test:kept", "yes")


def _remembers(running: RunningStack) -> bool:
    with redis.Redis.from_url(running.redis_url) as client:
        return bool(client.get("test:kept") == b"yes")


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False
