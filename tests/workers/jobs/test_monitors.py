"""What Flower is told: a task ends as its job ended, and its message is acknowledged either way."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from celery import Celery

from tests.support.waiting import eventually
from tests.workers.conftest import Fleet


@pytest.fixture
def told(two: Fleet) -> Iterator[dict[str, list[dict[str, object]]]]:
    """The events of each task since the test began, as Flower receives them."""
    app = Celery(broker=two.settings.redis_url)
    events: dict[str, list[dict[str, object]]] = {}
    ready, ended = threading.Event(), threading.Event()

    def note(event: dict[str, object]) -> None:
        events.setdefault(str(event["uuid"]), []).append(event)

    def listen() -> None:
        with app.connection_for_read() as connection:
            receiver = app.events.Receiver(connection, handlers={"*": lambda event: "uuid" in event and note(event)})
            with receiver.consumer_context(wakeup=False) as (consuming, _, _):
                ready.set()
                while not ended.is_set():
                    try:
                        consuming.drain_events(timeout=0.2)
                    except TimeoutError:
                        continue

    thread = threading.Thread(target=listen)
    thread.start()
    ready.wait(10)
    yield events
    ended.set()
    thread.join()


def test_tasks_end_as_their_jobs_do(two: Fleet, told: dict[str, list[dict[str, object]]]) -> None:
    """Succeeded, failed (with the error), cancelled while it ran and while it waited; nothing is left unacknowledged
    and nothing runs twice."""
    session = two.create("sleep 0.2")
    good = two.step(session)
    bad = two.done(two.submit(session, steps=1, prompt="raise"), state="failed")
    long = two.submit(session, steps=20, prompt="sleep 0.2")
    waits = two.submit(session)
    eventually(lambda: two.ledger.jobs.get(long.id).progress["done"] >= 1)
    two.ledger.jobs.cancel(waits.id)
    two.ledger.jobs.cancel(long.id)

    def last(job_id: str) -> str:
        return str((told.get(job_id) or [{"type": ""}])[-1]["type"])

    ends = {good.id: "task-succeeded", bad.id: "task-failed", long.id: "task-revoked", waits.id: "task-revoked"}
    eventually(lambda: {job_id: last(job_id) for job_id in ends} == ends, what="events")
    assert bad.error["type"] in str(told[bad.id][-1]["exception"])
    eventually(lambda: two.ledger.redis.hlen("unacked") == 0)
    assert two.step(session, prompt="and on").result["frame_index"] >= 2
