"""Lists of jobs when the process that submits them is killed: nothing is lost, nothing happens twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from arc_fabric.ledger import JobRequest, Ledger, Limits
from tests.workers.conftest import ROOT, Fleet

FORKS, STEPS, PER_ROUND_TRIP = 16, 8, 8


def requests_of(ledger: Ledger, session: str, head: str) -> list[JobRequest]:
    """Forks and steps of one session in turns, each under a key of its own."""
    found = []
    for i in range(FORKS):
        found.append(
            ledger.sessions.fork_request(
                checkpoint_id=head, seed=i, steps=1, bulk=True, idempotency_key=f"{session}-f{i}"
            )
        )
        if i < STEPS:
            found.append(ledger.jobs.request(session, "step", {"steps": 1}, idempotency_key=f"{session}-s{i}"))
    return found


def submit_and_die(url: str, session: str, head: str, when: str) -> None:
    """Run in a process of its own, which kills itself after the second round trip ("between"), or with all accepted
    without tickets, and a third of these sent ("unsent")."""
    from arc_fabric.ledger import jobs
    from arc_fabric.queue.dispatch import Dispatcher

    jobs.PER_ROUND_TRIP = PER_ROUND_TRIP
    ledger = Ledger(url, limits=Limits())
    wanted = requests_of(ledger, session, head)
    if when == "between":
        run_many, calls = ledger.core.scripts.run_many, []

        def counted(batch: list) -> list:
            calls.append(run_many(batch))
            if len(calls) == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            return calls[-1]

        ledger.core.scripts.run_many = counted  # type: ignore[method-assign]
        Dispatcher(ledger).accept_many(wanted)
    accepted = [answer.job for answer in ledger.jobs.accept_many(wanted)]
    Dispatcher(ledger).send_many(accepted[: len(accepted) // 3])
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("when", ["between", "unsent"])
def test_a_list_whose_sender_is_killed_takes_effect_once_and_in_order(two: Fleet, when: str) -> None:
    """Killed between two batches, or with most tickets unsent; then the same list again under the same keys: every job
    runs once, the session's in the order accepted, and what had been accepted comes back as it was."""
    session = two.create()
    code = (
        "import sys; from tests.workers.jobs.test_batches import submit_and_die; "
        f"submit_and_die({two.settings.redis_url!r}, {session.id!r}, {session.head!r}, {when!r})"
    )
    env = {**os.environ, **two.settings.to_env(), "PYTHONPATH": str(ROOT)}
    died = subprocess.run([sys.executable, "-c", code], check=False, timeout=120, cwd=ROOT, env=env)
    assert died.returncode == -signal.SIGKILL
    wanted = requests_of(two.ledger, session.id, session.head)
    answers = two.dispatcher.accept_many(wanted)
    replayed = [answer.job.replayed for answer in answers]
    known = 2 * PER_ROUND_TRIP if when == "between" else len(wanted)
    assert replayed == [True] * known + [False] * (len(wanted) - known)
    done = [two.done(answer.job, 120) for answer in answers]
    steps = [job for job in done if job.kind == "step"]
    assert [job.seq for job in steps] == list(range(2, 2 + STEPS))
    assert [job.result["frame_index"] for job in steps] == list(range(1, STEPS + 1))
    tree = two.ledger.nodes.tree(session.root).nodes
    assert len(tree) == 1 + STEPS + FORKS
    assert len({node.job_id for node in tree}) == len(tree)
