"""What Flower is told: a task ends as its job ended, and its message is acknowledged either way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from celery import Celery
from celery.events.state import State

from tests.support.waiting import eventually
from tests.workers.conftest import Fleet


@pytest.fixture
def told(two: Fleet) -> Iterator[State]:
    """What Flower knows of tasks since the test began: Celery's own memory of events, which may overtake each other."""
    app, state = Celery(broker=two.settings.redis_url), State()
    ready, ended = threading.Event(), threading.Event()

    def listen() -> None:
        with app.connection_for_read() as connection:
            receiver = app.events.Receiver(connection, handlers={"*": state.event})
            with receiver.consumer_context(wakeup=False) as (consuming, _, _):
                ready.set()
                while not ended.is_set():
                    with suppress(TimeoutError):
                        consuming.drain_events(timeout=0.2)

    thread = threading.Thread(target=listen)
    thread.start()
    ready.wait(10)
    yield state
    ended.set()
    thread.join()


def test_tasks_end_as_their_jobs_do(two: Fleet, told: State) -> None:
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
    ends = {good.id: "SUCCESS", bad.id: "FAILURE", long.id: "REVOKED", waits.id: "REVOKED"}
    eventually(lambda: {i: told.tasks[i].state for i in ends if i in told.tasks} == ends, what="events")
    assert bad.error["type"] in told.tasks[bad.id].exception
    eventually(lambda: two.ledger.redis.hlen("unacked") == 0)
    assert two.step(session, prompt="and on").result["frame_index"] >= 2
