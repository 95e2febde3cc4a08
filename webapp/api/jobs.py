"""Jobs: look, wait, cancel, list, and submit any kind in one form."""

from __future__ import annotations

import time
from typing import Any

from flask import Response
from pydantic import Field

from arc_fabric.base.terms import JobState, ShownKind
from arc_fabric.errors import ArcFabricError
from arc_fabric.ids import pattern
from arc_fabric.ledger import Accepted
from webapp.api.sessions import WaitQuery
from webapp.context import ctx
from webapp.http import problems
from webapp.http.answers import blueprint, errors, json_answer
from webapp.schemas.ids import IdempotencyKey, JobPath, Query, WorkHeaders
from webapp.schemas.views import JobPage, JobsAnswer, JobView
from webapp.work import forms
from webapp.work.accepted import accepted, opened, wait_for, wait_seconds
from webapp.work.bodies import JobForms

jobs = blueprint("jobs", "jobs", "Accepted work and how far it is.")


class JobsQuery(Query):
    """Which jobs to list."""

    session: str | None = Field(None, pattern=pattern("ses"), description="Of this session only.")
    state: JobState | None = Field(None, description="Only those.")
    kind: ShownKind | None = Field(None, description="Only those.")
    cursor: str | None = Field(None, pattern=pattern("job"), description="`next` of the page before.")
    limit: int = Field(50, ge=1, le=500, description="Jobs per page.")
    idempotency_key: IdempotencyKey | None = Field(
        None, description="Only the job that this Idempotency-Key, or the Celery task of this id, stands for."
    )


@jobs.get("/jobs/<string:job_id>", responses={200: JobView})
def get_job(path: JobPath, header: WorkHeaders, query: WaitQuery) -> Response:
    """Look at a job, or wait for it

    With `?wait=` (or `Prefer: wait=`) the answer comes when the job has finished, at the latest after so long.
    """
    job = wait_for(ctx().ledger.jobs.get(path.job_id), wait_seconds(header, query.wait))
    return json_answer(job.to_dict())


@jobs.delete("/jobs/<string:job_id>", responses={200: JobView})
def cancel_job(path: JobPath) -> Response:
    """Cancel a queued or running job

    Steps it has committed stay. A job that has finished is returned as it is.
    """
    return json_answer(ctx().ledger.jobs.cancel(path.job_id).to_dict())


@jobs.get("/jobs", responses={200: JobPage})
def list_jobs(query: JobsQuery) -> Response:
    """List jobs, newest first"""
    if query.idempotency_key is not None:
        job = ctx().ledger.jobs.of_key(query.idempotency_key)
        return json_answer({"items": [job.to_dict()] if job else [], "next": None})
    page = ctx().ledger.jobs.page(query.session, query.state, query.kind, query.cursor, query.limit)
    return json_answer({"items": [item.to_dict() for item in page.items], "next": page.next})


@jobs.post("/jobs", responses={200: JobsAnswer, 202: JobsAnswer, **errors(409, 413, 415, 507)})
def submit_jobs(header: WorkHeaders, query: WaitQuery, body: JobForms) -> Response:
    """Submit one job or many

    One form: answered like the kind's own route. A list: `{items}`, one entry per job in that order, each
    `{job}` (and `{session}`) or `{problem}`: a well-formed job that is refused does not stop the others.
    """
    seconds = wait_seconds(header, query.wait)
    if not isinstance(body.root, list):
        return accepted(ctx().dispatcher.accept(forms.of_form(body.root, header.idempotency_key)), seconds)
    deadline = time.monotonic() + seconds
    items = [_entry(outcome, deadline) for outcome in forms.accept_forms(body.root, header.idempotency_key)]
    return json_answer({"items": items}, 202)


def _entry(outcome: Accepted | ArcFabricError, deadline: float) -> dict[str, Any]:
    """One of many: accepted and sent, or its problem."""
    if isinstance(outcome, ArcFabricError):
        return {"problem": problems.of_error(outcome)}
    return opened(outcome) | {"job": wait_for(outcome.job, deadline - time.monotonic()).to_dict()}
