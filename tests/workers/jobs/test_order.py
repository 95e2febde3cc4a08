"""Order, affinity, cancel, limits and fairness on two real workers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from arc_fabric.errors import HeadMoved
from tests.support.waiting import eventually
from tests.workers.conftest import Fleet


def test_jobs_of_many_clients_take_effect_in_accepted_order(two: Fleet) -> None:
    """Three sessions, eight clients, mixed kinds: each session's jobs start in the order of their numbers, and the
    heads are what that order gives."""
    sessions = [two.create() for _ in range(3)]

    def client(i: int) -> None:
        session = sessions[i % 3]
        for _ in range(5):
            two.submit(session, "step", steps=2)
            two.submit(session, "rewind", n_steps=1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(client, range(8)))
    for session in sessions:
        eventually(
            lambda s=session: (
                two.ledger.sessions.get(s.id).queued == 0 and two.ledger.sessions.get(s.id).running_job is None
            ),
            60,
        )
        jobs = sorted(two.ledger.jobs.page(session=session.id, limit=100).items, key=lambda j: j.seq)
        assert [j.seq for j in jobs] == list(range(1, len(jobs) + 1))
        assert {j.state for j in jobs} <= {"succeeded", "failed"}
        index = 0
        for job in jobs[1:]:
            if job.kind == "step":
                index += 2
            elif index > 0:
                index -= 1
            else:
                assert job.error["type"] == "RewindBeyondRoot"
                continue
            assert job.result["frame_index"] == index
        assert two.ledger.sessions.get(session.id).frame_index == index
        starts = [j.started for j in jobs]
        assert starts == sorted(starts)


def test_a_sessions_jobs_stay_with_its_worker(two: Fleet) -> None:
    """Steps of one session run where its state is, without a restore; a fork starts there too."""
    session = two.create()
    jobs = [two.step(session) for _ in range(4)]
    assert {j.worker for j in jobs} == {session.worker}
    assert all("restore_s" not in j.timings for j in jobs)
    _, job = two.fork(jobs[1].result["head"], prompt="push", steps=1)
    done = two.done(job)
    assert (done.worker, done.placement["reason"]) == (session.worker, "the parent's state is there")


def test_a_session_moves_from_a_loaded_worker_to_an_idle_one_with_the_same_bits(two: Fleet) -> None:
    """The move and its reason are in the job; the step after it equals the step without it."""
    first = two.create()
    twin = two.create()
    third = two.create("sleep 0.1")
    assert third.worker in (first.worker, twin.worker)
    moving, other = (first, twin) if first.worker == third.worker else (twin, first)
    for session in (first, twin):
        two.step(session, steps=2)
    long = two.submit(third, steps=12)
    eventually(lambda: two.ledger.jobs.get(long.id).state == "running")
    moved = two.step(moving)
    stayed = two.step(other)
    assert moved.worker == other.worker
    assert moved.placement["reason"].startswith(f"moved: {third.worker} has ")
    assert "restore_s" in moved.timings
    assert two.latents(moved.result["head"]) == two.latents(stayed.result["head"])
    two.ledger.jobs.cancel(long.id)


def test_two_long_jobs_on_one_worker_take_turns(two: Fleet) -> None:
    """A multi-step job gives way between its steps: a short job of another session does not wait for its end."""
    sessions = [two.create("sleep 0.05") for _ in range(3)]
    a = sessions[2]
    b = next(s for s in sessions[:2] if s.worker == a.worker)
    other = next(s for s in sessions if s.worker != a.worker)
    busy = two.submit(other, steps=40)  # so that b has nowhere to move to
    long = two.submit(a, steps=40)
    eventually(lambda: two.ledger.jobs.get(long.id).progress["done"] >= 2)
    short = two.step(b, steps=2)
    assert short.worker == a.worker
    assert two.ledger.jobs.get(long.id).progress["done"] < 15
    for job in (long, busy):
        two.ledger.jobs.cancel(job.id)


def test_cancel_stops_a_running_job_at_the_next_step(two: Fleet) -> None:
    """Queued: never runs. Running: no further commit; the session stays at its last one and works on."""
    session = two.create("sleep 0.05")
    running, queued = two.submit(session, steps=50), two.submit(session, steps=5)
    eventually(lambda: two.ledger.jobs.get(running.id).progress["done"] >= 2)
    assert two.ledger.jobs.cancel(queued.id).state == "cancelled"
    cancelled = two.ledger.jobs.cancel(running.id)
    assert cancelled.state == "cancelled"
    done = cancelled.progress["done"]
    assert two.ledger.sessions.get(session.id).frame_index == done
    after = two.step(session)
    assert after.result["frame_index"] == done + 1
    assert two.ledger.jobs.get(queued.id).started is None


def test_if_head_and_repeated_keys_over_workers(two: Fleet) -> None:
    """A job for a head that moved does nothing; a repeated key does nothing twice."""
    session = two.create()
    first = two.submit(session, steps=2, idempotency_key=f"{session.id}-k", if_head=session.head)
    again = two.submit(session, steps=2, idempotency_key=f"{session.id}-k", if_head=session.head)
    assert again.id == first.id and again.replayed
    assert two.done(first).result["frame_index"] == 2
    with pytest.raises(HeadMoved):
        two.submit(session, if_head=session.head)
    assert two.step(session).result["frame_index"] == 3


def test_interactive_steps_start_within_two_model_steps_while_bulk_forks_run(two: Fleet) -> None:
    """200 bulk forks of two steps (10 s of work and more): interactive steps start after about two model steps, and
    bulk goes on. The slack is for a busy test machine; benchmarks/jobs.py measures the bar itself."""
    step_s = 0.04
    trunk = two.create(f"sleep {step_s}")
    two.step(trunk)
    head = two.ledger.sessions.get(trunk.id).head
    forks = [two.ledger.sessions.fork_request(checkpoint_id=head, seed=i, steps=2, bulk=True) for i in range(200)]
    bulk = [answer.job for answer in two.dispatcher.accept_many(forks)]
    eventually(lambda: sum(two.ledger.jobs.get(j.id).state != "queued" for j in bulk[:10]) > 2)
    waits, steps = [], []
    for _ in range(20):
        job = two.step(trunk)
        waits.append(job.started - job.created)
        steps.append(job.result["steps"][0]["wall_s"])
    assert any(two.ledger.jobs.get(j.id).state == "queued" for j in bulk), "bulk ended too early to measure anything"
    waits.sort()
    assert waits[18] < 2 * sorted(steps)[10] + 0.3, (waits, steps)
    two.done(bulk[0])
    for job in bulk:
        two.ledger.jobs.cancel(job.id)


def test_a_lost_interactive_ticket_holds_up_neither_its_job_nor_bulk_work(two: Fleet) -> None:
    """A broker lost a ticket while bulk forks run: the job is found and done, then the forks."""
    session = two.create("sleep 0.05")
    ledger = two.ledger
    forks = two.dispatcher.accept_many(
        [ledger.sessions.fork_request(checkpoint_id=session.head, bulk=True, steps=2, seed=i) for i in range(30)]
    )
    eventually(lambda: ledger.jobs.get(forks[0].job.id).state != "queued")
    job = two.done(ledger.jobs.submit(session.id, "step"))
    assert "lost" in job.placement["reason"]
    for fork in forks:
        two.done(fork.job, 60)
