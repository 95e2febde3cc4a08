"""Servers and worker processes of the job benchmarks; everything on loopback, stopped by process id."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import psutil
import redis

from arc_fabric.ledger import JobRecord, Ledger, Limits
from arc_fabric.queue.dispatch import Dispatcher
from arc_fabric.services.allocator import preload
from arc_fabric.services.ports import free_ports
from arc_fabric.services.process import Child
from arc_fabric.services.valkey import ValkeyServer
from arc_fabric.services.weed import WeedServer
from arc_fabric.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parents[2]
TOY = "python:tests.workers.faulty:make_model"


class World:
    """One Redis (a database per part), one object store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.redis = ValkeyServer(folder)
        self.s3 = WeedServer(folder, bucket="arc-fabric")
        self.redis.start()
        self.s3.start()
        self.children: dict[str, Child] = {}

    def settings(self, database: int, **changes: object) -> Settings:
        """Settings on one database."""
        url = self.redis.database(database)
        return load_settings(
            data_dir=self.folder, redis_url=url, log_level="WARNING",
            **self.s3.credentials.settings(self.s3.endpoint), **changes,
        )  # fmt: skip

    @contextmanager
    def process(self, name: str, module: list[str], settings: Settings, **env: str) -> Iterator[Child]:
        """A child of ours while the block runs."""
        child = Child(
            name, [sys.executable, "-m", *module], self.folder / "logs" / f"{name}.log",
            env={**settings.to_env(), "PYTHONPATH": str(ROOT), "BENCH_REDIS_URL": settings.redis_url, **env},
            cwd=ROOT, stop_signals=((signal.SIGTERM, 10.0),),
        )  # fmt: skip
        child.start()
        self.children[name] = child
        try:
            yield child
        finally:
            del self.children[name]
            child.stop()

    def cpu_seconds(self) -> dict[str, float]:
        """CPU time so far of this process, Redis, the object store, and every running child with its own children: what
        a wait on busy cores does not change."""
        servers = {"redis": self.redis.child.pid, "s3": self.s3.child.pid}
        pids = servers | {name: child.pid for name, child in self.children.items()}
        own = os.times()
        return {"client": own.user + own.system} | {name: _cpu_seconds(pid) for name, pid in pids.items()}

    @contextmanager
    def workers(self, settings: Settings, names: tuple[str, ...], threads: int) -> Iterator[Client]:
        """Worker processes that serve, and a client."""
        env = {"OMP_NUM_THREADS": str(threads), "ARC_FABRIC_WORKER_THREADS": str(threads), **preload()}
        ledger = Ledger(settings.redis_url, limits=Limits.from_settings(settings))
        open_processes = [self.process(name, ["workers", name, "cpu"], settings, **env) for name in names]
        children = [process.__enter__() for process in open_processes]
        try:
            for name, child in zip(names, children, strict=True):
                child.wait_ready(lambda n=name: _serves(ledger, n), 180)
            yield Client(ledger)
        finally:
            for process in open_processes:
                process.__exit__(None, None, None)
            ledger.close()

    @contextmanager
    def web(self, settings: Settings) -> Iterator[str]:
        """The web app; its URL."""
        port = free_ports(1)[0]
        module = ["gunicorn", "--config", "python:webapp.gunicorn_conf", f"--bind=127.0.0.1:{port}", "webapp.wsgi:app"]
        import httpx

        def answers() -> bool:
            try:
                return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=2).status_code == 200
            except httpx.HTTPError:
                return False

        with self.process("web", module, settings) as child:
            child.wait_ready(answers, 60)
            yield f"http://127.0.0.1:{port}"

    def close(self) -> None:
        """Stop the servers."""
        self.s3.stop()
        self.redis.stop()


class Client:
    """Accepts, sends and awaits jobs as the web does."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.dispatcher = Dispatcher(ledger)

    def create(self, prompt: str, input_key: str) -> str:
        """A session with its root."""
        request = self.ledger.sessions.open_request(prompt=prompt, seed=7, input_key=input_key)
        return self.done(self.dispatcher.accept(request).job).session_id

    def run(self, session_id: str, kind: str, params: dict[str, object] | None = None) -> JobRecord:
        """A job from submit to done."""
        return self.done(self.dispatcher.accept(self.ledger.jobs.request(session_id, kind, params)).job)

    def done(self, job: JobRecord, timeout: float = 300) -> JobRecord:
        """The finished job; RuntimeError if it failed."""
        finished = self.ledger.jobs.wait(job, timeout)
        if finished.state != "succeeded":
            raise RuntimeError(f"{finished.kind} {finished.state}: {finished.error}")
        return finished


def cpu_between(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """Seconds that each took, for a row's baselines."""
    return {f"cpu_s {name}": round(after[name] - value, 2) for name, value in before.items() if name in after}


def _cpu_seconds(pid: int | None) -> float:
    process = psutil.Process(pid)
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def any_sample() -> str:
    """The input key of a picture that ships with the package."""
    samples = ROOT / "arc_fabric" / "models" / "tabletop" / "samples"
    return f"sample:{min(samples.glob('*.png')).stem}"


def _serves(ledger: Ledger, name: str) -> bool:
    worker = ledger.workers.find(name)
    return worker is not None and worker.state in ("idle", "busy")


def round_trips(once: Callable[[], object], count: int, warm: int = 20) -> list[float]:
    """Milliseconds of each of `count` calls, after some that do not count."""
    for _ in range(warm):
        once()
    found = []
    for _ in range(count):
        start = time.perf_counter()
        once()
        found.append(1000 * (time.perf_counter() - start))
    return found


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of them lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def awaited(client: redis.Redis, send: Callable[[str], object]) -> Callable[[], None]:
    """Send one task and wait for its sign on a list."""

    def once() -> None:
        key = "bench:" + os.urandom(6).hex()
        send(key)
        if client.blpop([key], timeout=30) is None:
            raise RuntimeError("the task did not run within 30 s")

    return once


__all__ = ["Client", "World", "any_sample", "awaited", "cpu_between", "median", "percentile", "round_trips"]
