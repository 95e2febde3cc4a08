"""How each part of the system is started and how one sees that it is well.

The servers come first; what they turn out to be (URLs, keys) goes into the settings that all other parts get
through their environment.
"""

from __future__ import annotations

import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError

from arc_fabric.errors import InvalidRequest, ServiceError
from arc_fabric.ledger import Ledger, WorkerRecord
from arc_fabric.services import allocator, devices, ports
from arc_fabric.services.lock import is_alive
from arc_fabric.services.process import Child
from arc_fabric.services.service import Service
from arc_fabric.services.valkey import ValkeyServer, process_id
from arc_fabric.services.weed import WeedServer, ensure_bucket, stores
from arc_fabric.settings import LOOPBACK_HOSTS, Settings

WEB_PORT = 8321
# A worker's SIGTERM finishes the running task and its uploads; SIGQUIT gives the task back to the queue.
_WORKER_STOP = ((signal.SIGTERM, 20.0), (signal.SIGQUIT, 5.0))
_MODEL_READY_S = 600.0
_LEFT_BEHIND_S = 2.0


def redis_service(settings: Settings, lock: int) -> tuple[Service, Settings]:
    """The Redis that the settings name, else an embedded one; and the settings with its URL."""
    if settings.redis_url:
        url = settings.redis_url
        service = Service("redis", "server", lambda: process_id(url) is not None, settings.shown("redis_url"))
        service.detail = "external"
        return service, settings
    server = ValkeyServer(settings.data_dir, keep_open=(lock,))
    service = Service("redis", "server", server.answers, server.address, server.child, detail="valkey, embedded")
    return service, settings.replaced(redis_url=server.url)


def s3_service(settings: Settings, lock: int) -> tuple[Service, Settings]:
    """The store that the settings name, else an embedded one; and the settings with its address and keys."""
    if settings.s3_endpoint:
        scheme = "https" if settings.s3_secure else "http"
        url = f"{scheme}://{settings.s3_endpoint}/{settings.s3_bucket}"
        return Service("s3", "server", lambda: store_answers(settings), url, detail="external"), settings
    server = WeedServer(settings.data_dir, bucket=settings.s3_bucket, keep_open=(lock,))
    url = f"http://{server.endpoint}/{server.bucket}"
    found = settings.replaced(**server.credentials.settings(server.endpoint))
    return Service("s3", "server", server.answers, url, server.child, detail="seaweedfs, embedded"), found


def store_answers(settings: Settings) -> bool:
    """Whether the object store takes an object and gives it back; makes the bucket if it is missing."""
    keys = (settings.s3_access_key, settings.s3_secret_key.get_secret_value())
    where = (settings.s3_endpoint, *keys, settings.s3_bucket)
    return stores(*where, secure=settings.s3_secure) or (
        ensure_bucket(*where, secure=settings.s3_secure) and stores(*where, secure=settings.s3_secure)
    )


def worker_services(settings: Settings) -> list[Service]:
    """One GPU worker per device, and the media worker."""
    places = devices.worker_devices(settings.devices)
    threads = devices.threads_per_worker(len(places), settings.worker_threads)
    gpus = [_worker(settings, f"gpu.{index}", place, threads) for index, place in enumerate(places)]
    return [*gpus, _worker(settings, "media", None, threads)]


def refuse_taken_names(settings: Settings) -> None:
    """Raise ServiceError where workers of the names that we are about to start live on this Redis: two of one name
    would take it from each other for ever. Those that a killed `up` left behind are gone in a moment: waited for."""
    names = {f"gpu.{index}" for index in range(len(devices.worker_devices(settings.devices)))} | {"media"}
    ledger = Ledger(settings.redis_url)
    deadline = time.monotonic() + settings.lease_ttl_s + _LEFT_BEHIND_S
    while True:
        alive = [w for w in ledger.workers.all() if w.name in names and w.state != "down" and _may_live(w)]
        if not alive:
            ledger.close()
            return
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
    where = ", ".join(f"{worker.name} (process {worker.pid} on {worker.host})" for worker in alive)
    raise ServiceError(
        f"Workers of another 'arc-fabric up' serve the Redis at {settings.shown('redis_url')}: {where}.",
        hint="Stop it first, or give this one a Redis (or a database of it, redis_url ending in /1) of its own.",
    )


def _may_live(worker: WorkerRecord) -> bool:
    """False for a process of this machine that is gone, whatever its lease says."""
    if worker.host != socket.gethostname():
        return True
    return is_alive(worker.pid)


def web_service(settings: Settings) -> Service:
    """The web app under gunicorn."""
    port = ports.choose_port(settings.port, WEB_PORT, settings.host, what="the web app (port)")
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    reach = f"http://{'127.0.0.1' if host in ('0.0.0.0', '[::]') else host}:{port}"
    env = {"ARC_FABRIC_PORT": str(port)}
    child = _child("web", gunicorn_command(settings, port), settings, env, stop=((signal.SIGTERM, 10.0),))
    return Service("web", "web", http_probe(reach + "/healthz"), reach, child, detail=f"listens on {host}:{port}")


def gunicorn_command(settings: Settings, port: int) -> list[str]:
    """The command line of the web app."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    options = ["--config", "python:webapp.gunicorn_conf", "--bind", f"{host}:{port}"]
    return [sys.executable, "-m", "gunicorn", *options, "webapp.wsgi:app"]


def flower_service(settings: Settings) -> Service:
    """Flower, always on loopback."""
    port = ports.choose_port(settings.flower_port, what="Flower (flower_port)")
    command = flower_command("127.0.0.1", port)
    url = f"http://127.0.0.1:{port}"
    child = _child("flower", command, settings, flower_logins(settings), orphan=signal.SIGKILL)
    return Service("flower", "flower", http_probe(url + "/healthcheck"), url, child)


def flower_command(host: str, port: int) -> list[str]:
    """The command line of Flower."""
    return [sys.executable, "-m", "workers.startup.flower", f"--address={host}", f"--port={port}"]


def flower_logins(settings: Settings) -> dict[str, str]:
    """Environment with Flower's logins: the admin tokens. Without tokens it has none, and we are on loopback."""
    logins = [f"{token.name}:{token.secret.get_secret_value()}" for token in settings.tokens if token.scope == "admin"]
    if settings.tokens and not logins:
        raise InvalidRequest(
            "Flower shows and stops every task, so it needs a token of scope admin, and none is set.",
            hint="Add one to tokens, or set flower to false.",
        )
    return {"FLOWER_BASIC_AUTH": ",".join(logins)} if logins else {}


def openpi_service(settings: Settings, url: str) -> Service:
    """The openpi policy server in front of the web app at `url`; bound like the web app, and guarded like it."""
    if (settings.tokens or settings.host not in LOOPBACK_HOSTS) and not settings.openpi_key.get_secret_value():
        raise InvalidRequest(
            f"The openpi server works with a token of ours, for anyone who reaches {settings.host}.",
            hint="Set openpi_key, or openpi_port to 0.",
        )
    port = ports.choose_port(settings.openpi_port, None, settings.host, what="the openpi server (openpi_port)")
    command = [sys.executable, "-m", "arc_fabric.openpi", "--url", url, "--host", settings.host, "--port", str(port)]
    secrets = [token.secret.get_secret_value() for token in settings.tokens if token.scope != "read"]
    child = _child("openpi", command, settings, {"ARC_FABRIC_TOKEN": secrets[0]} if secrets else {})
    reach = f"{'127.0.0.1' if settings.host == '0.0.0.0' else settings.host}:{port}"
    return Service("openpi", "openpi", http_probe(f"http://{reach}/healthz"), f"ws://{reach}", child)


def _worker(settings: Settings, name: str, device: str | None, threads: int) -> Service:
    command = [sys.executable, "-m", "arc_fabric", "worker", "--name", name, *(["--device", device] if device else [])]
    env = {"ARC_FABRIC_WORKER_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    if device:
        env |= allocator.preload(settings.worker_allocator)
    child = _child(name, command, settings, env, stop=_WORKER_STOP, orphan=signal.SIGKILL)
    detail = f"{settings.model} on {device}" if device else "videos, collection"
    return Service(name, "worker", _worker_probe(settings, name, child), "", child, _MODEL_READY_S, detail)


def _worker_probe(settings: Settings, name: str, child: Child) -> Callable[[], bool]:
    ledger = Ledger(settings.redis_url)

    def probe() -> bool:
        try:
            worker = ledger.workers.find(name)
        except RedisError:  # Redis is being started again itself
            return False
        return worker is not None and worker.pid == child.pid and worker.state in ("idle", "busy")

    return probe


def http_probe(url: str) -> Callable[[], bool]:
    """Asks whether this address of our own answers 200, past any proxy of the environment."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def probe() -> bool:
        try:
            with opener.open(url, timeout=2) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as refusal:
            refusal.close()
            return False
        except OSError:
            return False

    return probe


def _child(
    name: str,
    command: list[str],
    settings: Settings,
    env: dict[str, str],
    *,
    stop: Any = ((signal.SIGTERM, 5.0),),
    orphan: signal.Signals = signal.SIGTERM,
) -> Child:
    """A child with our settings in its environment."""
    return Child(
        name,
        command,
        settings.data_dir / "logs" / f"{name}.log",
        env={**settings.to_env(), **env, "PYTHONUNBUFFERED": "1"},
        cwd=Path.cwd(),
        stop_signals=stop,
        orphan_signal=orphan,
    )
