"""One supervised part: restarts with growing pauses, and locks and devices around it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from arc_fabric.errors import InvalidRequest, ServiceError
from arc_fabric.services import devices, lock
from arc_fabric.services.lock import DataDirLock, forget_running, read_running, write_running
from arc_fabric.services.process import Child
from arc_fabric.services.service import Service
from tests.support.waiting import eventually


def test_a_part_that_keeps_dying_is_started_with_growing_pauses(tmp_path: Path) -> None:
    """It is tried again after 0.5 s, then 1 s, then 2 s, and each time there is news to tell."""
    child = Child("moody", [sys.executable, "-I", "-S", "-c", "print('tried', flush=True)"], tmp_path / "log")
    now = 0.0
    service = Service("moody", "worker", lambda: False, child=child, clock=lambda: now)
    child.start()
    service.state = "healthy"
    for death, pause in enumerate((0.5, 1.0, 2.0), start=1):
        assert child.wait(60) == 0
        assert service.tend()
        assert (service.state, service.restarts) == ("restarting", death)
        now += pause / 2
        assert not service.tend() and not child.running
        now += pause / 2
        assert not service.tend() and child.wait(60) == 0
        assert child.log_tail().count("tried") == death + 1
    child.stop()


def test_a_part_that_is_well_again_is_healthy(tmp_path: Path) -> None:
    """After a restart the probe decides."""
    child = Child("part", ["/bin/sleep", "60"], tmp_path / "log")
    service = Service("part", "worker", lambda: child.running, child=child)
    service.start()
    child.stop()
    eventually(lambda: service.tend() is not None and service.restarts and service.state == "healthy")
    assert (service.state, service.restarts, service.view()["restarts"]) == ("healthy", 1, 1)
    assert service.view()["pid"] == service.child.pid
    service.stop()
    assert service.state == "stopped"


def test_the_lock_is_held_by_whoever_inherits_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data directory is free only when the servers of a killed supervisor are gone, too; they are waited for."""
    first = DataDirLock(tmp_path)
    first.acquire()
    with pytest.raises(ServiceError, match=f"process {os.getpid()}"):
        DataDirLock(tmp_path).acquire()
    server = Child("server", ["/bin/sleep", "60"], tmp_path / "log", keep_open=(first.descriptor,))
    server.start()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    os.pwrite(first.descriptor, str(dead.pid).encode().ljust(8), 0)
    first.release()
    second = DataDirLock(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(lock, "_WAIT_S", 0.3)
        with pytest.raises(ServiceError, match=f"killed .* {dead.pid}"):
            second.acquire()
    server.send(15)
    second.acquire()
    second.release()
    server.stop()


def test_a_data_directory_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    """A file where the folder should be."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ServiceError, match="cannot be used for data"):
        DataDirLock(tmp_path / "file").acquire()


def test_the_note_of_what_runs_counts_only_while_it_runs(tmp_path: Path) -> None:
    """A note that a killed `up` left behind is not believed, nor one that is half there."""
    write_running(tmp_path, {"pid": os.getpid(), "url": "http://x"})
    assert (read_running(tmp_path) or {})["url"] == "http://x"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    write_running(tmp_path, {"pid": dead.pid, "url": "http://x"})
    assert read_running(tmp_path) is None
    forget_running(tmp_path)
    assert read_running(tmp_path) is None


@pytest.mark.parametrize(
    "text", ["", "gpu", "cuda", "cpu,,cpu", "cuda:x", "cuda:\u0663", "cuda:99999999999", "cuda:0+", "cuda:0+cpu"]
)
def test_devices_that_make_no_sense_are_refused(text: str) -> None:
    """The refusal names the entry."""
    with pytest.raises(InvalidRequest, match="no device"):
        devices.worker_devices(text)
    with pytest.raises(InvalidRequest, match="300 workers"):
        devices.worker_devices(",".join(["cpu"] * 300))


def test_gpus_are_counted_as_the_environment_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA_VISIBLE_DEVICES limits what auto takes; without CUDA there are two workers on the CPU."""
    monkeypatch.setattr(devices, "torch_cuda", lambda: "13.0")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,1")
    assert devices.worker_devices("auto") == ["cuda:0", "cuda:1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert devices.worker_devices("auto") == ["cpu", "cpu"]
    monkeypatch.setattr(devices, "torch_cuda", lambda: None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert devices.worker_devices("auto") == ["cpu", "cpu"]


def test_threads_are_shared_out() -> None:
    """A chosen number wins; otherwise every worker has at least one."""
    assert devices.threads_per_worker(2, 5) == 5
    assert devices.threads_per_worker(10_000, 0) == 1
