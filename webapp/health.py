"""For supervisors: /healthz (this process), /readyz (all it needs), /metrics (Prometheus text)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from flask import Response
from flask_openapi3 import APIBlueprint, Tag
from prometheus_client import CollectorRegistry, Counter, Gauge, Metric, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from arc_fabric.base.threads import SUPERVISOR
from arc_fabric.errors import ArcFabricError, ServiceError
from arc_fabric.ledger import WorkerRecord, WritesRefused
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


Values = Mapping[Any, float]
"""Samples by the values of their labels (a tuple of texts)."""

disable_created_metrics()
_requests = CollectorRegistry()
UNDER_WAY = Gauge(
    "arc_fabric_http_requests_under_way", "Requests being answered, WebSockets among them.", registry=_requests
)
_answers = Counter("arc_fabric_http_responses", "Answers by status class.", ["class"], registry=_requests)
_seconds = Counter("arc_fabric_http_seconds", "Summed time of the answers, in seconds.", registry=_requests)


def count_answer(status: int, seconds: float) -> None:
    """One answer of this process."""
    _answers.labels(f"{status // 100}xx").inc()
    _seconds.inc(seconds)


@health.get("/healthz", responses={200: Health})
def healthz() -> Response:
    """Whether this process answers"""
    return json_answer({"status": "ok", "checks": {}})


@health.get("/readyz", responses={200: Health, 503: Health, 429: error(429)})
def readyz() -> Response:
    """Whether Redis and the object store take writes, a worker with its model is there, and all threads are well"""
    context = ctx()
    checks = {
        "redis": _check(context.ledger.takes_writes),
        "object_store": _check(lambda: _stores(context)),
        "worker": _check(context.ledger.workers.serve),
        "threads": _check(lambda: _threads_are_well(context)),
    }
    bad = {name for name, check in checks.items() if check != "ok"}
    status = "ok" if not bad else "degraded" if bad == {"threads"} else "down"
    return json_answer({"status": status, "checks": checks}, 503 if bad else 200)


@health.get("/metrics", responses={200: _PLAIN, 401: error(401), 403: error(403), 429: error(429), 503: error(503)})
def metrics() -> Response:
    """Counts and gauges for Prometheus"""
    return Response(generate_latest(Figures(ctx())), mimetype="text/plain")


def _check(probe: Callable[[], Any]) -> str:
    try:
        return "ok" if probe() else "missing"
    except ServiceError as sick:
        return sick.message
    except WritesRefused as refusal:
        return f"{type(refusal).__name__}: {refusal}"
    except (ArcFabricError, RedisError, OSError) as problem:
        return type(problem).__name__


_PROBE = "probe/web"
_WROTE_S = 10.0
_wrote = 0.0
"""When storage last took an object (monotonic): it is asked to at most every _WROTE_S."""


def _stores(context: Context) -> bool:
    """True; StoreUnavailable where the object store does not answer, its bucket is gone, or it takes no object (its
    disk is full): what it has says nothing of that."""
    global _wrote
    next(iter(context.backend.list("probe/")), None)
    if time.monotonic() - _wrote > _WROTE_S:
        context.backend.put(_PROBE, b"arc-fabric")
        _wrote = time.monotonic()
    return True


def _threads_are_well(context: Context) -> bool:
    """True; ServiceError names the background threads, of this process and of living workers, that fail now."""
    sick = {f"web: {name}": why for name, why in SUPERVISOR.sick().items()}
    for worker in context.ledger.workers.sick():
        sick |= {f"{worker.name}: {name}": why for name, why in worker.sick.items()}
    if sick:
        raise ServiceError("; ".join(f"{name}: {why}" for name, why in sick.items()))
    return True


class Figures(Collector):
    """What a scrape gets: of the whole system from the ledger, and of this process."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def collect(self) -> Iterator[Metric]:
        """All families that have a value."""
        context = self._context
        for name, value in context.ledger.counts().items():
            yield from _gauge(name, f"{name.replace('_', ' ').capitalize()}.", {(): value})
        queues = {(name,): length for name, length in context.ledger.workers.queues().items()}
        yield from _gauge("queue_length", "Tickets waiting.", queues, "queue")
        yield from _of_workers(context.ledger.workers.all())
        yield from _gauge("viewers", "WebSocket connections.", {(): context.hub.viewers})
        yield from _gauge("web_threads", "Threads of the web app's process.", _threads(), "kind")
        yield from _gauge("web_time_seconds", "Clock of the web app, in epoch seconds.", {(): time.time()})
        yield from _requests.collect()


def _of_workers(workers: Sequence[WorkerRecord]) -> Iterator[Metric]:
    states = {(w.name, w.state, w.device): 1 for w in workers}
    yield from _gauge("worker_state", "1 for the state that a worker is in.", states, "worker", "state", "device")
    steps = {(w.name,): w.steps_done for w in workers}
    yield from _family(CounterMetricFamily, "worker_steps", "Steps committed since its start.", steps, "worker")
    memory = {(w.name, tier): size for w in workers for tier, size in w.memory.items()}
    yield from _gauge("worker_memory_bytes", "Bytes that a worker keeps of snapshots.", memory, "worker", "tier")
    gpus = {w.name: w.gpu for w in workers if w.gpu}
    shares = {(name,): gpu["utilisation_percent"] for name, gpu in gpus.items()}
    busy = {name: share for name, share in shares.items() if share is not None}
    yield from _gauge("worker_gpu_utilisation_percent", "How busy a worker's GPU is.", busy, "worker")
    used = {(name, "used"): gpu["memory_used_bytes"] for name, gpu in gpus.items()}
    used |= {(name, "total"): gpu["memory_total_bytes"] for name, gpu in gpus.items()}
    yield from _gauge("worker_gpu_memory_bytes", "Memory of a worker's GPU.", used, "worker", "kind")
    hosts = {(w.host,): w.machine["cpu_percent"] for w in workers if w.machine and w.state != "down"}
    yield from _gauge("host_cpu_percent", "CPU use of a worker's machine.", hosts, "host")


def _threads() -> Values:
    """Threads by kind: `pool` are gunicorn's, which stay (idle) once they were needed, up to its limit."""
    names = [thread.name for thread in threading.enumerate()]
    pool = sum(name.startswith("ThreadPoolExecutor") for name in names)
    return {("pool",): pool, ("other",): len(names) - pool}


def _gauge(name: str, text: str, values: Values, *labels: str) -> Iterator[Metric]:
    return _family(GaugeMetricFamily, name, text, values, *labels)


def _family(kind: Any, name: str, text: str, values: Values, *labels: str) -> Iterator[Metric]:
    """The family with a sample per tuple of label values; nothing where there is none."""
    family = kind(f"arc_fabric_{name}", text, labels=labels)
    for given, value in values.items():
        family.add_metric(given, value)
    if values:
        yield family
