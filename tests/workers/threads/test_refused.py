"""Redis answers and refuses writes, or a thread meets what nobody thought of: workers wait, nothing stays undone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from arc_fabric.ids import new_id
from arc_fabric.services.valkey import ValkeyServer
from arc_fabric.settings import Settings
from arc_fabric.store.format.manifest import MANIFEST, key_of
from tests.support.refusals import KINDS, held_up, refusing
from tests.support.waiting import eventually
from tests.workers.conftest import TOY, Fleet

REFUSED_S = 2.0


@pytest.fixture
def lone(own_redis: ValkeyServer, settings: Settings, tmp_path: Path) -> Iterator[Fleet]:
    """Workers on it."""
    made = Fleet(settings.replaced(redis_url=own_redis.url, model=TOY, lease_ttl_s=1.5))
    made.ledger.redis.flushdb()
    yield made
    made.close()


@pytest.mark.parametrize("kind", KINDS)
def test_two_seconds_of_refused_writes_cost_nothing(lone: Fleet, own_redis: ValkeyServer, kind: str) -> None:
    """The same process goes on, the job succeeds with all of its steps, and every node becomes durable."""
    pid = lone.start().pid
    session = lone.create()
    job = lone.submit(session, steps=30, prompt="sleep 0.1")
    eventually(lambda: lone.ledger.jobs.get(job.id).progress["done"] >= 2)
    with refusing(own_redis, kind):
        time.sleep(REFUSED_S)
    assert lone.done(job).progress["done"] == 30
    lone.step(session)
    eventually(lambda: lone.ledger.counts()["nodes_pending"] == 0)
    worker = lone.ledger.workers.find("gpu.0")
    assert (worker.pid, worker.sick, lone.children["gpu.0"].running) == (pid, {}, True)


def test_an_idle_worker_outlives_refused_writes(lone: Fleet, own_redis: ValkeyServer) -> None:
    """It hears of work again without being started anew."""
    pid = lone.start().pid
    session = lone.create()
    for kind in KINDS:
        with refusing(own_redis, kind):
            time.sleep(REFUSED_S)
        lone.step(session)
    assert lone.ledger.workers.find("gpu.0").pid == pid


def test_workers_outlive_a_script_that_holds_redis_up(lone: Fleet, own_redis: ValkeyServer) -> None:
    """BUSY to everything for longer than a lease: the same process goes on, and the job ends as it should."""
    pid = lone.start().pid
    session = lone.create()
    job = lone.submit(session, steps=20, prompt="sleep 0.1")
    eventually(lambda: lone.ledger.jobs.get(job.id).progress["done"] >= 2)
    with held_up(own_redis):
        time.sleep(REFUSED_S)
    assert lone.done(job).progress["done"] == 20
    lone.step(session)
    eventually(lambda: lone.ledger.counts()["nodes_pending"] == 0)
    assert (lone.ledger.workers.find("gpu.0").pid, lone.children["gpu.0"].running) == (pid, True)


def test_the_janitor_outlives_whatever_is_stored(lone: Fleet) -> None:
    """A manifest of 200,000 brackets is damaged, like any other; the next lost payload is found all the same."""
    bad = new_id("ckp")
    lone.store.put(key_of(bad, MANIFEST), b"[" * 200_000)
    lone.start()
    lone.start("media")
    session = lone.create()
    eventually(lambda: lone.ledger.redis.exists("arc:role:collector"))
    head = lone.step(session).result["head"]
    eventually(lambda: lone.ledger.nodes.get(head).durability == "durable")
    lone.kill("gpu.0")
    lone.ledger.redis.hset(f"arc:node:{head}", "durability", '"pending"')
    lone.ledger.redis.zadd("arc:pending", {head: 1})
    eventually(lambda: lone.ledger.nodes.get(head).durability == "durable", what="the janitor has ended")
    assert "cannot" not in lone.ledger.workers.find("media").sick.get("janitor", "")


def test_what_a_flushed_redis_forgot_is_told_again(lone: Fleet) -> None:
    """The model's card and the worker's record come back without a new start."""
    pid = lone.start().pid
    card = lone.ledger.model_card.read()
    lone.ledger.redis.flushall()
    eventually(lambda: lone.ledger.model_card.read() == card)
    eventually(lambda: lone.ledger.workers.find("gpu.0") is not None)
    assert lone.ledger.workers.find("gpu.0").pid == pid
    lone.step(lone.create())
