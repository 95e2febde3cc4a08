"""Jobs: look, wait, cancel, list, and submit any kind in one form."""

from __future__ import annotations

import time
from typing import Any, Literal

from flask import Response
from pydantic import Field

from arc_fabric.errors import ArcFabricError
from arc_fabric.ledger import JobRecord, SessionRecord
from webapp import intake, problems
from webapp.answers import accepted, blueprint, errors, json_answer, wait_for, wait_seconds
from webapp.api.sessions import WaitQuery
from webapp.context import ctx
from webapp.schemas.bodies import (
    CheckpointForm,
    CreateForm,
    ForkForm,
    JobForm,
    JobForms,
    RewindForm,
    StepForm,
    VideoForm,
)
from webapp.schemas.ids import JobPath, Query, WorkHeaders
from webapp.schemas.views import JobPage, JobsAnswer, JobView

jobs = blueprint("jobs", "jobs", "Accepted work and how far it is.")


class JobsQuery(Query):
    """Which jobs to list."""

    session: str | None = Field(None, pattern=r"^ses_[0-9a-hjkmnp-tv-z]{26}$", description="Of this session only.")
    state: Literal["queued", "running", "succeeded", "failed", "cancelled"] | None = Field(
        None, description="Only those."
    )
    kind: Literal["create", "step", "rewind", "checkpoint", "fork", "close", "video"] | None = Field(
        None, description="Only those."
    )
    cursor: str | None = Field(None, pattern=r"^job_[0-9a-hjkmnp-tv-z]{26}$", description="`next` of the page before.")
    limit: int = Field(50, ge=1, le=500, description="Jobs per page.")


@jobs.get("/jobs/<string:job_id>", responses={200: JobView})
def get_job(path: JobPath, header: WorkHeaders, query: WaitQuery) -> Response:
    """Look at a job, or wait for it

    With `?wait=` (or `Prefer: wait=`) the answer comes when the job has finished, at the latest after so long.
    """
    job = wait_for(ctx().ledger.job(path.job_id), wait_seconds(header, query.wait))
    return json_answer(job.to_dict())


@jobs.delete("/jobs/<string:job_id>", responses={200: JobView})
def cancel_job(path: JobPath) -> Response:
    """Cancel a queued or running job

    Steps it has committed stay. A job that has finished is returned as it is.
    """
    return json_answer(ctx().ledger.cancel(path.job_id).to_dict())


@jobs.get("/jobs", responses={200: JobPage})
def list_jobs(query: JobsQuery) -> Response:
    """List jobs, newest first"""
    page = ctx().ledger.jobs(query.session, query.state, query.kind, query.cursor, query.limit)
    return json_answer({"items": [item.to_dict() for item in page.items], "next": page.next})


@jobs.post("/jobs", responses={200: JobsAnswer, 202: JobsAnswer, **errors(409, 413, 415)})
def submit_jobs(header: WorkHeaders, query: WaitQuery, body: JobForms) -> Response:
    """Submit one job or many

    One form: answered like the kind's own route. A list: `{items}`, one entry per job in that order, each
    `{job}` (and `{session}`) or `{problem}`: a well-formed job that is refused does not stop the others.
    """
    seconds = wait_seconds(header, query.wait)
    if not isinstance(body.root, list):
        extra, job = _submit(body.root, header.idempotency_key)
        return accepted(job, seconds, extra)
    deadline = time.monotonic() + seconds
    entries = [_entry(form, header.idempotency_key, index) for index, form in enumerate(body.root)]
    items = [
        entry if job is None else entry | {"job": wait_for(job, deadline - time.monotonic()).to_dict()}
        for entry, job in entries
    ]
    return json_answer({"items": items}, 202)


def _entry(form: JobForm, key: str | None, index: int) -> tuple[dict[str, Any], JobRecord | None]:
    """One of many: accepted and sent, or its problem."""
    try:
        extra, job = _submit(form, f"{key}.{index}" if key else None)
    except ArcFabricError as error:
        return {"problem": problems.of_error(error)}, None
    ctx().send(job)
    return extra, job


def _submit(form: JobForm, key: str | None) -> tuple[dict[str, Any], JobRecord]:
    """Accept it as the kind's own route would."""
    key = form.idempotency_key or key
    if isinstance(form, CreateForm):
        return _opened(*intake.open_session(form.params, key)[:2])
    if isinstance(form, ForkForm):
        return _opened(*intake.fork(form.params, key))
    if isinstance(form, StepForm):
        return {}, intake.step(form.session_id, form.params, key)
    if isinstance(form, RewindForm):
        return {}, intake.rewind(form.session_id, form.params, key)
    if isinstance(form, CheckpointForm):
        return {}, intake.checkpoint(form.session_id, form.params, key)
    if isinstance(form, VideoForm):
        return {}, intake.video(form.params)
    return {}, ctx().ledger.submit(form.session_id, "close", idempotency_key=key)


def _opened(session: SessionRecord, job: JobRecord) -> tuple[dict[str, Any], JobRecord]:
    return {"session_id": session.id, "session": session.to_dict()}, job
