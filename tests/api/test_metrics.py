"""What supervisors ask: `/metrics` as Prometheus reads it, and `/readyz`."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from arc_fabric.ledger import Ledger
from arc_fabric.settings import Settings
from webapp.app import create_app

NAME = 'gpu."0"\\one'
NAMES = {
    *("sessions_open", "sessions", "jobs_unfinished", "jobs", "nodes_pending", "workers_alive", "queue_length"),
    *("worker_state", "worker_steps_total", "worker_memory_bytes", "host_cpu_percent"),
    *("worker_gpu_utilisation_percent", "worker_gpu_memory_bytes"),
    *("http_requests_under_way", "http_responses_total", "http_seconds_total"),
    *("trees", "trees_resting", "viewers", "web_threads", "web_time_seconds"),
}


def test_a_scrape_has_every_figure_and_escapes_labels(settings: Settings) -> None:
    """A name with quotes and backslashes comes back as it is; every figure has its name, a type and a description."""
    Ledger(settings.redis_url).leases.take(
        NAME, "boot", {
            "name": NAME, "boot_id": "boot", "role": "gpu", "state": "idle", "device": "cuda:0", "host": "here",
            "memory": {"host": 7}, "machine": {"cpu_percent": 12.5},
            "gpu": {"utilisation_percent": 50, "memory_used_bytes": 1, "memory_total_bytes": 2},
        },
    )  # fmt: skip
    client = create_app(settings).test_client()
    assert client.get("/healthz", base_url="http://127.0.0.1").status_code == 200
    answer = client.get("/metrics", base_url="http://127.0.0.1")
    families = list(text_string_to_metric_families(answer.text))
    samples = {sample.name.removeprefix("arc_fabric_"): sample for family in families for sample in family.samples}
    assert set(samples) == NAMES
    assert all(family.documentation and family.type in ("gauge", "counter") for family in families)
    assert samples["worker_state"].labels == {"worker": NAME, "state": "idle", "device": "cuda:0"}
    assert samples["worker_memory_bytes"].value == 7
    answered = [s.labels for family in families for s in family.samples if s.name.endswith("http_responses_total")]
    assert {"class": "2xx"} in answered, "counted since the process began, with whatever other tests asked"


def test_a_bucket_that_is_gone_is_not_ready(settings: Settings) -> None:
    """/readyz asks for the bucket, not for one object of it."""
    ready = create_app(settings).test_client().get("/readyz", base_url="http://127.0.0.1")
    assert ready.json["checks"]["object_store"] == "ok"
    gone = create_app(settings.replaced(s3_bucket="nowhere-to-be-found")).test_client()
    answer = gone.get("/readyz", base_url="http://127.0.0.1")
    assert (answer.status_code, answer.json["checks"]["object_store"]) == (503, "StoreUnavailable")
