"""Work on a session: step, rewind, checkpoint, fork. Each is accepted as one job (202) and done in order."""

from __future__ import annotations

from typing import Any

from flask import Response

from webapp.api.sessions import WaitQuery
from webapp.context import ctx
from webapp.http.answers import binary, blueprint, errors
from webapp.http.limits import MAX_WAIT_S
from webapp.schemas.ids import CheckpointPath, SessionPath, WorkHeaders
from webapp.schemas.views import SessionAccepted, WorkAccepted
from webapp.work import many, requests
from webapp.work.accepted import accepted, wait_seconds
from webapp.work.bodies import CheckpointBody, ForkBody, ForkOptions, RewindBody, StepBody
from webapp.work.many import StepManyBody

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


_MANY: Any = {200: binary("application/x-npz", description="npz: `slots`, and `frames.<n>` or `latents.<n>` of each.")}


@work.post("/sessions/step-many", responses=_MANY | errors(409, 413, 415))
def step_many(header: WorkHeaders, query: WaitQuery, body: StepManyBody) -> Response:
    """Step many sessions

    One step of each, after going to a checkpoint where a slot says so; each is a job of its session like any other.
    The answer is one .npz (no pickle): `slots`, JSON as bytes with {session_id, job_id, state, error, checkpoint_id,
    frame_index, action_source, steered, wall_s} per slot, and for each that has succeeded `frames.<n>` uint8 [F, H, W,
    3], or with `decode: false` `latents.<n>` [B, K, C, h, w] (bfloat16 widened to float32). One that failed says so in
    its `error` and stops no other. Waits for 60 s where the query does not say otherwise; asked again with the same
    Idempotency-Key it answers with the same jobs.
    """
    jobs = many.accept(body, header.idempotency_key)
    done = many.wait_all(jobs, wait_seconds(header, MAX_WAIT_S if query.wait is None else query.wait))
    return Response(many.packed(body, done), mimetype="application/x-npz")


@work.post("/sessions/<string:session_id>/rewind", responses=_ANSWERS)
def rewind(path: SessionPath, header: WorkHeaders, query: WaitQuery, body: RewindBody) -> Response:
    """Move the head back, or forward again

    By `n_steps` (default 1) or to a checkpoint of the lineage; after a rewind also to one further on that the session
    itself made. No node is deleted.
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
