"""Steps of many sessions in one request: checked as a whole, accepted as jobs of each, answered as one file."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from pydantic import Field, model_validator

from arc_fabric.errors import ArcFabricError, InvalidRequest, SessionClosed
from arc_fabric.ledger import Accepted, JobRecord, JobRequest
from arc_fabric.ledger.requests import in_tree
from arc_fabric.records.types import CheckpointId, SessionId
from webapp.context import ctx
from webapp.model import geometry
from webapp.work.accepted import wait_for
from webapp.work.bodies import Body, Chunk, ModelSettings, Prompt, Seed, State

MOST_SLOTS = 64
MOST_BYTES = 256 << 20
"""Of the pictures in one answer."""


class SlotBody(Body):
    """A session, and what happens to it."""

    model_config = {**Body.model_config, "openapi_extra": {"required": True}}  # type: ignore[typeddict-unknown-key]

    session_id: SessionId
    reset_to: CheckpointId | None = Field(
        None, description="Before the step go to this checkpoint, any one of the session's tree."
    )
    step: bool = Field(True, description="false: only `reset_to`.")
    action: Chunk | None = Field(None, description="float [action_horizon][action_dim]; left out: the policy acts.")
    state: State | None = None
    prompt: Prompt | None = None
    seed: Seed | None = None
    model_settings: ModelSettings | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        members = ("action", "state", "prompt", "seed", "model_settings")
        given = [name for name in members if getattr(self, name) is not None]
        if not self.step and given:
            raise ValueError(f"{given[0]} is for a step, and step is false: give it with the next one")
        if not self.step and self.reset_to is None:
            raise ValueError("a slot steps, or is reset, or both")
        return self


class StepManyBody(Body):
    """Step many sessions."""

    model_config = SlotBody.model_config

    slots: list[SlotBody] = Field(min_length=1, max_length=MOST_SLOTS, description="Each session once.")
    decode: bool = Field(True, description="false: the answer has latents in place of frames.")

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len({slot.session_id for slot in self.slots}) < len(self.slots):
            raise ValueError("a session is there twice: each one steps once per request")
        return self


def accept(body: StepManyBody, key: str | None) -> list[JobRecord]:
    """The last job of each slot. Checked before anything is accepted; where one is refused all the same, those that
    were accepted before are cancelled, and its error is raised."""
    _check(body)
    requests = [request for number, slot in enumerate(body.slots) for request in _requests(slot, number, key)]
    answers = ctx().dispatcher.accept_many(requests)
    refused = next((answer for answer in answers if isinstance(answer, ArcFabricError)), None)
    accepted = [answer.job for answer in answers if isinstance(answer, Accepted)]
    if refused is not None:
        for job in (job for job in accepted if not job.replayed):
            ctx().ledger.jobs.cancel(job.id)
        raise refused
    last = {job.session_id: job for job in accepted}
    return [last[slot.session_id] for slot in body.slots]


def wait_all(jobs: Sequence[JobRecord], seconds: float) -> list[JobRecord]:
    """The jobs after at most so many seconds in all."""
    deadline = time.monotonic() + seconds
    return [wait_for(job, max(0.0, deadline - time.monotonic())) for job in jobs]


def packed(body: StepManyBody, jobs: Sequence[JobRecord]) -> bytes:
    """The answer: an .npz with `slots` (JSON as bytes, one object per slot) and `frames.<n>` or `latents.<n>` of each
    slot that has succeeded."""
    arrays: dict[str, np.ndarray] = {}
    facts = []
    for number, (slot, job) in enumerate(zip(body.slots, jobs, strict=True)):
        facts.append(_facts(slot, job))
        made = facts[-1]["checkpoint_id"]
        if made is not None and body.decode:
            arrays[f"frames.{number}"] = ctx().pictures.frames(made)
        elif made is not None and facts[-1]["frame_index"]:
            arrays[f"latents.{number}"] = ctx().pictures.latents_array(made)
    arrays["slots"] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **arrays)
    return out.getvalue()


def _check(body: StepManyBody) -> None:
    sizes = geometry()
    if body.decode and sizes:
        each = sizes["frames_per_step"] * sizes["image_height"] * sizes["image_width"] * 3 * sizes.get("cameras", 1)
        if each * len(body.slots) > MOST_BYTES:
            most = max(1, MOST_BYTES // each)
            raise InvalidRequest(
                f"The frames of {len(body.slots)} slots are too many.", hint=f"At most {most} at once."
            )
    nodes, sessions = ctx().ledger.nodes, ctx().ledger.sessions.many([slot.session_id for slot in body.slots])
    targets = {node.id: node for node in nodes.many([*{slot.reset_to for slot in body.slots if slot.reset_to}])}
    for slot, session in zip(body.slots, sessions, strict=True):
        if session.state == "closed":
            raise SessionClosed(f"Session {session.id} is closed.", session_id=session.id)
        if slot.reset_to is not None:
            in_tree(targets.get(slot.reset_to) or nodes.get(slot.reset_to), session)


def _requests(slot: SlotBody, number: int, key: str | None) -> list[JobRequest]:
    found, request = [], ctx().ledger.jobs.request
    if slot.reset_to is not None:
        params: dict[str, Any] = {"checkpoint_id": slot.reset_to, "anywhere": True}
        found.append(request(slot.session_id, "rewind", params, idempotency_key=_part(key, number, "r")))
    if slot.step:
        params = {"steps": 1, "actions": [slot.action] if slot.action is not None else None, "state": slot.state,
                  "prompt": slot.prompt, "seed": slot.seed, "model_settings": slot.model_settings}  # fmt: skip
        given = {name: value for name, value in params.items() if value is not None}
        found.append(request(slot.session_id, "step", given, idempotency_key=_part(key, number, "s")))
    return found


def _part(key: str | None, number: int, what: str) -> str | None:
    return None if key is None else f"{key}/{number}{what}"


def _facts(slot: SlotBody, job: JobRecord) -> dict[str, Any]:
    result = job.result or {}
    (made,) = result.get("steps") or [{}]
    return {
        "session_id": slot.session_id, "job_id": job.id, "state": job.state, "error": job.error,
        "checkpoint_id": result.get("head"), "frame_index": result.get("frame_index"),
        "action_source": made.get("action_source"), "steered": made.get("steered"), "wall_s": made.get("wall_s"),
    }  # fmt: skip
