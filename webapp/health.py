"""For supervisors: /healthz (this process), /readyz (all it needs), /metrics (Prometheus text)."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from flask import Response
from flask_openapi3 import APIBlueprint, Tag
from redis.exceptions import RedisError

from arc_fabric.errors import ArcFabricError
from webapp.context import Context, ctx
from webapp.http.answers import error, json_answer
from webapp.schemas.views import Health

health = APIBlueprint(
    "health",
    __name__,
    abp_tags=[Tag(name="operations", description="The model, its workers and the storage.")],
    operation_id_callback=lambda *, name, **_: name,
)
_PLAIN = {"description": "Prometheus text format 0.0.4.", "content": {"text/plain": {"schema": {"type": "string"}}}}


class RequestCounts:
    """Requests under way, answers by status class and their summed time. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: Counter[str] = Counter()
        self._seconds = 0.0
        self._under_way = 0

    def enter(self) -> None:
        """A request begins; a WebSocket is one until it ends."""
        with self._lock:
            self._under_way += 1

    def leave(self) -> None:
        """A request that has entered is over, answered or not."""
        with self._lock:
            self._under_way -= 1

    def add(self, status: int, seconds: float) -> None:
        """One answer."""
        with self._lock:
            self._answers[f"{status // 100}xx"] += 1
            self._seconds += seconds

    def lines(self) -> Iterator[str]:
        """As metrics."""
        with self._lock:
            answers, seconds, under_way = dict(self._answers), self._seconds, self._under_way
        yield from _metric("http_requests_under_way", "gauge", {"": under_way})
        yield from _metric("http_responses_total", "counter", {f'class="{k}"': v for k, v in answers.items()})
        yield from _metric("http_seconds_total", "counter", {"": round(seconds, 6)})


COUNTS = RequestCounts()


@health.get("/healthz", responses={200: Health})
def healthz() -> Response:
    """Whether this process answers"""
    return json_answer({"status": "ok", "checks": {}})


@health.get("/readyz", responses={200: Health, 503: Health, 429: error(429)})
def readyz() -> Response:
    """Whether Redis, the object store and a worker with its model are there"""
    context = ctx()
    checks = {
        "redis": _check(context.ledger.ping),
        "object_store": _check(lambda: context.backend.exists("probe/ready") or True),
        "worker": _check(lambda: _worker_is_up(context)),
    }
    good = all(check == "ok" for check in checks.values())
    return json_answer({"status": "ok" if good else "down", "checks": checks}, 200 if good else 503)


@health.get("/metrics", responses={200: _PLAIN, 401: error(401), 403: error(403), 429: error(429), 503: error(503)})
def metrics() -> Response:
    """Counts and gauges for Prometheus"""
    return Response("\n".join(_lines(ctx())) + "\n", mimetype="text/plain")


def _check(probe: Callable[[], Any]) -> str:
    try:
        return "ok" if probe() else "missing"
    except (ArcFabricError, RedisError, OSError) as problem:
        return type(problem).__name__


def _worker_is_up(context: Context) -> bool:
    return any(worker.state in ("idle", "busy") and worker.model for worker in context.ledger.workers())


def _lines(context: Context) -> Iterator[str]:
    for name, value in context.ledger.counts().items():
        yield from _metric(name, "gauge", {"": value})
    queues = {f'queue="{name}"': length for name, length in context.ledger.queues().items()}
    yield from _metric("queue_length", "gauge", queues)
    workers = context.ledger.workers()
    states = {f'worker="{w.name}",state="{w.state}",device="{w.device}"': 1 for w in workers}
    yield from _metric("worker_state", "gauge", states)
    yield from _metric("worker_steps_total", "counter", {f'worker="{w.name}"': w.steps_done for w in workers})
    memory = {f'worker="{w.name}",tier="{tier}"': size for w in workers for tier, size in w.memory.items()}
    yield from _metric("worker_memory_bytes", "gauge", memory)
    gpus = {f'worker="{w.name}"': w.gpu for w in workers if w.gpu}
    busy = {label: gpu["utilisation_percent"] for label, gpu in gpus.items() if gpu["utilisation_percent"] is not None}
    yield from _metric("worker_gpu_utilisation_percent", "gauge", busy)
    used = {
        f'{label},kind="{kind}"': gpu[f"memory_{kind}_bytes"]
        for label, gpu in gpus.items()
        for kind in ("used", "total")
    }
    yield from _metric("worker_gpu_memory_bytes", "gauge", used)
    hosts = {f'host="{w.host}"': w.machine["cpu_percent"] for w in workers if w.machine and w.state != "down"}
    yield from _metric("host_cpu_percent", "gauge", hosts)
    yield from _metric("viewers", "gauge", {"": context.hub.viewers})
    yield from _metric("web_threads", "gauge", _threads())
    yield from _metric("web_time_seconds", "gauge", {"": round(time.time(), 3)})
    yield from COUNTS.lines()


def _threads() -> dict[str, int]:
    """Threads by kind: `pool` are gunicorn's, which stay (idle) once they were needed, up to its limit."""
    names = [thread.name for thread in threading.enumerate()]
    pool = sum(name.startswith("ThreadPoolExecutor") for name in names)
    return {'kind="pool"': pool, 'kind="other"': len(names) - pool}


def _metric(name: str, kind: str, values: dict[str, float | int]) -> Iterator[str]:
    if not values:
        return
    yield f"# TYPE arc_fabric_{name} {kind}"
    for labels, value in values.items():
        yield f"arc_fabric_{name}{{{labels}}} {value}" if labels else f"arc_fabric_{name} {value}"
