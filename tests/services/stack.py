"""`arc-fabric up` as a test runs it: a child process whose one JSON object says where everything is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from arc_fabric.services import credentials
from arc_fabric.services.ports import free_ports

STOP_S = 60.0


class RunningStack:
    """The whole system on one data directory, started on free ports.

    `url` is the web app; `facts` is what `up --json` printed; `logs()` is the end of every log.
    """

    def __init__(
        self, data_dir: Path, *flags: str, env: dict[str, str] | None = None, python: Path | str = sys.executable
    ) -> None:
        self.data_dir = data_dir
        self._python = str(python)
        # A port of its own: several test runs on one machine would all try the preferred one first.
        self._flags = (*flags, "--port", str(free_ports(1)[0]))
        self._env = {**os.environ, "CUDA_VISIBLE_DEVICES": "", **(env or {})}
        self.process: subprocess.Popen[str] | None = None
        self.facts: dict[str, Any] = {}

    @property
    def url(self) -> str:
        """Where the web app answers."""
        return str(self.facts["url"])

    def start(self) -> RunningStack:
        """Start it and wait until it has printed its URLs."""
        command = [self._python, "-m", "arc_fabric", "up", "--json", "--data-dir", str(self.data_dir)]
        self.process = subprocess.Popen([*command, *self._flags], stdout=subprocess.PIPE, text=True, env=self._env)
        assert self.process.stdout is not None
        text = self.process.stdout.readline()
        self.facts = json.loads(text) if text.startswith("{") and text.rstrip().endswith("}") else {}
        assert "url" in self.facts, f"up did not start: {text}{self.process.stdout.read()}\n{self.logs()}"
        return self

    @contextmanager
    def running(self) -> Iterator[RunningStack]:
        """Started, and stopped afterwards."""
        try:
            yield self.start()
        finally:
            if self.process is not None:
                self.stop()

    @property
    def redis_url(self) -> str:
        """Its Redis, with the password that `facts` do not tell."""
        return credentials.redis_url(self.data_dir, urlsplit(self.facts["redis_url"]).port or 0)

    def stop(self) -> int:
        """Ask it to stop, as Ctrl-C does; the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(STOP_S)

    def pid(self, service: str) -> int:
        """The process id of a service at the start."""
        return int(next(part["pid"] for part in self.facts["services"] if part["name"] == service))

    def logs(self) -> str:
        """The end of every log, for the output of a failing test."""
        tails = [f"--- {log.name}\n{log.read_text()[-3000:]}" for log in sorted(self.data_dir.glob("logs/*.log"))]
        return "\n".join(tails)
