"""What readers and supervisors are told while Redis refuses writes, and while a background thread fails."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import psutil
import pytest
from flask.testing import FlaskClient

from arc_fabric.base.threads import SUPERVISOR, Rounds
from arc_fabric.ledger import Ledger
from arc_fabric.services.valkey import ValkeyServer
from arc_fabric.settings import Settings
from tests.api.conftest import Made
from tests.support.refusals import KINDS, held_up, refusing
from webapp.app import create_app

OPENED = {"prompt": "pick up the red cup", "initial_frame": "sample:two-cups"}


@pytest.fixture
def client(own_redis: ValkeyServer, settings: Settings) -> Iterator[FlaskClient]:
    """The app, in this process, on a Redis of its own with one living worker."""
    settings = settings.replaced(redis_url=own_redis.url)
    ledger = Ledger(settings.redis_url)
    ledger.redis.flushdb()
    made = {"name": "gpu.0", "boot_id": "boot", "role": "gpu", "state": "idle", "model": "toy"}
    ledger.leases.take("gpu.0", "boot", made)
    ledger.redis.persist("arc:lease:gpu.0")
    web = create_app(settings).test_client()
    web.environ_base["HTTP_HOST"] = "127.0.0.1"
    yield web
    ledger.close()


@pytest.mark.parametrize("kind", KINDS)
def test_refused_writes_are_503_with_the_cause(client: FlaskClient, own_redis: ValkeyServer, kind: str) -> None:
    """Work is refused and may be sent again; what is there can be read; /readyz is not ready and says why."""
    with refusing(own_redis, kind):
        answer = client.post("/api/sessions", json=OPENED)
        assert answer.status_code == 503, answer.text
        assert answer.headers["Retry-After"] and answer.mimetype == "application/problem+json"
        assert answer.json["code"] == "StoreUnavailable" and kind in answer.json["detail"]
        assert client.get("/api/sessions").status_code == 200
        ready = client.get("/readyz")
        assert ready.status_code == 503 and kind in ready.json["checks"]["redis"]
        assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").json["checks"]["redis"] == "ok"


def test_a_script_that_holds_redis_up_is_503_as_well(client: FlaskClient, own_redis: ValkeyServer) -> None:
    """For readers, too; the answer says why, and nothing of it is a defect."""
    with held_up(own_redis):
        for answer in (client.post("/api/sessions", json=OPENED), client.get("/api/sessions")):
            assert answer.status_code == 503, answer.text
            assert answer.headers["Retry-After"] and "BUSY" in answer.json["detail"]
        ready = client.get("/readyz")
        assert ready.status_code == 503 and "BUSY" in ready.json["checks"]["redis"]
    assert client.get("/api/sessions").status_code == 200


def test_a_sick_thread_shows(client: FlaskClient, settings: Settings, own_redis: ValkeyServer) -> None:
    """That of a worker in its record and in /readyz; that of the web in /readyz."""
    assert client.get("/readyz").json["checks"]["threads"] == "ok"
    ledger = Ledger(own_redis.url)
    record = {"name": "gpu.0", "boot_id": "boot", "role": "gpu", "state": "idle", "device": "cpu"}
    ledger.leases.take("gpu.0", "boot", record | {"sick": {"janitor": "RecursionError: too deep"}})
    ledger.redis.persist("arc:lease:gpu.0")
    answer = client.get("/readyz")
    assert answer.status_code == 503 and answer.json["status"] == "degraded"
    assert answer.json["checks"]["threads"] == "gpu.0: janitor: RecursionError: too deep"
    assert client.get("/api/workers").json["items"][0]["sick"] == {"janitor": "RecursionError: too deep"}
    ledger.leases.renew("gpu.0", "boot", record | {"sick": {}})
    rounds = Rounds("hub-events", lambda: None)
    SUPERVISOR.note(rounds, "KeyError: 'x'")
    try:
        assert client.get("/readyz").json["checks"]["threads"] == "web: hub-events: KeyError: 'x'"
    finally:
        SUPERVISOR.note(rounds, None)
    assert client.get("/readyz").status_code == 200
    ledger.close()


@pytest.mark.parametrize("form", ["csv", "lerobot"])
def test_a_full_disk_of_the_web_app_is_no_defect(session: Made, form: str) -> None:
    """What it would have to write aside is 503 with the cause; all else is answered, and so is this once there is
    room."""
    session.step()
    (process,) = psutil.Process(session.web.web.pid).children()
    path = f"/api/checkpoints/{session.now()['head']}/export?format={form}"
    before = resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    try:
        problem = session.web.problem(503, "GET", path)
        assert problem["code"] == "ServiceError" and "no room" in problem["detail"]
        assert session.now()["frame_index"] == 1
    finally:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, before)
    assert session.web.http.get(path).status_code == 200
