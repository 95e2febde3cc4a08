"""Starts processes by forking one that has imported everything: most of a start is importing torch.

    shared().child("gpu.0", ["workers", "gpu.0", "cpu"], log, env, torch=True)      # a Child, not started yet

A forked process runs `python -m <module> <arguments>` with the environment, log, session and signals that a fresh
interpreter would have. It is tied to the nursery's life, which is tied to ours. The nursery itself reads no settings
and has no thread. What never loads torch is forked from a process that has not loaded it.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from arc_fabric.services.process import Child

PLAIN = (
    "numpy", "PIL.Image", "minio", "arc_fabric.store.backends", "arc_fabric.cli.local.worker", "workers.startup.main",
    "workers.threads.janitor", "workers.threads.heartbeat", "workers.threads.reaper", "workers.threads.watchdog",
    "celery.bin.celery", "celery.apps.worker", "celery.worker.consumer", "celery.events.dispatcher",
    "celery.concurrency.thread", "kombu.transport.redis", "gunicorn.app.wsgiapp", "gunicorn.workers.gthread",
    "webapp.app", "webapp.api.jobs",
)  # fmt: skip
"""For the web app and the media worker, which never load torch."""
WITH_TORCH = (
    "torch", "arc_fabric.manager", "arc_fabric.models.tabletop", "workers.startup.loading", "workers.jobs.tickets",
    "workers.threads.pins", "tests.workers.faulty",
)  # fmt: skip
ROOT = Path(__file__).resolve().parents[2]
_PR_SET_PDEATHSIG = 1
_START_S = 600.0
_LARGEST = 1 << 20
"""Bytes of a request: a command and its environment."""


class Forked:
    """The part of subprocess.Popen that `Child` needs, for a process that is the nursery's child."""

    def __init__(self, pid: int, descriptor: int, told: socket.socket) -> None:
        """`descriptor` is its pidfd; `told` will say how it ended."""
        self.pid, self.returncode = pid, None
        self._descriptor, self._told, self._lock = descriptor, told, threading.Lock()

    def poll(self) -> int | None:
        """How it ended, as Popen says it; None before."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Until it has ended; subprocess.TimeoutExpired after `timeout` seconds."""
        status = self._ended(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        return status

    def send_signal(self, number: int) -> None:
        """A signal, if it still runs."""
        if self.poll() is None:
            try:
                signal.pidfd_send_signal(self._descriptor, number)
            except ProcessLookupError:
                return  # it has just ended

    def _ended(self, timeout: float | None) -> int | None:
        with self._lock:
            if self.returncode is None:
                self._told.settimeout(timeout)
                try:
                    said = self._told.recv(64)
                except (BlockingIOError, TimeoutError):
                    return None
                self.returncode = int(said) if said else -signal.SIGKILL  # it dies with the nursery
            return self.returncode

    def __del__(self) -> None:
        os.close(self._descriptor)
        self._told.close()


class Nursery:
    """The client's side: one nursery process, at the other end of a socket."""

    def __init__(self, folder: Path) -> None:
        pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(2)]
        self._plain, self._with_torch = (ours for ours, _ in pairs)
        theirs = [line.fileno() for _, line in pairs]
        self._child = Child(
            "nursery", [sys.executable, "-m", "tests.support.nursery", *map(str, theirs)], folder / "nursery.log",
            env={"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}, cwd=ROOT, orphan_signal=signal.SIGKILL,
            keep_open=theirs,
        )  # fmt: skip
        self._child.start()
        for ours, line in pairs:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LARGEST)
            line.close()

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, *_: object) -> None:
        """Ends it, and with it everything that it has forked."""
        self._child.stop()
        self._plain.close()
        self._with_torch.close()

    def child(
        self,
        name: str,
        module: list[str],
        log: Path,
        env: Mapping[str, str] | None = None,
        *,
        torch: bool,
        **options: Any,
    ) -> Child:
        """A process to start: `python -m <module> <arguments>` with these variables above our own; its working folder
        is the source tree. `torch`: it will need it; `options` as those of Child."""
        return _ForkedChild(name, self, torch, module, log, env=env, **options)

    def fork(self, module: list[str], env: Mapping[str, str], log: Path, torch: bool) -> Forked:
        """A new process that runs the module in this environment, with torch loaded or without."""
        told, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            request = json.dumps({"module": module, "env": dict(env), "log": str(log)}).encode()
            socket.send_fds(self._with_torch if torch else self._plain, [request], [theirs.fileno()])
        told.settimeout(_START_S)
        said, descriptors, _, _ = socket.recv_fds(told, 64, 1)
        if not said:
            raise self._child.failure(f"No process for {' '.join(module)}: the nursery has ended.")
        return Forked(int(said), descriptors[0], told)


class _ForkedChild(Child):
    """A Child whose starts come from a nursery."""

    def __init__(self, name: str, nursery: Nursery, torch: bool, module: list[str], log: Path, **options: Any) -> None:
        super().__init__(name, module, log, **options)
        self._nursery, self._torch = nursery, torch

    def start(self) -> None:
        """Fork it (again); its output is appended to the log."""
        if self.running:
            raise RuntimeError(f"{self.name} already runs as {self.pid}")
        self.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._process: Any = self._nursery.fork(self.command, self._env, self.log, self._torch)


@functools.cache
def shared() -> Nursery:
    """The one of this process, from its first use to the process's end."""
    return Nursery(Path(tempfile.mkdtemp(prefix="nursery-")))


def main(plain: socket.socket, with_torch: socket.socket) -> None:
    """Two processes, each at its line: one that never loads torch, and its child, which has."""
    _load(PLAIN)
    assert "torch" not in sys.modules
    parent = os.getpid()
    if os.fork():
        with_torch.close()
        serve(plain)
    else:
        _tie(parent)
        plain.close()
        _load(WITH_TORCH)
        serve(with_torch)


def _load(modules: Iterable[str]) -> None:
    for module in modules:
        importlib.import_module(module)
    assert len(list(Path("/proc/self/task").iterdir())) == 1, "a process with threads must not fork"
    gc.freeze()


def _tie(parent: int) -> None:
    """End with the parent, at once if it has ended already."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def serve(line: socket.socket) -> None:
    """Fork whatever is asked for, until nobody can ask any more; say how each ended."""
    parent = os.getpid()
    with selectors.DefaultSelector() as waiting:
        waiting.register(line, selectors.EVENT_READ)
        while True:
            for key, _ in waiting.select():
                if key.fileobj is not line:
                    _reap(waiting, key)
                elif not _take(waiting, line, parent):
                    return


def _take(waiting: selectors.BaseSelector, line: socket.socket, parent: int) -> bool:
    """One request; False when there will be no more."""
    asked, descriptors, _, _ = socket.recv_fds(line, _LARGEST, 1)
    if not asked:
        return False
    pid = os.fork()
    if pid == 0:
        _become(json.loads(asked), parent)
    told, descriptor = socket.socket(fileno=descriptors[0]), os.pidfd_open(pid)
    socket.send_fds(told, [b"%d" % pid], [descriptor])
    waiting.register(descriptor, selectors.EVENT_READ, (pid, told))
    return True


def _reap(waiting: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    """One has ended; whoever asked for it may be gone."""
    pid, told = key.data
    waiting.unregister(key.fileobj)
    os.close(key.fd)
    with told:
        try:
            told.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        except OSError:
            return


def _become(request: dict[str, Any], parent: int) -> None:
    """In the forked process: everything that a fresh one would have, then the module. Does not return."""
    status = 1
    try:
        _tie(parent)
        os.setsid()
        os.umask(0o077)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        with Path(request["log"]).open("ab") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        os.environ.clear()
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
    main(*(socket.socket(fileno=int(number)) for number in sys.argv[1:]))
