"""The intake by itself, without workers: what waits, and what happens where two of them overlap."""

from __future__ import annotations

import threading
from typing import Any

from celery import Celery

from arc_fabric.ledger import Ledger
from arc_fabric.settings import Settings
from webapp.app import create_app
from webapp.intake.intake import WINDOW, Intake


def _open(ledger: Ledger) -> str:
    request = ledger.sessions.open_request(prompt="push it", input_key="inputs/none.png", seed=1)
    return ledger.jobs.accept(request).job.session_id


def _send(app: Celery, session: str, count: int) -> list[str]:
    return [app.send_task("arc.step", kwargs={"session_id": session}, queue="arc").id for _ in range(count)]


def _steps(ledger: Ledger, session: str) -> list[Any]:
    return sorted(ledger.jobs.page(session, kind="step", limit=200).items, key=lambda job: job.seq)


def test_messages_wait_where_a_limit_is_met_and_none_passes_another(
    settings: Settings, ledger: Ledger, stranger: Celery
) -> None:
    """HTTP answers 429; a queue has time. Another session's messages go by."""
    intake = Intake(create_app(settings.replaced(max_jobs_per_session=2)))
    slow, free = _open(ledger), _open(ledger)
    sent = _send(stranger, slow, 4)
    _send(stranger, free, 1)
    taken: list[str] = []
    for _ in range(4):
        while intake.round():
            pass
        (waiting,) = [job for job in _steps(ledger, slow) if not job.ended]
        taken.append(waiting.id)
        ledger.jobs.cancel(waiting.id)
    assert taken == [ledger.jobs.of_key(task_id).id for task_id in sent]  # type: ignore[union-attr]
    assert len(_steps(ledger, free)) == 1
    assert ledger.redis.llen("arc") == 0


def test_a_full_session_holds_no_other_up_however_many_messages_it_has(
    settings: Settings, ledger: Ledger, stranger: Celery
) -> None:
    """More than are looked at in a round wait at the front; the one behind them is taken, and none passes another."""
    intake = Intake(create_app(settings.replaced(max_jobs_per_session=2)))
    full, free = _open(ledger), _open(ledger)
    sent = _send(stranger, full, 3 * WINDOW)
    _send(stranger, free, 1)
    intake._now_and_then()
    assert len(_steps(ledger, free)) == 1
    assert [job.id for job in _steps(ledger, full)] == [ledger.jobs.of_key(sent[0]).id]  # type: ignore[union-attr]
    assert ledger.redis.llen("arc") == len(sent) - 1


def test_two_that_overlap_accept_each_message_once_and_in_order(
    settings: Settings, ledger: Ledger, stranger: Celery
) -> None:
    session = _open(ledger)
    sent = _send(stranger, session, 120)
    intakes = [Intake(create_app(settings)) for _ in range(2)]

    def take(intake: Intake) -> None:
        while ledger.redis.llen("arc"):
            intake.round()

    threads = [threading.Thread(target=take, args=(intake,)) for intake in intakes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    jobs = _steps(ledger, session)
    assert len(jobs) == 120
    assert [job.id for job in jobs] == [ledger.jobs.of_key(task_id).id for task_id in sent]  # type: ignore[union-attr]


def test_a_refused_message_that_comes_twice_is_written_down_once(
    settings: Settings, ledger: Ledger, stranger: Celery
) -> None:
    intake = Intake(create_app(settings))
    for kwargs in ({"steps": 0}, {"steps": 0}, {"steps": -1}):
        stranger.send_task("arc.step", kwargs=kwargs, queue="arc", task_id="mine")
    while intake.round():
        pass
    failed = ledger.jobs.page(state="failed").items
    assert sorted(job.params["steps"] for job in failed) == [-1, 0]
    session = _open(ledger)
    stranger.send_task("arc.step", kwargs={"session_id": session}, queue="arc", task_id="mine")
    assert intake.round() == 1, "a refusal takes no key, as over HTTP"
    assert [job.state for job in _steps(ledger, session)] == ["queued"]
