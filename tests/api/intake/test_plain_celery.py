"""A script with Celery alone enqueues work under the same rules as HTTP."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery

from arc_fabric.ids import new_id
from tests.install.environment import Environment
from tests.support.waiting import eventually
from tests.support.web_server import WebServer

EXAMPLE = Path(__file__).parents[3] / "examples" / "plain_celery.py"


@pytest.fixture
def sender(web: WebServer) -> Iterator[Celery]:
    """What a stranger's script holds: an app that knows the broker and nothing of us."""
    app = Celery("stranger", broker=web.settings.redis_url, set_as_current=False)
    yield app
    app.close()


def _session(web: WebServer, picture: str) -> str:
    made = web.ok("POST", "/api/sessions?wait=60", json={"prompt": "push it", "initial_frame": picture, "seed": 7})
    return str(made["session_id"])


def _job(web: WebServer, task_id: str, state: str | None = None) -> dict[str, Any]:
    """The job of a task, once it has ended."""

    def found() -> dict[str, Any] | None:
        items = web.ok("GET", "/api/jobs", params={"idempotency_key": task_id})["items"]
        return items[0] if items and items[0]["state"] in ("succeeded", "failed") else None

    job: dict[str, Any] = eventually(found, 60, what=f"the job of {task_id}")
    assert state in (None, job["state"]), job
    return job


def _send(app: Celery, name: str, task_id: str | None = None, **kwargs: Any) -> str:
    return str(app.send_task(name, kwargs=kwargs, queue="arc", task_id=task_id).id)


def test_an_environment_with_celery_alone_runs_the_example(web: WebServer, picture: str, tmp_path: Path) -> None:
    head = web.ok("GET", f"/api/sessions/{_session(web, picture)}")["head"]
    alone = Environment.of_packages(tmp_path / "alone", "celery[redis]")
    assert "ModuleNotFoundError" in alone.run("-c", "import arc_fabric", code=1)
    for _ in range(2):  # sent again, nothing is made twice
        ids = alone.run(str(EXAMPLE), web.settings.redis_url, head, "3").split()
        jobs = [_job(web, task_id, "succeeded") for task_id in ids]
        assert [job["kind"] for job in jobs] == ["fork"] * 3
        forks = [job["result"]["session_id"] for job in jobs]
        seeds = [web.ok("GET", f"/api/sessions/{session_id}")["seed"] for session_id in forks]
        assert seeds == [0, 1, 2]
        mine = [job for job in web.ok("GET", "/api/jobs?kind=fork&limit=100")["items"]
                if job["params"].get("checkpoint_id") == head]  # fmt: skip
        assert len(mine) == 3


def test_work_of_a_session_takes_effect_in_the_order_it_was_sent(web: WebServer, sender: Celery, picture: str) -> None:
    session = _session(web, picture)
    sent = [_send(sender, "arc.step", session_id=session, steps=2), _send(sender, "arc.rewind", session_id=session),
            _send(sender, "arc.step", session_id=session, seed=9),
            _send(sender, "arc.checkpoint", session_id=session, label="here")]  # fmt: skip
    jobs = [_job(web, task_id, "succeeded") for task_id in sent]
    assert [job["seq"] for job in jobs] == sorted(job["seq"] for job in jobs)
    assert [job["kind"] for job in jobs] == ["step", "rewind", "step", "checkpoint"]
    assert web.ok("GET", f"/api/sessions/{session}")["frame_index"] == 2


def test_a_task_id_is_an_idempotency_key(web: WebServer, sender: Celery, picture: str) -> None:
    session, task_id = _session(web, picture), str(uuid.uuid4())
    for _ in range(3):
        _send(sender, "arc.step", task_id, session_id=session)
    job = _job(web, task_id, "succeeded")
    over_http = web.http.post(f"/api/sessions/{session}/step", json={}, headers={"Idempotency-Key": task_id})
    assert over_http.json()["job"]["id"] == job["id"]
    eventually(lambda: _waiting(web) == 0)
    assert web.ok("GET", f"/api/sessions/{session}")["frame_index"] == 1


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("arc.jump", {}, "There is no task 'arc.jump'"),
    ("other.task", {"x": 1}, "There is no task 'other.task'"),
    ("arc.fork", {}, "checkpoint_id: is required"),
    ("arc.fork", {"checkpoint_id": "ckp_nonsense"}, "a checkpoint id is"),
    ("arc.fork", {"checkpoint_id": new_id("ckp")}, "No checkpoint"),
    ("arc.fork", {"checkpoint_id": new_id("ckp"), "sead": 4}, "is not known here"),
    ("arc.step", {"steps": 1}, "session_id: is required"),
    ("arc.step", {"session_id": new_id("ses"), "steps": "5"}, "steps: should be a valid integer"),
    ("arc.step", {"session_id": new_id("ses")}, "No session"),
    ("arc.close", {"session_id": new_id("ses"), "now": True}, "params: is not known here"),
]


@pytest.mark.parametrize(("task", "kwargs", "why"), WRONG, ids=[f"{task}-{n}" for n, (task, _, _) in enumerate(WRONG)])
def test_a_wrong_call_fails_visibly(
    web: WebServer, sender: Celery, task: str, kwargs: dict[str, Any], why: str
) -> None:
    job = _job(web, _send(sender, task, **kwargs), "failed")
    assert why in job["error"]["message"]
    assert job["id"] in {one["id"] for one in web.ok("GET", "/api/jobs?state=failed&limit=50")["items"]}
    assert web.ok("GET", f"/api/jobs/{job['id']}")["params"] == kwargs
    assert _waiting(web) == 0


def test_what_a_queue_cannot_keep_is_refused(web: WebServer, sender: Celery, picture: str) -> None:
    session = _session(web, picture)
    more: list[tuple[dict[str, Any], str]] = [
        ({"args": ["x"]}, "1 positional arguments"),
        ({"countdown": 3600}, "eta and countdown"),
        ({"link": sender.signature("arc.step", queue="arc")}, "has no callbacks"),
        ({"compression": "gzip"}, "compression"),
        ({"expires": -5}, "expired"),
    ]
    for options, why in more:
        sent = sender.send_task("arc.step", kwargs={"session_id": session}, queue="arc", **options)
        assert why in _job(web, sent.id, "failed")["error"]["message"], options
    assert web.ok("GET", f"/api/sessions/{session}")["frame_index"] == 0


def test_rubbish_harms_nothing(web: WebServer, sender: Celery, picture: str) -> None:
    with redis.Redis.from_url(web.settings.redis_url) as broker:
        no_id = json.dumps({"headers": {"task": "arc.step", "id": "a b"}, "properties": {}, "body": 3})
        strange = ("", "{", "[]", "null", "\xff", '{"headers": {"task": 5, "id": null}}', "[" * 100_000, no_id)
        for rubbish in strange:
            broker.lpush("arc", rubbish)
    session = _session(web, picture)
    _job(web, _send(sender, "arc.step", session_id=session), "succeeded")
    assert _waiting(web) == 0
    assert "intake" not in web.http.get("/readyz").text, "the thread is well"


def test_flower_hears_of_both_ends(web: WebServer, sender: Celery, picture: str) -> None:
    session = _session(web, picture)
    heard: dict[str, dict[str, Any]] = {}
    with sender.connection() as connection:
        receiver = sender.events.Receiver(
            connection, handlers={"*": lambda event: heard.update({f"{event.get('uuid')} {event['type']}": event})}
        )
        with receiver.consumer_context() as (listening, _, _):
            with suppress(TimeoutError):
                listening.drain_events(timeout=0.5)  # it listens from the first time on that it is asked
            good, bad = _send(sender, "arc.step", session_id=session), _send(sender, "arc.jump")
            ends, until = {f"{good} task-succeeded", f"{bad} task-failed"}, time.monotonic() + 60
            while not ends <= heard.keys() and time.monotonic() < until:
                listening.drain_events(timeout=30)
    assert ends <= heard.keys()
    assert heard[f"{good} task-succeeded"]["result"] == repr(_job(web, good)["id"])
    assert "There is no task" in heard[f"{bad} task-failed"]["exception"]
    assert heard[f"{bad} task-failed"]["hostname"].startswith("intake@")


def _waiting(web: WebServer) -> int:
    with redis.Redis.from_url(web.settings.redis_url) as broker:
        return int(broker.llen("arc"))
