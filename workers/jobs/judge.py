"""Judges what variants made, in a process of its own: a scorer is somebody's code, it may hang, grow or die."""

from __future__ import annotations

import json
import logging
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from arc_fabric.settings import Settings

log = logging.getLogger(__name__)
_START_S = 120.0


class Judge:
    """One child process, started at the first request and again after it ended. For one thread at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._child: subprocess.Popen[bytes] | None = None

    def scores(self, request: Mapping[str, Any], *, seconds: float = 0.0) -> list[dict[str, Any]]:
        """One entry per scorer of `request` ({scorers, prompt, seed, before, steps}, or {scorers, group: [such ones]});
        what hung or died is an error of every scorer. `seconds`: what they may take beyond the setting."""
        try:
            return self._asked(request, self._settings.scorer_seconds + seconds)
        except (BrokenPipeError, TimeoutError) as error:
            self.close()
            why = str(error) if isinstance(error, TimeoutError) else "the scorers' process ended"
            return [broken(use["name"], why) for use in request["scorers"]]

    def group_scorers(self, names: Sequence[str]) -> list[str]:
        """Which of these judge groups of variants; what cannot be loaded does not."""
        try:
            return [str(name) for name in self._asked({"which": list(names)}, self._settings.scorer_seconds)]
        except (BrokenPipeError, TimeoutError):
            self.close()
            return []

    def _asked(self, request: Mapping[str, Any], seconds: float) -> list[Any]:
        child = self._running()
        assert child.stdin is not None
        child.stdin.write(json.dumps(request).encode() + b"\n")
        child.stdin.flush()
        found: list[Any] = json.loads(self._answer(child, seconds))
        return found

    def _answer(self, child: subprocess.Popen[bytes], seconds: float) -> bytes:
        assert child.stdout is not None
        deadline, parts = time.monotonic() + seconds, [b""]
        while not parts[-1].endswith(b"\n"):
            ready, _, _ = select.select([child.stdout], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError(f"no answer within {seconds:g} s (setting scorer_seconds)")
            parts.append(child.stdout.read1(65536))  # type: ignore[attr-defined]
            if not parts[-1]:
                raise BrokenPipeError
        return b"".join(parts)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self.close()
            command = [sys.executable, "-m", "workers.jobs.judge_program"]
            self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self._answer(self._child, _START_S)  # it says when it is up: that is no scorer's time
        return self._child

    def close(self) -> None:
        """End the child."""
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    log.debug("the scorers' process left a request unread")


def broken(name: str, why: str) -> dict[str, Any]:
    """The entry of a scorer that could not judge."""
    return {"name": name, "version": "", "value": None, "verdict": None, "reason": "", "better": "higher",
            "error": {"type": "ScorerFailed", "message": f"The scorer {name}: {why}."}}  # fmt: skip
