"""Work on a session: step, rewind, checkpoint, fork. Each is accepted as one job (202) and done in order."""

from __future__ import annotations

from flask import Response

from webapp.api.sessions import WaitQuery
from webapp.context import ctx
from webapp.http.answers import blueprint, errors
from webapp.schemas.ids import CheckpointPath, SessionPath, WorkHeaders
from webapp.schemas.views import SessionAccepted, WorkAccepted
from webapp.work import requests
from webapp.work.accepted import accepted, wait_seconds
from webapp.work.bodies import CheckpointBody, ForkBody, ForkOptions, RewindBody, StepBody

work = blueprint("work", "work", "Jobs of one session take effect one at a time, in the order they were accepted.")
_ANSWERS = {200: WorkAccepted, 202: WorkAccepted, **errors(409, 413, 415, 507)}
_FORKED = {200: SessionAccepted, 202: SessionAccepted, **errors(409, 413, 415, 507)}


@work.post("/sessions/<string:session_id>/step", responses=_ANSWERS)
def step(path: SessionPath, header: WorkHeaders, query: WaitQuery, body: StepBody) -> Response:
    """Advance the world

    Each step makes one checkpoint and `frames_per_step` video frames; a job of many steps commits each. A new
    prompt or seed applies from the first of these steps on.
    """
    request = requests.step(path.session_id, body, header.idempotency_key)
    return accepted(ctx().dispatcher.accept(request), wait_seconds(header, query.wait))


@work.post("/sessions/<string:session_id>/rewind", responses=_ANSWERS)
def rewind(path: SessionPath, header: WorkHeaders, query: WaitQuery, body: RewindBody) -> Response:
    """Move the head back

    By `n_steps` (default 1) or to a checkpoint of the lineage. No node is deleted.
    """
    request = requests.rewind(path.session_id, body, header.idempotency_key)
    return accepted(ctx().dispatcher.accept(request), wait_seconds(header, query.wait))


@work.post("/sessions/<string:session_id>/checkpoint", responses=_ANSWERS)
def checkpoint(path: SessionPath, header: WorkHeaders, query: WaitQuery, body: CheckpointBody) -> Response:
    """Name the head and wait until it is stored

    Steps checkpoint by themselves; the job of this route succeeds once the head is in object storage.
    """
    request = requests.checkpoint(path.session_id, body, header.idempotency_key)
    return accepted(ctx().dispatcher.accept(request), wait_seconds(header, query.wait))


@work.post("/checkpoints/<string:checkpoint_id>/fork", responses=_FORKED)
def fork_checkpoint(path: CheckpointPath, header: WorkHeaders, query: WaitQuery, body: ForkOptions) -> Response:
    """Fork this checkpoint into a new session

    The source is never disturbed. Prompt and seed default to the checkpoint's and apply from the fork's next step.
    Without steps there is nothing to wait for: the job in the answer has succeeded.
    """
    request = requests.fork(ForkBody(checkpoint_id=path.checkpoint_id, **body.model_dump()), header.idempotency_key)
    return accepted(ctx().dispatcher.accept(request), wait_seconds(header, query.wait))


@work.post("/sessions/<string:session_id>/fork", responses=_FORKED)
def fork(path: SessionPath, header: WorkHeaders, query: WaitQuery, body: ForkBody) -> Response:
    """Fork a checkpoint into a new session

    As POST /api/checkpoints/{checkpoint_id}/fork; the checkpoint may be any one of any tree.
    """
    ctx().ledger.sessions.get(path.session_id)
    request = requests.fork(body, header.idempotency_key)
    return accepted(ctx().dispatcher.accept(request), wait_seconds(header, query.wait))
