"""kill -9 of the intake before every line that a message goes through: nothing is lost, doubled or out of order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from celery import Celery

from arc_fabric.ledger import Ledger
from arc_fabric.queue.inbox import LISTS
from arc_fabric.settings import Settings
from webapp.app import create_app
from webapp.intake.intake import Intake

ROOT = Path(__file__).parents[3]


def test_an_intake_killed_before_any_line_loses_and_doubles_nothing(
    settings: Settings, ledger: Ledger, stranger: Celery, session_id: str
) -> None:
    next_one = Intake(create_app(settings))
    killed, line = 0, 0
    env = {**os.environ, **settings.to_env()}
    with subprocess.Popen([sys.executable, "-m", "tests.api.intake.killed"], cwd=ROOT, env=env, text=True, bufsize=1,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:  # fmt: skip
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        while True:
            line += 1
            good = [_send(stranger, session_id, steps=n) for n in (1, 2)]
            bad = _send(stranger, session_id, steps=0)
            print(line, file=child.stdin)
            status = int(child.stdout.readline())
            while next_one.round():
                pass
            _each_once(ledger, session_id, good, bad)
            assert len(ledger.jobs.page(session_id, state="failed", limit=1000).items) == line, "written down once"
            if status == 0:
                break
            assert status == -signal.SIGKILL, status
            killed += 1
    assert killed > 80, "a message goes through more lines than that"


def _send(app: Celery, session: str, steps: int) -> str:
    return str(app.send_task("arc.step", kwargs={"session_id": session, "steps": steps}, queue="arc").id)


def _each_once(ledger: Ledger, session: str, good: list[str], bad: str) -> None:
    """The steps are accepted, in their order; the wrong call is written down; the queue is empty."""
    waiting = [job for job in ledger.jobs.page(session, kind="step", limit=50).items if not job.ended]
    jobs = [ledger.jobs.of_key(key) for key in good]
    assert {job.id for job in waiting} == {job.id for job in jobs if job is not None}
    assert len(waiting) == len(good)
    sequence = [job.seq for job in jobs if job is not None]
    assert sequence == sorted(sequence)
    refused = ledger.jobs.of_key(bad)
    assert refused is not None
    assert refused.state == "failed"
    assert all(ledger.redis.llen(name) == 0 for name in LISTS)
    for job in waiting:
        ledger.jobs.cancel(job.id)
