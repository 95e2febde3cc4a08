"""Tickets have the form that Celery itself gives a task, and monitors hear of every one."""

from __future__ import annotations

import base64
import contextlib
import json
import time
from typing import Any

import pytest
from kombu import Connection

from arc_fabric.errors import HeadMoved
from arc_fabric.ids import new_id
from arc_fabric.ledger import Commit, JobRecord, JobRequest, Ledger, NodeRecord
from arc_fabric.queue.dispatch import Dispatcher
from workers.startup.app import app

OF_ITS_SENDING = ("delivery_tag", "reply_to", "timestamp", "clock")
"""What differs between two messages of one task."""


def _plain(raw: str) -> dict[str, Any]:
    message = json.loads(raw)
    message["body"] = json.loads(base64.b64decode(message["body"]))
    for fields in (message["properties"], message["body"]):
        for name in OF_ITS_SENDING:
            if isinstance(fields, dict):
                fields.pop(name, None)
    return message


def _jobs(count: int, **internal: Any) -> list[JobRecord]:
    routed = {"_queue": "gpu.0"} | internal
    return [
        JobRecord(id=new_id("job"), kind="step", session_id=new_id("ses"), params={}, internal=dict(routed))
        for _ in range(count)
    ]


def _of_tasks(monitor: Any, count: int = 2) -> list[dict[str, Any]]:
    """So many messages about tasks; workers of other tests may tell of themselves on the same server."""
    heard: list[dict[str, Any]] = []
    deadline = time.monotonic() + 10
    while len(heard) < count and time.monotonic() < deadline:
        message = monitor.get_message(timeout=1.0)
        if message and "/task." in message["channel"]:
            heard.append(message)
    return heard


def _sent_by_celery(url: str, job: JobRecord) -> None:
    with Connection(url, transport_options=app.conf.broker_transport_options) as connection:
        app.send_task(
            "arc.step", args=[job.id], kwargs={"session": job.session_id}, task_id=job.id, queue=job.queue,
            priority=job.priority, connection=connection,
        )  # fmt: skip


@pytest.mark.parametrize("priority", [0, 3, 6, 9])
def test_a_ticket_is_what_celery_sends(redis_url: str, priority: int) -> None:
    """In the list that Celery chooses, message and event alike but for what belongs to the one sending."""
    ledger = Ledger(redis_url)
    (job,) = _jobs(1, _priority=priority)
    with ledger.redis.pubsub(ignore_subscribe_messages=True) as monitor:
        monitor.psubscribe("/*celeryev/*")
        _sent_by_celery(redis_url, job)
        Dispatcher(ledger).send(job)
        (key,) = ledger.redis.keys("gpu.0*")
        ours, theirs = ledger.redis.lrange(key, 0, -1)
        assert _plain(ours) == _plain(theirs)
        assert json.loads(ours)["properties"]["delivery_tag"] != json.loads(theirs)["properties"]["delivery_tag"]
        heard = _of_tasks(monitor)
    assert [m["channel"].rpartition("/")[2] for m in heard] == ["task.sent", "task.multi"]
    assert heard[0]["channel"].rpartition("/")[0] == heard[1]["channel"].rpartition("/")[0]
    one, many = (_plain(m["data"]) for m in heard)
    assert [e | {"clock": 0, "timestamp": 0} for e in many["body"]] == [one["body"] | {"clock": 0, "timestamp": 0}]
    ledger.close()


def _requests(ledger: Ledger) -> dict[str, JobRequest]:
    """One request for each script that accepts, and where it goes: a session's owner, all workers, the media worker."""
    up = {"name": "gpu.0", "boot_id": "boot", "role": "gpu", "state": "idle", "device": "cpu"}
    ledger.leases.take("gpu.0", "boot", up)
    session, job = ledger.sessions.open(prompt="p", input_key="sample:table")
    claim = ledger.execution.claim("gpu.0", "boot", job.id)
    head = new_id("ckp")
    node = NodeRecord(id=head, parent=None, session_id=session.id, tree_id=head, frame_index=0, prompt="p", seed=7)
    made = {"head": head, "frame_index": 0, "root": head, "tree_id": head}
    ledger.execution.commit(
        "gpu.0", "boot", Commit(session.id, job.id, claim.session.epoch, node=node, session=made, final="succeeded")
    )
    return {
        "gpu.0": ledger.jobs.request(session.id, "step"),
        "bulk\x06\x166": ledger.sessions.fork_request(checkpoint_id=head, steps=1, bulk=True),
        "media": ledger.media.request("video", session.id, {"checkpoint_id": head}, target="videos/x", total=9),
    }


def test_a_new_job_is_accepted_and_sent_at_once(redis_url: str) -> None:
    """One script does both: the message lies where, and is what, `send` would send. Asked again (an answer was lost),
    or refused, it sends nothing. Monitors are told."""
    ledger = Ledger(redis_url)
    dispatcher = Dispatcher(ledger)
    for key, request in _requests(ledger).items():
        with ledger.redis.pubsub(ignore_subscribe_messages=True) as monitor:
            monitor.psubscribe("/*celeryev/*")
            job = dispatcher.accept(request).job
            told = next(iter(_of_tasks(monitor, 1)))
        (event,) = _plain(told["data"])["body"]
        assert (event["uuid"], event["queue"]) == (job.id, job.queue)
        dispatcher.accept(request)
        assert ledger.redis.llen(key) == 1
        dispatcher.send(job)
        again, first = ledger.redis.lrange(key, 0, -1)
        assert _plain(first) == _plain(again)
        assert _plain(first)["properties"]["delivery_info"]["routing_key"] == job.queue
    with pytest.raises(HeadMoved):
        dispatcher.accept(ledger.jobs.request(job.session_id, "step", if_head=new_id("ckp")))
    assert ledger.redis.llen("gpu.0") == 2, "the step's own and the one sent after it"
    ledger.close()


def test_many_tickets_keep_their_order_and_monitors_hear_of_each(redis_url: str) -> None:
    """600 jobs in two queues: each queue's in the order given; Celery's own event receiver counts all of them."""
    ledger = Ledger(redis_url)
    jobs = _jobs(300) + _jobs(300, _queue="bulk", _priority=6)
    heard: list[str] = []
    others = ledger.redis.pubsub_numpat()
    with Connection(redis_url, transport_options=app.conf.broker_transport_options) as connection:
        receiver = app.events.Receiver(connection, handlers={"task-sent": lambda e: heard.append(e["uuid"])})
        with receiver.consumer_context(wakeup=False) as (listening, _, _):
            while ledger.redis.pubsub_numpat() <= others:
                with contextlib.suppress(TimeoutError):
                    listening.drain_events(timeout=0.2)  # it subscribes at its first look
            Dispatcher(ledger).send_many(jobs)
            while len(heard) < len(jobs):
                listening.drain_events(timeout=5)
    assert heard == [job.id for job in jobs]
    own = [json.loads(raw)["headers"]["id"] for raw in reversed(ledger.redis.lrange("gpu.0", 0, -1))]
    bulk = [json.loads(raw)["headers"]["id"] for raw in reversed(ledger.redis.lrange("bulk\x06\x166", 0, -1))]
    assert (own, bulk) == ([j.id for j in jobs[:300]], [j.id for j in jobs[300:]])
    ledger.close()


def test_a_finished_job_gets_no_ticket(redis_url: str) -> None:
    """Nothing is sent for what is over."""
    ledger = Ledger(redis_url)
    (job,) = _jobs(1)
    job.state = "cancelled"
    Dispatcher(ledger).send_many([job])
    assert ledger.redis.keys("gpu.0*") == []
    ledger.close()
