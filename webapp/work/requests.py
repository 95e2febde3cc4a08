"""From a checked body to a request that the ledger accepts: what the routes and the job forms share."""

from __future__ import annotations

from typing import Any, cast

from flask import g

from arc_fabric.base.rewind import step_before, step_reached
from arc_fabric.errors import SessionClosed
from arc_fabric.ledger import JobRequest, SessionRecord
from arc_fabric.ledger.core import keys
from webapp.content import clips
from webapp.context import ctx
from webapp.model import model_fps
from webapp.work.bodies import CheckpointBody, CreateSession, ForkBody, RewindBody, StepBody, VideoBody
from webapp.work.given_pictures import take_initial, take_observed


def open_session(body: CreateSession, key: str | None) -> tuple[JobRequest, dict[str, Any]]:
    """Check everything and store the image: a refused request leaves nothing but the image, which is collected."""
    input_key, note = take_initial(body.initial_frame)
    request = ctx().ledger.sessions.open_request(
        prompt=body.prompt,
        seed=body.seed,
        model=ctx().settings.model,
        embodiment_id=body.embodiment_id,
        input_key=input_key,
        state=body.state,
        model_settings=body.model_settings,
        label=body.label,
        lease_s=body.lease_s,
        owner=_asker(),
        idempotency_key=key,
    )
    return request, note


def fork(body: ForkBody, key: str | None) -> JobRequest:
    """A fork."""
    return ctx().ledger.sessions.fork_request(
        checkpoint_id=body.checkpoint_id,
        prompt=body.new_prompt,
        seed=body.new_seed,
        prompt_mode=body.prompt_mode,
        model_settings=body.model_settings,
        steps=body.steps,
        actions=cast("list[Any] | None", body.actions),  # rows by name are numbers since they were checked
        bulk=body.bulk,
        spread=body.spread,
        label=body.label,
        lease_s=body.lease_s,
        owner=_asker(),
        idempotency_key=key,
    )


def step(session_id: str, body: StepBody, key: str | None) -> JobRequest:
    """Steps; observed frames are in object storage before."""
    params = body.model_dump(exclude_none=True, exclude={"if_head", "observed"})
    if body.observed is not None:
        if not _answered_before(key):
            _require_open(session_id)
        params["observed"] = take_observed(body.observed)
    return ctx().ledger.jobs.request(session_id, "step", params, if_head=body.if_head, idempotency_key=key)


def rewind(session_id: str, body: RewindBody, key: str | None) -> JobRequest:
    """A rewind; refused at once where the session is idle and it cannot work."""
    session = ctx().ledger.sessions.get(session_id)
    if not _answered_before(key):
        _check_rewind(session, body)
    params: dict[str, Any] = (
        {"checkpoint_id": body.checkpoint_id} if body.checkpoint_id else {"n_steps": body.n_steps or 1}
    )
    return ctx().ledger.jobs.request(session_id, "rewind", params, if_head=body.if_head, idempotency_key=key)


def checkpoint(session_id: str, body: CheckpointBody, key: str | None) -> JobRequest:
    """A named, stored checkpoint of the head."""
    params = {} if body.label is None else {"label": body.label}
    return ctx().ledger.jobs.request(session_id, "checkpoint", params, if_head=body.if_head, idempotency_key=key)


def video(body: VideoBody) -> JobRequest:
    """A clip as a job. Asking twice needs no key: the unfinished job for the same clip comes back."""
    session_id = ctx().ledger.nodes.get(body.checkpoint_id).session_id
    fps = body.fps or model_fps()
    clip = clips.plan(ctx().pictures, body.checkpoint_id, body.from_, body.to, fps=fps, form=body.format)
    return clips.request(ctx().ledger, clip, session_id)


def _asker() -> str | None:
    """The name of the token that asks."""
    principal = g.get("principal")
    return None if principal is None else principal.name


def _require_open(session_id: str) -> None:
    """Refuse before pictures are stored for nothing; the submit script decides."""
    session = ctx().ledger.sessions.get(session_id)
    if session.state == "closed":
        raise SessionClosed(f"Session {session_id} is closed.", session_id=session_id)


def _check_rewind(session: SessionRecord, body: RewindBody) -> None:
    if body.checkpoint_id is not None:
        ctx().ledger.nodes.get(body.checkpoint_id)  # there is one, also where the job will have to find out the rest
    if session.state != "open" or session.queued or session.running_job or session.head is None:
        return
    if body.checkpoint_id is None:
        step_before(session.frame_index, body.n_steps or 1)
    else:
        nodes = ctx().ledger.nodes
        own = nodes.get(body.checkpoint_id).session_id == session.id
        step_reached(nodes.path(session.head)[::-1], nodes.path(body.checkpoint_id)[::-1], own=own)


def _answered_before(key: str | None) -> bool:
    """Whether this Idempotency-Key has an answer: then the first job comes back, whatever holds now."""
    return key is not None and bool(ctx().ledger.redis.exists(keys.idempotency(key)))
