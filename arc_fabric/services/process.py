"""One child process: output to a log file, tied to our life, stopped cleanly.

>>> import sys, tempfile
>>> child = Child("hello", [sys.executable, "-c", "print('hi')"], Path(tempfile.mkdtemp()) / "hello.log")
>>> child.start(); child.wait(10)
0
>>> child.log_tail()
'hi'
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from arc_fabric.base.environment import without_foreign
from arc_fabric.base.files import make_private
from arc_fabric.errors import ServiceError

_PARENT_DEATH = Path(__file__).with_name("parent_death.py")
_POLL_S = 0.05
# The kernel's parent-death signal fires when the *thread* that forked ends, so all forks happen in one thread
# that lives as long as this process.
_forker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="fork")


class Child:
    """A supervised process in a session of its own: a terminal's Ctrl-C reaches only us, and we stop it.

    Its environment is ours without what means other programs, and `env`.

    `orphan_signal` is what it gets when we die without stopping it; `keep_open`: descriptors it inherits; `nice`: by
    how much its priority is lower than ours.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stop_signals: Sequence[tuple[signal.Signals, float]] = ((signal.SIGTERM, 10.0),),
        orphan_signal: signal.Signals = signal.SIGTERM,
        keep_open: Sequence[int] = (),
        nice: int = 0,
    ) -> None:
        self.name, self.command, self.log = name, list(command), log
        self._env = {**without_foreign(os.environ), **(env or {})}
        self._cwd = cwd
        self._stop_signals = stop_signals
        self._orphan_signal = orphan_signal
        self._keep_open = tuple(keep_open)
        self._nice = nice
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id, None before the first start."""
        return self._process.pid if self._process else None

    @property
    def returncode(self) -> int | None:
        """Exit status (negative: the signal that ended it), None while it runs or before the first start."""
        return self._process.poll() if self._process else None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it (again); its output is appended to the log."""
        if self.running:
            raise RuntimeError(f"{self.name} already runs as {self.pid}")
        if self._process is not None:
            _kill_group(self._process.pid)  # what a killed leader left behind may still hold its port
        make_private(self.log.parent)
        ties = (int(self._orphan_signal), os.getpid(), self._nice)
        tied = [sys.executable, "-I", "-S", str(_PARENT_DEATH), *map(str, ties)]
        with os.fdopen(os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as output:
            self._process = _forker.submit(
                subprocess.Popen,
                [*tied, *self.command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._env,
                cwd=self._cwd if self._cwd and self._cwd.is_dir() else None,  # somebody may have removed it meanwhile
                start_new_session=True,
                umask=0o077,  # data and logs are for their owner only, whatever the folder's mode
                pass_fds=self._keep_open,
            ).result()

    def wait(self, timeout: float) -> int | None:
        """Wait for its end; the exit status, or None if it still runs after `timeout` seconds."""
        if self._process is None:
            return None
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process, if it runs."""
        if self._process is not None:
            self._process.send_signal(number)

    def stop(self) -> None:
        """Ask it to end, then insist; returns when it is gone. Also ends what it left in its session."""
        if self._process is None:
            return
        for number, timeout in self._stop_signals:
            if not self.running:
                break
            self.send(number)
            self.wait(timeout)
        _kill_group(self._process.pid)
        self._process.wait()

    def log_tail(self, lines: int = 20) -> str:
        """The last lines it wrote."""
        try:
            with self.log.open("rb") as text:
                text.seek(max(0, self.log.stat().st_size - 16_384))
                return "\n".join(text.read().decode(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    def wait_ready(self, probe: Callable[[], bool], timeout: float) -> None:
        """Wait until `probe` answers True; ServiceError if the process dies first or the time is up."""
        deadline = time.monotonic() + timeout
        while not probe():
            if not self.running:
                raise self.failure(f"{self.name} ended with status {self.returncode} before it was ready.")
            if time.monotonic() > deadline:
                raise self.failure(f"{self.name} was not ready within {timeout:.0f} s.")
            time.sleep(_POLL_S)

    def start_ready(self, probe: Callable[[], bool], timeout: float) -> None:
        """Start and wait until `probe` is true; what does not become ready is stopped again and ServiceError raised."""
        self.start()
        try:
            self.wait_ready(probe, timeout)
        except ServiceError:
            self.stop()
            raise

    def failure(self, message: str) -> ServiceError:
        """A ServiceError about this process that shows the end of its log."""
        tail = self.log_tail()
        return ServiceError(
            f"{message}\n{tail}" if tail else message,
            hint=f"Its log is {self.log}.",
            service=self.name,
            log=str(self.log),
        )


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return  # nobody is left
