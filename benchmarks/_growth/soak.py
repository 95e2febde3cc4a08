"""Steps with forks and rewinds on one worker, and what every process holds after them: nothing may creep."""

from __future__ import annotations

import base64
import tempfile
import time
from typing import Any

import httpx
import numpy as np
import psutil

from arc_fabric.media.frames import encode_png
from arc_fabric.services.stack import Stack
from arc_fabric.settings import load_settings
from benchmarks._growth.resting import TOY
from benchmarks.rows import Report, progress

STEPS_PER_JOB, JOBS_PER_TREE = 20, 25
_SETTLE_S = 5.0
WARM_S = 780.0
"""What Redis keeps for a time is as much as it gets after so long: pictures of steps (10 minutes), trees that do not
rest yet (two). Before, memory grows and has not reached its bound."""
BAR = 1.1


def soak(report: Report, steps: int, seconds: float) -> None:
    """Resident bytes of each process after all steps over those after a tenth of them, and WARM_S at least. Ends early
    after `seconds`, and says after how many steps that was."""
    with tempfile.TemporaryDirectory(prefix="arc-bench-") as folder:
        # Caches, and what may wait for storage, reach their bounds within a tenth: what grows afterwards is neither.
        kept = {"host_cache_bytes": 32 << 20, "upload_budget_bytes": 8 << 20, "rest_after_s": 60}
        stack = Stack(load_settings(data_dir=folder, devices="cpu", flower=False, model=TOY, **kept))
        stack.start()
        try:
            with httpx.Client(base_url=stack.url, timeout=300) as web:
                _run(report, stack, _Line(web), steps, seconds)
        finally:
            stack.stop()


def _run(report: Report, stack: Stack, line: _Line, steps: int, seconds: float) -> None:
    began, early, at = time.monotonic(), dict[str, int](), 0
    while line.steps < steps and time.monotonic() - began < seconds:
        line.advance()
        if line.steps % 500 == 0:
            held, passed = _resident(stack), time.monotonic() - began
            progress(f"  {line.steps} steps, {passed:.0f} s: {held}")
            if not early or line.steps <= steps // 10 or passed < min(WARM_S, seconds / 4):
                early, at = held, line.steps
    time.sleep(_SETTLE_S)
    last = _resident(stack)
    facts = {"steps": line.steps, "asked for": steps, "early after": at, "forks": line.forks, "rewinds": line.rewinds,
             "seconds": round(time.monotonic() - began)}  # fmt: skip
    for name, size in last.items():
        report.add(f"{name}: resident bytes after the soak / after a tenth", size / early[name], "ratio", at_most=BAR,
                   baselines=facts | {"MB": round(size / 1e6), "MB early": round(early[name] / 1e6)})  # fmt: skip


def _resident(stack: Stack) -> dict[str, int]:
    """Bytes of each service and what it started."""
    found = {}
    for service in stack.services:
        if service.child is not None and service.child.pid is not None:
            process = psutil.Process(service.child.pid)
            family = [process, *process.children(recursive=True)]
            found[service.name] = sum(one.memory_info().rss for one in family)
    return found


class _Line:
    """A user: trees of 500 steps, with a rewind after every fifth job and a fork to go on with after every tenth."""

    def __init__(self, web: httpx.Client) -> None:
        self._web = web
        self._session = ""
        self.steps = self.forks = self.rewinds = self._jobs = 0
        self._picture = base64.b64encode(encode_png(np.zeros((32, 32, 3), np.uint8))).decode()

    def advance(self) -> None:
        """One job of steps, and what goes with it."""
        if self._jobs % JOBS_PER_TREE == 0:
            self._close()
            body = {"prompt": f"tree {self._jobs}", "initial_frame": self._picture, "seed": self._jobs}
            self._session = self._done("/api/sessions", body)["session_id"]
        self._done(f"/api/sessions/{self._session}/step", {"steps": STEPS_PER_JOB, "prompt": f"job {self._jobs}"})
        self.steps += STEPS_PER_JOB
        self._jobs += 1
        if self._jobs % 5 == 0:
            self._done(f"/api/sessions/{self._session}/rewind", {"n_steps": 7})
            self.rewinds += 1
        if self._jobs % 10 == 0:
            head = self._get(f"/api/sessions/{self._session}")["head"]
            self._get(f"/api/sessions/{self._session}/tree")
            self._web.get(f"/api/checkpoints/{head}/frames").raise_for_status()
            self._close()
            self._session = self._done(f"/api/checkpoints/{head}/fork", {"new_prompt": "other"})["session_id"]
            self.forks += 1

    def _close(self) -> None:
        if self._session:
            self._web.delete(f"/api/sessions/{self._session}").raise_for_status()

    def _done(self, path: str, body: dict[str, Any]) -> Any:
        answer = self._web.post(f"{path}?wait=60", json=body)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        job = answer.json()["job"]
        while job["state"] in ("queued", "running"):
            job = self._get(f"/api/jobs/{job['id']}?wait=60")
        assert job["state"] == "succeeded", job
        return answer.json()

    def _get(self, path: str) -> Any:
        return self._web.get(path).raise_for_status().json()
