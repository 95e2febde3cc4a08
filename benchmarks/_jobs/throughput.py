"""Steps per second through HTTP, Celery, store and stream, held against a plain loop of the same model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from statistics import median

import httpx

from arc_fabric.services.allocator import name_of, preload
from benchmarks._jobs import PROMPT, SAMPLE
from benchmarks._jobs.world import ROOT, World
from benchmarks.rows import Report

STEPS, ROUNDS = 48, 20
_BESIDE = STEPS // 2
"""Steps of the plain loop before and after each job: its speed is their mean, so that a machine that becomes faster or
slower meanwhile counts for both."""


def one_session(report: Report, world: World, threads: int) -> None:
    """One session on one worker, watched by one viewer, in turns with the plain loop."""
    _measure(report, world, ("gpu.0",), threads, "one session, one worker")


def two_sessions(report: Report, world: World, threads: int) -> None:
    """Two sessions on two workers, against two plain loops at once. The bar counts where the cores permit it: one per
    torch thread of a model and one for all else. The row says what they allow in any case."""
    _measure(report, world, ("gpu.0", "gpu.1"), threads, "two sessions, two workers")


def _measure(report: Report, world: World, names: tuple[str, ...], threads: int, what: str) -> None:
    settings = world.settings(6 + len(names), model="tabletop", devices=",".join(["cpu"] * len(names)))
    ratios, plain_rates, our_rates, cpu = [], [], [], Counter()
    with ExitStack() as stack:
        client = stack.enter_context(world.workers(settings, names, threads))
        http = stack.enter_context(httpx.Client(base_url=stack.enter_context(world.web(settings)), timeout=120))
        loops = [stack.enter_context(_PlainLoop(threads)) for _ in names]
        sessions = [_open(http) for _ in names]
        for session in sessions:
            stack.enter_context(_Viewer(str(http.base_url), session))
        last = _together([loop.run for loop in loops])
        for _ in range(ROUNDS):
            before = world.cpu_seconds()
            ours = len(names) * STEPS / _together([lambda s=s: _steps(http, s) for s in sessions])
            cpu.update(Counter(world.cpu_seconds()))
            cpu.subtract(before)
            first, last = last, _together([loop.run for loop in loops])
            plain = len(names) * 2 * _BESIDE / (first + last)
            ratios.append(ours / plain)
            plain_rates.append(plain)
            our_rates.append(ours)
        del client
    per_step = {name: 1000 * seconds / (ROUNDS * len(names) * STEPS) for name, seconds in cpu.items()}
    cores, needed = len(os.sched_getaffinity(0)), len(names) * threads + 1
    baselines = {
        "plain_steps_per_s": round(median(plain_rates), 3),
        "our_steps_per_s": round(median(our_rates), 3),
        "steps_per_s_that_the_cores_allow": round(1000 * cores / sum(per_step.values()), 3),
        "cpu_ms_per_step": {name: round(ms, 1) for name, ms in per_step.items()},
        "torch_threads": threads,
        "allocator": name_of(preload()),
        "cores": cores,
        "cores_that_the_bar_needs": needed,
        "ratios": [round(ratio, 3) for ratio in ratios],
    }
    row = f"steps/s through HTTP, Celery, store and stream / plain loop: {what}"
    report.add(row, median(ratios), "ratio", at_least=0.95 if cores >= needed else None, baselines=baselines)


def _together(calls: list) -> float:
    """Run all at once; the seconds until the last is done."""
    start = time.perf_counter()
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - start


def _open(http: httpx.Client) -> str:
    answer = http.post("/api/sessions", json={"prompt": PROMPT, "initial_frame": f"sample:{SAMPLE}"})
    answer.raise_for_status()
    session = answer.json()["session"]["id"]
    _await(http, answer.json()["job"]["id"])
    _steps(http, session, 2)
    return session


def _steps(http: httpx.Client, session: str, steps: int = STEPS) -> None:
    answer = http.post(f"/api/sessions/{session}/step", json={"steps": steps})
    answer.raise_for_status()
    _await(http, answer.json()["job"]["id"])


def _await(http: httpx.Client, job_id: str) -> None:
    while True:
        job = http.get(f"/api/jobs/{job_id}", params={"wait": 30}).json()
        job = job.get("job", job)
        if job["state"] == "succeeded":
            return
        if job["state"] in ("failed", "cancelled"):
            raise RuntimeError(f"job {job_id}: {job['state']} {job['error']}")


class _Viewer:
    """A WebSocket that takes every frame it is offered."""

    def __init__(self, url: str, session: str) -> None:
        self._url = url.replace("http", "ws", 1).rstrip("/") + f"/ws/sessions/{session}/stream"
        self._session = session
        self.frames = 0

    def __enter__(self) -> _Viewer:
        from websockets.sync.client import connect

        self._socket = connect(self._url, max_size=None)
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        if not self.frames:
            raise RuntimeError("the viewer saw no frame: the stream was not part of the measurement")

    def _watch(self) -> None:
        from websockets.exceptions import ConnectionClosed

        subscribe = {"type": "subscribe", "session_ids": [self._session], "last_id": None}
        try:
            self._socket.send(json.dumps(subscribe))
            self._socket.send(json.dumps({"type": "credit", "pane": 0, "n": 2}))
            for message in self._socket:
                if isinstance(message, bytes):
                    self.frames += 1
                    self._socket.send(json.dumps({"type": "credit", "pane": 0, "n": 1}))
        except ConnectionClosed:
            return


class _PlainLoop:
    """A process of its own that runs the model alone: no checkpoint, no store, no queue; threads and memory allocator
    are those of a worker."""

    def __init__(self, threads: int) -> None:
        self._threads = threads

    def __enter__(self) -> _PlainLoop:
        command = [sys.executable, "-m", "benchmarks._jobs.plain_loop", str(self._threads)]
        env = {**os.environ, "OMP_NUM_THREADS": str(self._threads), **preload()}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=env
        )
        self._answer()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait(30)

    def run(self) -> None:
        """The steps beside one job."""
        self._process.stdin.write(f"{_BESIDE}\n")
        self._process.stdin.flush()
        self._answer()

    def _answer(self) -> None:
        if not self._process.stdout.readline():
            raise RuntimeError("the plain loop ended")
