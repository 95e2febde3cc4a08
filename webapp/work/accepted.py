"""The answer to accepted work: the job, at once or when it has finished."""

from __future__ import annotations

import re
from typing import Any

from flask import Response

from arc_fabric.ledger import Accepted, JobRecord
from webapp.context import ctx
from webapp.http.answers import json_answer
from webapp.http.limits import MAX_WAIT_S
from webapp.schemas.ids import WaitHeaders

_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*(\d{1,6})(?=$|[,;\s])")


def wait_seconds(header: WaitHeaders | None, wait: float | None) -> float:
    """How long the client wants to wait: `?wait=`, else `Prefer: wait=`."""
    if wait is None and header is not None and header.prefer:
        found = _WAIT.search(header.prefer)
        wait = float(found.group(1)) if found else None
    return min(wait or 0.0, MAX_WAIT_S)


def wait_for(job: JobRecord, seconds: float) -> JobRecord:
    """The job after at most `seconds`; at once if too many requests wait already."""
    if seconds <= 0 or job.ended:
        return job
    with ctx().polls.seat() as free:
        return ctx().hub.wait_job(job.id, seconds) if free else job


def opened(accepted: Accepted) -> dict[str, Any]:
    """What the answer says of a new session."""
    session = accepted.session
    return {} if session is None else {"session_id": session.id, "session": session.to_dict()}


def accepted(answer: Accepted, seconds: float, extra: dict[str, Any] | None = None) -> Response:
    """202 with the job and where to poll it; 200 when the client waited, or asked again, and it has finished."""
    job = wait_for(answer.job, seconds)
    headers = {"Location": f"/api/jobs/{job.id}"}
    if answer.job.replayed:
        headers["Idempotency-Replayed"] = "true"
    body = opened(answer) | (extra or {}) | {"job": job.to_dict()}
    known = job.ended and (seconds > 0 or answer.job.replayed)
    return json_answer(body, 200 if known else 202, headers)
