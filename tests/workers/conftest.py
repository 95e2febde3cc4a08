"""Real worker processes (Celery, threads pool, toy model) on the session's Redis and object store.

`fleet` starts and stops them; a failing test shows the end of their logs.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from arc_fabric.ledger import JobRecord, Ledger, Limits, SessionRecord
from arc_fabric.queue.dispatch import Dispatcher
from arc_fabric.services.process import Child
from arc_fabric.services.valkey import ValkeyServer
from arc_fabric.services.weed import WeedServer
from arc_fabric.settings import Settings, load_settings
from arc_fabric.store.backends import backend_from_settings
from tests.support import nursery
from tests.support.toy_model import ToyModel
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
TOY = "python:tests.workers.faulty:make_model"
INPUT = "inputs/toy.png"


class Fleet:
    """Worker processes of one test, and the client side to give them work."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.ledger = Ledger(settings.redis_url, limits=Limits.from_settings(settings))
        self.children: dict[str, Child] = {}
        self.store = backend_from_settings(settings)
        buffer = io.BytesIO()
        Image.fromarray(ToyModel.sample_frame()).save(buffer, "PNG")
        self.store.put(INPUT, buffer.getvalue())
        self.dispatcher = Dispatcher(self.ledger)

    def start(
        self, name: str = "gpu.0", *, wait: bool = True, plain: bool = False, module: str = "workers", **env: str
    ) -> Child:
        """Start a worker process; with `plain` by Celery's own command line, in an interpreter of its own."""
        log = self.settings.data_dir / "logs" / f"{name}.log"
        env = {**self.settings.to_env(), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **env}
        if plain:
            command = ["celery", "-A", "workers.startup.app", "worker", "-P", "threads", "-c", "1", "-l", "INFO",
                       "-Q", f"{name},interactive,bulk", "-n", f"{name}@%h"]  # fmt: skip
            whole = [sys.executable, "-m", *command]
            child = Child(name, whole, log, env=env, cwd=ROOT, orphan_signal=signal.SIGKILL)
        else:
            child = nursery.shared().child(name, [module, name, "cpu"], log, env, torch=name.startswith("gpu"))
        self.children[name] = child
        child.start()
        if wait:
            self.wait_up(name)
        return child

    def start_both(self) -> None:
        """gpu.0 and gpu.1, side by side."""
        for name in ("gpu.0", "gpu.1"):
            self.start(name, wait=False)
        for name in ("gpu.0", "gpu.1"):
            self.wait_up(name)

    def wait_up(self, name: str) -> None:
        """Until the worker takes work."""
        child = self.children[name]
        child.wait_ready(lambda: any(
            w.name == name and w.pid == child.pid and w.state in ("idle", "busy") for w in self.ledger.workers.all()
        ), 180)  # fmt: skip

    def kill(self, name: str) -> None:
        """kill -9."""
        child = self.children[name]
        os.kill(child.pid, signal.SIGKILL)
        child.wait(10)

    def create(self, prompt: str = "pick up the red cup", seed: int = 7, **more: Any) -> SessionRecord:
        """An open session with its root made."""
        request = self.ledger.sessions.open_request(prompt=prompt, seed=seed, input_key=INPUT, **more)
        accepted = self.dispatcher.accept(request)
        self.done(accepted.job)
        return self.ledger.sessions.get(accepted.job.session_id)

    def submit(self, session: SessionRecord | str, kind: str = "step", **kwargs: object) -> JobRecord:
        """Accept a job and send its ticket; keyword arguments are params but for if_head and key."""
        named = {n: kwargs.pop(n) for n in ("if_head", "idempotency_key", "bulk") if n in kwargs}
        session_id = session if isinstance(session, str) else session.id
        return self.dispatcher.accept(self.ledger.jobs.request(session_id, kind, kwargs, **named)).job

    def fork(self, checkpoint_id: str, **kwargs: object) -> tuple[SessionRecord, JobRecord]:
        """A fork, accepted and sent."""
        accepted = self.dispatcher.accept(self.ledger.sessions.fork_request(checkpoint_id=checkpoint_id, **kwargs))
        return accepted.session, accepted.job

    def done(self, job: JobRecord, timeout: float = 90.0, state: str = "succeeded") -> JobRecord:
        """The finished job; the test fails if it ends otherwise."""
        finished = self.ledger.jobs.wait(job.id, timeout)
        assert finished.state == state, (finished, self.logs())
        return finished

    def step(self, session: SessionRecord | str, **kwargs: object) -> JobRecord:
        """A step job, done."""
        return self.done(self.submit(session, "step", **kwargs))

    def latents(self, checkpoint_id: str) -> str:
        """Digest of the latents that a node records."""
        return self.ledger.nodes.get(checkpoint_id).internal["_digest"]

    def logs(self) -> str:
        """The end of every worker's log."""
        return "\n".join(f"--- {name}\n{child.log_tail(40)}" for name, child in self.children.items())

    def close(self) -> None:
        """Kill everything: tests of an end in order bring it about themselves."""
        for child in self.children.values():
            child.send(signal.SIGKILL)
        for child in self.children.values():
            child.stop()
        self.ledger.close()


@pytest.fixture
def fleet(settings: Settings) -> Iterator[Fleet]:
    """No worker yet; for tests that kill what they start."""
    made = Fleet(settings.replaced(model=TOY, lease_ttl_s=1.5))
    yield made
    made.close()


@pytest.fixture(scope="module")
def running(
    redis_server: ValkeyServer, s3_server: WeedServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Two workers for the tests of one module."""
    made = Fleet(
        load_settings(
            data_dir=tmp_path_factory.mktemp("pair"),
            redis_url=redis_server.database(63),
            s3_bucket="arc-fabric",
            devices="cpu,cpu",
            model=TOY,
            **s3_server.credentials.settings(s3_server.endpoint),
        )
    )
    made.ledger.redis.flushdb()
    made.start_both()
    yield made
    made.close()


@pytest.fixture
def two(running: Fleet) -> Iterator[Fleet]:
    """Both workers, with no session open before and after."""
    yield running
    for session in running.ledger.sessions.page(state="open").items:
        running.ledger.sessions.close(session.id)
    eventually(lambda: all(w.state in ("idle", "busy") for w in running.ledger.workers.all()))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    """Print the workers' logs with a failure."""
    report = yield
    used = getattr(item, "funcargs", {})
    made = used.get("fleet") or used.get("two") or used.get("lone")
    if report.when == "call" and report.failed and made is not None:
        report.sections.append(("worker logs", made.logs()))
    return report
