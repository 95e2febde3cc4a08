"""The Celery tasks: one name per kind of job, one body. `run_ticket` decides what is done."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from celery import Task
from celery.exceptions import Ignore, OperationalError

from arc_fabric.base.terms import KINDS, MEDIA_KINDS, OPENING_KINDS
from arc_fabric.queue.dispatch import TASK_PREFIX
from workers.process import process
from workers.process.retry import OUTAGES
from workers.startup.app import app

if TYPE_CHECKING:
    from workers.jobs.media import MediaJobs
    from workers.jobs.tickets import Tickets

_tickets: Tickets | None = None
_media: MediaJobs | None = None


def tickets() -> Tickets:
    """The ticket loop of this process, made in the task thread at its first ticket."""
    global _tickets
    if _tickets is None:
        from workers.jobs.tickets import Tickets

        _tickets = Tickets(process.current())
    return _tickets


def media_jobs() -> MediaJobs:
    """What a media worker runs its tickets with, made at its first ticket; it loads no torch."""
    global _media
    if _media is None:
        from arc_fabric.store.backends import backend_from_settings
        from workers.jobs.media import MediaJobs

        me = process.current()
        _media = MediaJobs(me, backend_from_settings(me.settings))
    return _media


class JobFailed(Exception):
    """What monitors are told of a job that failed. Its ticket is acknowledged like any other: nothing runs again."""


def tell_end(task: Task[..., None], job_id: str, state: str | None) -> None:
    """End the task as its job ended, so that Flower shows it: failed, or cancelled (revoked there)."""
    if state == "failed":
        error = process.current().ledger.jobs.get(job_id).error
        raise JobFailed(f"{error['type']}: {error['message']}" if error else "the job failed")
    if state == "cancelled":
        with suppress(OperationalError, *OUTAGES):
            task.send_event("task-revoked", retry=False, terminated=False, signum=None, expired=False)
        raise Ignore


def run_ticket(self: Task[..., None], job_id: str, session: str | None = None) -> None:
    """Body of every job task. `session` is for whoever looks at the task in Flower."""
    state = tickets().run(job_id)
    if state is None:
        raise Ignore
    tell_end(self, job_id, state)


def run_media_ticket(self: Task[..., None], job_id: str, session: str | None = None) -> None:
    """Body of every media job's task."""
    tell_end(self, job_id, media_jobs().run(job_id))


for _kind in (*OPENING_KINDS, *KINDS):
    app.task(run_ticket, name=TASK_PREFIX + _kind, bind=True, throws=(JobFailed,))
for _kind in MEDIA_KINDS:
    app.task(run_media_ticket, name=TASK_PREFIX + _kind, bind=True, throws=(JobFailed,))


@app.task(name="arc.remake")
def remake(checkpoint_ids: list[str]) -> None:
    """Make lost payloads again."""
    tickets().remake(checkpoint_ids)
