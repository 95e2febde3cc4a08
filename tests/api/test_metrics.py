"""What supervisors ask: `/metrics` as Prometheus reads it, and `/readyz`."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis import Connection

from arc_fabric.ledger import Ledger
from arc_fabric.settings import Settings
from tests.ledger.conftest import Hand
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


@pytest.mark.parametrize("path", ["/readyz", "/metrics", "/api/queues", "/api/workers"])
def test_what_operators_ask_takes_few_round_trips(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """As many with 300 workers as with three; it was one a worker."""
    ledger = Ledger(settings.redis_url)
    client = create_app(settings).test_client()
    client.environ_base["HTTP_HOST"] = "127.0.0.1"
    sent, send = list[int](), Connection.send_packed_command

    def counted(self: Connection, *args: Any, **named: Any) -> None:
        sent.append(1)
        send(self, *args, **named)

    def asked() -> int:
        client.get(path)  # connections and scripts are there now
        with monkeypatch.context() as patched:
            patched.setattr(Connection, "send_packed_command", counted)
            sent.clear()
            assert client.get(path).status_code in (200, 503)
        return len(sent)

    counts = []
    for many in (3, 300):
        for number in range(many):
            Hand.up(ledger, f"gpu.{number}")
        counts.append(asked())
    assert 0 < counts[0] == counts[1] < 20
    ledger.close()
