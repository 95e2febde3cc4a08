"""Starts processes by forking one that has imported everything: most of a start is importing torch.

    python -m tests.chaos.nursery <socket>      # serves; one JSON line asks for one process

A forked process runs `python -m <module> <arguments>` with its own environment, log, session and signals, tied to the
nursery's life, which is tied to the campaign's. The nursery itself never reads settings and starts no thread.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from arc_fabric.services.process import Child

WARM = (
    "torch", "numpy", "PIL.Image", "minio", "arc_fabric.manager", "arc_fabric.store.backends",
    "arc_fabric.models.tabletop", "workers.startup.loading", "workers.jobs.tickets", "workers.threads.janitor",
    "workers.threads.heartbeat", "workers.threads.reaper", "workers.threads.watchdog", "workers.startup.main",
    "workers.threads.pins", "tests.workers.faulty",
    "celery.bin.celery", "celery.apps.worker", "celery.worker.consumer", "celery.events.dispatcher",
    "celery.concurrency.thread", "kombu.transport.redis", "gunicorn.app.wsgiapp", "gunicorn.workers.gthread",
    "webapp.app", "webapp.api.jobs",
)  # fmt: skip
ROOT = Path(__file__).resolve().parents[2]
_PR_SET_PDEATHSIG = 1
_START_S = 600.0


class Forked:
    """The part of subprocess.Popen that `Child` needs, for a process that is not our child."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._descriptor = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """0 once it has ended (its status is the nursery's to know), None before."""
        return 0 if select.select([self._descriptor], [], [], 0)[0] else None

    def wait(self, timeout: float | None = None) -> int:
        """Until it has ended; subprocess.TimeoutExpired after `timeout` seconds."""
        if not select.select([self._descriptor], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        return 0

    def send_signal(self, number: int) -> None:
        """A signal, if it still runs."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._descriptor, number)

    def __del__(self) -> None:
        os.close(self._descriptor)


class Nursery:
    """The client's side: one nursery process and its socket."""

    def __init__(self, folder: Path) -> None:
        env = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        self._socket = folder / "nursery.sock"
        command = [sys.executable, "-m", "tests.chaos.nursery", str(self._socket)]
        log = folder / "logs" / "nursery.log"
        self._child = Child("nursery", command, log, env=env, cwd=ROOT, orphan_signal=signal.SIGKILL)

    def __enter__(self) -> Nursery:
        self._child.start()
        self._child.wait_ready(self._socket.exists, _START_S)
        return self

    def __exit__(self, *_: object) -> None:
        """Ends it, and with it everything that it has forked."""
        self._child.stop()

    def fork(self, module: list[str], env: Mapping[str, str], log: Path) -> Forked:
        """A new process that runs the module."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(_START_S)
            line.connect(str(self._socket))
            line.sendall(json.dumps({"module": module, "env": dict(env), "log": str(log)}).encode() + b"\n")
            return Forked(int(line.makefile().readline()))


class ForkedChild(Child):
    """A `Child` whose starts come from a nursery."""

    def __init__(self, name: str, nursery: Nursery, module: list[str], log: Path, env: Mapping[str, str]) -> None:
        super().__init__(name, module, log, env=env)
        self._nursery, self._own_env = nursery, dict(env)

    def start(self) -> None:
        """Fork it (again); its output is appended to the log."""
        if self.running:
            raise RuntimeError(f"{self.name} already runs as {self.pid}")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._process: Any = self._nursery.fork(self.command, self._own_env, self.log)


def serve(path: str) -> None:
    """Fork whatever is asked for, for ever; the dead are reaped."""
    for module in WARM:
        importlib.import_module(module)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path + ".new")
    listener.listen()
    Path(path + ".new").rename(path)
    listener.settimeout(0.2)
    parent = os.getpid()
    while True:
        _reap()
        try:
            line, _ = listener.accept()
        except TimeoutError:
            continue
        with line:
            request = json.loads(line.makefile().readline())
            pid = os.fork()
            if pid == 0:
                listener.close()
                line.close()
                _become(request, parent)
            line.sendall(f"{pid}\n".encode())


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def _become(request: dict[str, Any], parent: int) -> None:
    """In the forked process: everything that a fresh one would have, then the module. Does not return."""
    status = 1
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
        os.setsid()
        with Path(request["log"]).open("ab") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        os.environ.update(request["env"])
        module, *arguments = request["module"]
        sys.argv = [module, *arguments]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as ending:
        status = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except BaseException:  # noqa: BLE001 - goes to the log, as that of a fresh interpreter would
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    serve(sys.argv[1])
