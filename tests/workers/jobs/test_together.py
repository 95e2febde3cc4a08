"""Forks that step together on real workers: each with its own commits, whatever happens to the others."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from arc_fabric.ledger import JobRecord
from arc_fabric.ledger.core import keys
from arc_fabric.services.valkey import ValkeyServer
from arc_fabric.services.weed import WeedServer
from arc_fabric.settings import Settings, load_settings
from tests.support.waiting import eventually
from tests.workers.conftest import Fleet

BATCHING = "python:tests.workers.faulty:make_batching_model"
ROWS = 4


@pytest.fixture(scope="module")
def lone(
    redis_server: ValkeyServer, s3_server: WeedServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """One worker for the tests of this module that kill nobody."""
    settings = load_settings(
        data_dir=tmp_path_factory.mktemp("lone"), redis_url=redis_server.database(61), s3_bucket="arc-fabric",
        devices="cpu", model=BATCHING, batch_rows=ROWS, **s3_server.credentials.settings(s3_server.endpoint),
    )  # fmt: skip
    made = Fleet(settings)
    made.ledger.redis.flushdb()
    made.start()
    yield made
    made.close()


@pytest.fixture
def pair(settings: Settings) -> Iterator[Fleet]:
    """Nobody yet; for tests that kill."""
    made = Fleet(settings.replaced(model=BATCHING, lease_ttl_s=1.5, batch_rows=ROWS))
    yield made
    made.close()


def _at(fleet: Fleet) -> str:
    """A checkpoint to fork from, of a session that is closed."""
    session = fleet.create()
    head = str((fleet.step(session).result or {})["head"])
    fleet.ledger.sessions.close(session.id)
    return head


def _forks(fleet: Fleet, at: str, count: int, *, batch: str | None = "exact", steps: int = 3, **each: list) -> list:
    """Forks with seeds 0, 1, ... in one go, behind a job that keeps the worker busy until all of them wait."""
    requests = [
        fleet.ledger.sessions.fork_request(
            checkpoint_id=at, seed=seed, steps=steps, bulk=True, batch=batch,
            **{name: values[seed] for name, values in each.items()},
        )
        for seed in range(count)
    ]  # fmt: skip
    busy = fleet.submit(fleet.create("sleep 0.3"))
    jobs = [accepted.job for accepted in fleet.dispatcher.accept_many(requests)]
    fleet.done(busy)
    fleet.ledger.sessions.close(busy.session_id)
    return jobs


def _heads(fleet: Fleet, jobs: list[JobRecord]) -> list[str]:
    """Digests of all steps of each job, in order."""
    done = [fleet.done(job) for job in jobs]
    return ["/".join(fleet.latents(step["checkpoint_id"]) for step in (job.result or {})["steps"]) for job in done]


def _together(fleet: Fleet, jobs: list[JobRecord]) -> list[JobRecord]:
    """Those that were taken along by another job."""
    found = fleet.ledger.jobs.many([job.id for job in jobs])
    return [job for job in found if job and job.placement["reason"].startswith("steps together")]


def test_exact_batches_have_the_bits_of_jobs_alone(lone: Fleet) -> None:
    at = _at(lone)
    alone, together = _forks(lone, at, ROWS, batch=None), _forks(lone, at, ROWS)
    assert _heads(lone, together) == _heads(lone, alone)
    assert len(_together(lone, together)) == ROWS - 1
    nodes = [lone.ledger.nodes.get(lone.done(job).result["head"]) for job in together]
    assert [node.batch_mode for node in nodes] == ["exact"] * ROWS
    assert [lone.ledger.sessions.get(job.session_id).state for job in together] == ["closed"] * ROWS


def test_fast_batches_are_stored_before_they_count(lone: Fleet) -> None:
    """Their bits are those of no step alone: nobody could make a lost payload again."""
    at = _at(lone)
    exact, fast = _forks(lone, at, ROWS), _forks(lone, at, ROWS, batch="fast")
    assert set(_heads(lone, exact)).isdisjoint(_heads(lone, fast))
    steps = [step for job in fast for step in lone.done(job).result["steps"]]
    assert {step["batch_mode"] for step in steps} == {"fast"}
    assert all(lone.store.exists(f"checkpoints/{step['checkpoint_id']}/manifest.json") for step in steps)
    child = lone.fork(steps[-1]["checkpoint_id"], steps=1)[1]
    lone.done(child)


def test_one_that_fails_fails_alone(lone: Fleet) -> None:
    at = _at(lone)
    for word in ("nan", "raise", "oom"):
        jobs = _forks(lone, at, ROWS, prompt=["a", word, "c", "d"])
        lone.done(jobs[1], state="failed")
        for job in (jobs[0], jobs[2], jobs[3]):
            assert len((lone.done(job).result or {})["steps"]) == 3
    expected = _heads(lone, _forks(lone, at, ROWS, batch=None, prompt=list("abcd")))
    assert _heads(lone, _forks(lone, at, ROWS, prompt=list("abcd"))) == expected


def test_one_that_is_cancelled_leaves_at_the_next_step(lone: Fleet) -> None:
    at = _at(lone)
    jobs = _forks(lone, at, ROWS, steps=20, prompt=["sleep 0.05"] * ROWS)
    eventually(lambda: lone.ledger.jobs.get(jobs[2].id).progress["done"] >= 2, 60)
    lone.ledger.jobs.cancel(jobs[2].id)
    at_cancel = lone.ledger.jobs.get(jobs[2].id).progress["done"]
    for job in (jobs[0], jobs[1], jobs[3]):
        lone.done(job)
    left = lone.ledger.jobs.get(jobs[2].id)
    assert (left.state, left.progress["done"]) == ("cancelled", at_cancel)


def test_interactive_work_goes_first(lone: Fleet) -> None:
    """A step that comes while four forks step together is taken before their next one."""
    at, session = _at(lone), lone.create()
    jobs = _forks(lone, at, ROWS, steps=20, prompt=["sleep 0.05"] * ROWS)
    eventually(lambda: lone.ledger.jobs.get(jobs[0].id).progress["done"] >= 1, 60)
    lone.step(session)
    done = [lone.ledger.jobs.get(job.id).progress["done"] for job in jobs]
    assert max(done) < 20, "it did not wait for the forks"
    assert all(len((lone.done(job).result or {})["steps"]) == 20 for job in jobs)
    lone.ledger.sessions.close(session.id)
    assert len(_together(lone, jobs)) >= ROWS - 1, "they go on together"


def test_nobody_waits_in_a_set_for_good(lone: Fleet) -> None:
    for job in _forks(lone, _at(lone), 2 * ROWS + 1, steps=1):
        lone.done(job)
    assert list(lone.ledger.redis.scan_iter(keys.mates("*"))) == []


def test_the_answer_to_a_lost_question_is_the_same(pair: Fleet) -> None:
    """redis-py asks again when an answer was lost: the same jobs are taken, and none is left to nobody."""
    pair.start()
    at = _at(pair)
    jobs = _forks(pair, at, ROWS, steps=30, prompt=["sleep 0.1"] * ROWS)
    eventually(lambda: len(_together(pair, jobs)) == ROWS - 1, 60)
    first = next(job for job in jobs if job.id not in {mate.id for mate in _together(pair, jobs)})
    worker = pair.ledger.workers.all()[0]
    again = pair.ledger.execution.mates(worker.name, worker.boot_id, first.id, ROWS - 1)
    assert {claim.job.id for claim in again if claim.job} == {job.id for job in _together(pair, jobs)}


def test_both_workers_are_kept_busy(pair: Fleet) -> None:
    """A worker that could take all takes its share and no more: the other one finds work, too."""
    pair.start_both()
    jobs = _forks(pair, _at(pair), ROWS, steps=4, prompt=["sleep 0.3"] * ROWS)
    assert len({pair.done(job).worker for job in jobs}) == 2


def test_a_device_that_fails_each_of_them_ends_its_worker(pair: Fleet) -> None:
    """As three device errors in a row do, one job after another: status 75, it is started again."""
    child = pair.start()
    for job in _forks(pair, _at(pair), ROWS, prompt=["oom"] * ROWS):
        pair.done(job, state="failed")
    assert child.wait(60) == 75


@pytest.mark.parametrize("batch", ["exact", "fast"])
def test_a_killed_worker_loses_and_doubles_nothing(pair: Fleet, batch: str) -> None:
    """kill -9 in the middle of a batch, again and again: every job makes each step once, and exact ones have the bits
    of jobs that nobody disturbed."""
    pair.start_both()
    at = _at(pair)
    jobs = _forks(pair, at, 3 * ROWS, batch=batch, steps=4, prompt=["sleep 0.05"] * 3 * ROWS)
    for name in ("gpu.0", "gpu.1", "gpu.0"):
        busy = lambda name=name: any(w.name == name and w.current_job for w in pair.ledger.workers.all())  # noqa: E731
        eventually(busy, 60)
        time.sleep(0.3)
        pair.kill(name)
        pair.start(name, wait=False)
    heads = _heads(pair, jobs)
    assert len(set(heads)) == len(jobs)
    nodes = [node for job in jobs for node in pair.ledger.nodes.tree(at_tree(pair, at)).nodes if node.job_id == job.id]
    assert len(nodes) == 4 * len(jobs), "a node per step, none twice"
    assert list(pair.ledger.redis.scan_iter(keys.mates("*"))) == []
    if batch == "exact":
        alone = _forks(pair, at, 3 * ROWS, batch=None, steps=4, prompt=["sleep 0.05"] * 3 * ROWS)
        assert _heads(pair, alone) == heads


def at_tree(fleet: Fleet, checkpoint_id: str) -> str:
    """The tree that a checkpoint is in."""
    return fleet.ledger.nodes.get(checkpoint_id).tree_id
