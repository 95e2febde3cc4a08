"""Redis answers and refuses writes, or a thread meets what nobody thought of: workers wait, nothing stays undone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from arc_fabric.ids import new_id
from arc_fabric.services.valkey import ValkeyServer
from arc_fabric.services.weed import WeedServer
from arc_fabric.settings import Settings, load_settings
from arc_fabric.store.format.manifest import MANIFEST, key_of
from tests.support.refusals import KINDS, held_up, refusing
from tests.support.waiting import eventually
from tests.workers.conftest import TOY, Fleet

REFUSED_S = 2.0


@pytest.fixture
def lone(own_redis: ValkeyServer, settings: Settings, tmp_path: Path) -> Iterator[Fleet]:
    """Workers of one test on it."""
    made = Fleet(settings.replaced(redis_url=own_redis.url, model=TOY, lease_ttl_s=1.5))
    made.ledger.redis.flushdb()
    yield made
    made.close()


@pytest.fixture(scope="module")
def lasting(
    own_redis: ValkeyServer, s3_server: WeedServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """One worker on it, which outlives all that the tests of this module do to it."""
    settings = load_settings(
        data_dir=tmp_path_factory.mktemp("lasting"), redis_url=own_redis.database(1), s3_bucket="arc-fabric",
        devices="cpu", model=TOY, lease_ttl_s=1.5, **s3_server.credentials.settings(s3_server.endpoint),
    )  # fmt: skip
    made = Fleet(settings)
    made.ledger.redis.flushdb()
    made.start()
    yield made
    made.close()


@pytest.fixture
def steady(lasting: Fleet) -> Iterator[Fleet]:
    """That worker, with no session open before and after; it is the process that it was."""
    pid = lasting.children["gpu.0"].pid
    yield lasting
    assert (lasting.children["gpu.0"].running, lasting.ledger.workers.find("gpu.0").pid) == (True, pid)
    for session in lasting.ledger.sessions.page(state="open").items:
        lasting.ledger.sessions.close(session.id)


@pytest.mark.parametrize("kind", KINDS)
def test_two_seconds_of_refused_writes_cost_nothing(steady: Fleet, own_redis: ValkeyServer, kind: str) -> None:
    """The same process goes on, the job succeeds with all of its steps, and every node becomes durable."""
    session = steady.create()
    job = steady.submit(session, steps=24, prompt="sleep 0.1")
    eventually(lambda: steady.ledger.jobs.get(job.id).progress["done"] >= 2)
    with refusing(own_redis, kind):
        time.sleep(REFUSED_S)
    assert steady.done(job).progress["done"] == 24
    steady.step(session)
    eventually(lambda: steady.ledger.counts()["nodes_pending"] == 0)
    assert steady.ledger.workers.find("gpu.0").sick == {}


def test_an_idle_worker_outlives_refused_writes(steady: Fleet, own_redis: ValkeyServer) -> None:
    """It hears of work again without being started anew."""
    session = steady.create()
    for kind in KINDS:
        with refusing(own_redis, kind):
            time.sleep(REFUSED_S)
        steady.step(session)


def test_workers_outlive_a_script_that_holds_redis_up(steady: Fleet, own_redis: ValkeyServer) -> None:
    """BUSY to everything for longer than a lease: the same process goes on, and the job ends as it should."""
    session = steady.create()
    job = steady.submit(session, steps=20, prompt="sleep 0.1")
    eventually(lambda: steady.ledger.jobs.get(job.id).progress["done"] >= 2)
    with held_up(own_redis):
        time.sleep(REFUSED_S)
    assert steady.done(job).progress["done"] == 20
    steady.step(session)
    eventually(lambda: steady.ledger.counts()["nodes_pending"] == 0)


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
    lone.ledger.redis.flushdb()
    eventually(lambda: lone.ledger.model_card.read() == card)
    eventually(lambda: lone.ledger.workers.find("gpu.0") is not None)
    assert lone.ledger.workers.find("gpu.0").pid == pid
    lone.step(lone.create())
