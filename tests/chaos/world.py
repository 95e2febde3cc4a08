"""The processes of one chaos run, and how each is hurt and healed."""

from __future__ import annotations

import io
import os
import random
import resource
import signal
import sys
import time
from pathlib import Path

from PIL import Image

from arc_fabric.ledger import Ledger, Limits
from arc_fabric.ledger.core import keys
from arc_fabric.services.ports import free_ports
from arc_fabric.services.process import Child
from arc_fabric.services.valkey import ValkeyServer
from arc_fabric.services.weed import WeedServer
from arc_fabric.settings import Settings, load_settings
from arc_fabric.store.backends import Backend, backend_from_settings
from arc_fabric.store.format.manifest import ROOT as CHECKPOINTS
from tests.support.children import end_all
from tests.support.nursery import Nursery
from tests.support.refusals import refusing
from tests.support.toy_model import ToyModel

ROOT = Path(__file__).resolve().parents[2]
STOP_S, READY_S = 40.0, 300.0
WORKERS = ("gpu.0", "gpu.1", "media")


class World:
    """Redis, object store, two workers, a media worker and the web, all on loopback under one folder."""

    def __init__(self, folder: Path, nursery: Nursery | None) -> None:
        """Without a nursery each process is started anew."""
        self.redis = ValkeyServer(folder)
        self.s3 = WeedServer(folder, bucket="arc-fabric")
        self.redis.start()
        self.s3.start()
        self.settings: Settings = load_settings(
            data_dir=folder, redis_url=self.redis.url, **self.s3.credentials.settings(self.s3.endpoint),
            devices="cpu,cpu", worker_threads=1, lease_ttl_s=1.5,
            model="python:tests.workers.faulty:make_model", log_level="INFO",
        )  # fmt: skip
        self.ledger = Ledger(self.settings.redis_url, limits=Limits.from_settings(self.settings))
        self.web_port = free_ports(1)[0]
        self._env = {**self.settings.to_env(), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        self._nursery = nursery
        self.removed: set[str] = set()
        """Checkpoints that have lost an object."""
        self.children = {name: self._worker(name) for name in WORKERS} | {"web": self._web()}

    @property
    def url(self) -> str:
        """Where the web answers."""
        return f"http://127.0.0.1:{self.web_port}"

    def start(self) -> None:
        """Everything up; workers serving."""
        for child in self.children.values():
            child.start()
        for name in ("gpu.0", "gpu.1"):
            self.children[name].wait_ready(lambda n=name: self._serves(n), READY_S)

    def picture(self) -> bytes:
        """The initial frame of every session, PNG."""
        buffer = io.BytesIO()
        Image.fromarray(ToyModel.sample_frame()).save(buffer, "PNG")
        return buffer.getvalue()

    def backend(self) -> Backend:
        """The object store's client."""
        return backend_from_settings(self.settings)

    def runs_a_job(self, name: str) -> bool:
        """Whether the worker is in the middle of a job."""
        return self.ledger.redis.hget(keys.worker(name), "current_job") not in (None, "null")

    def kill(self, name: str) -> None:
        """kill -9 and start again."""
        child = self.children[name]
        if child.running:
            os.kill(child.pid, signal.SIGKILL)
            child.wait(10)
        child.start()

    def stop_in_order(self, name: str) -> None:
        """SIGTERM, then start again."""
        child = self.children[name]
        child.send(signal.SIGTERM)
        if child.wait(STOP_S) is None:
            child.send(signal.SIGUSR1)
            child.wait(2)
            raise AssertionError(f"{name} did not end within {STOP_S} s of SIGTERM\n{child.log_tail(60)}")
        child.start()

    def freeze(self, name: str, seconds: float) -> None:
        """SIGSTOP for longer than the lease, then SIGCONT."""
        child = self.children[name]
        child.send(signal.SIGSTOP)
        time.sleep(seconds)
        child.send(signal.SIGCONT)

    def kill_redis(self, pause: float) -> None:
        """kill -9, some time without, start on the same append-only file."""
        os.kill(self.redis.child.pid, signal.SIGKILL)
        self.redis.child.wait(10)
        time.sleep(pause)
        self.redis.start()

    def kill_store(self, pause: float) -> None:
        """The same for the object store."""
        os.kill(self.s3.child.pid, signal.SIGKILL)
        self.s3.child.wait(10)
        time.sleep(pause)
        self.s3.start()

    def kill_everything(self, pause: float) -> None:
        """What happens when `up` is killed: the kernel ends all of its children at once. Then all of it again."""
        servers = (self.redis.child, self.s3.child)
        for child in (*servers, *self.children.values()):
            if child.running:
                os.kill(child.pid, signal.SIGKILL)
        for child in (*servers, *self.children.values()):
            child.wait(10)
        time.sleep(pause)
        self.redis.start()
        self.s3.start()

    def refuse_writes(self, kind: str, seconds: float) -> None:
        """Redis answers and takes no writes for a while."""
        with refusing(self.redis, kind):
            time.sleep(seconds)

    def remove_an_object(self, dice: random.Random) -> None:
        """One of a checkpoint's objects is lost, with no trace: its own state is gone, what others need must not be
        taken for right."""
        found = [info.key for info in self.backend().list(CHECKPOINTS)]
        if found:
            lost = dice.choice(found)
            self.removed.add(lost.split("/")[1])
            self.backend().delete(lost)

    def fill_the_disk(self, seconds: float) -> None:
        """No file of Redis may grow: its log of writes cannot be written, which it says by refusing them."""
        self._no_file_grows(self.redis, seconds)

    def fill_the_store(self, seconds: float) -> None:
        """The same for the object store: it takes no object, and gives those that it has."""
        self._no_file_grows(self.s3, seconds)

    def _no_file_grows(self, server: ValkeyServer | WeedServer, seconds: float) -> None:
        if not server.child.running:
            server.start()
        pid = server.child.pid
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        time.sleep(seconds)
        if server.child.running:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        else:
            server.start()

    def revive(self) -> None:
        """Whatever ended by itself (a fenced process) is started again, as a supervisor would."""
        for child in self.children.values():
            if not child.running:
                child.start()

    def stop(self) -> None:
        """Stop all, workers first."""
        end_all(self.children.values(), 15)
        self.s3.stop()
        self.redis.stop()
        self.ledger.close()

    def logs(self, lines: int = 40) -> str:
        """The end of every log."""
        return "\n".join(f"--- {name}\n{child.log_tail(lines)}" for name, child in self.children.items())

    def _serves(self, name: str) -> bool:
        pid = self.children[name].pid
        return any(w.pid == pid and w.state in ("idle", "busy") for w in self.ledger.workers.all())

    def _worker(self, name: str) -> Child:
        return self._child(name, ["workers", name, *(["cpu"] if name != "media" else [])])

    def _web(self) -> Child:
        bind = f"--bind=127.0.0.1:{self.web_port}"
        return self._child("web", ["gunicorn", "--config", "python:webapp.gunicorn_conf", bind, "webapp.wsgi:app"])

    def _child(self, name: str, module: list[str]) -> Child:
        log = self.settings.data_dir / "logs" / f"{name}.log"
        if self._nursery is not None:
            return self._nursery.child(name, module, log, self._env, torch=name.startswith("gpu"))
        command = [sys.executable, "-m", *module]
        return Child(name, command, log, env=self._env, cwd=ROOT, orphan_signal=signal.SIGKILL)
