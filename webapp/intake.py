"""From a checked body to accepted jobs: what the routes and the job form share."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import arc_fabric
from arc_fabric.errors import InvalidImage, InvalidRequest, RewindBeyondRoot
from arc_fabric.ledger import JobRecord, SessionRecord
from webapp.answers import check_prompt
from webapp.context import ctx
from webapp.schemas.bodies import CheckpointBody, CreateSession, ForkBody, RewindBody, StepBody
from webapp.uploads import read_base64

SAMPLE = "sample:"
# By path: importing the model's package would load torch.
_SAMPLES = Path(arc_fabric.__file__).parent / "models" / "tabletop" / "samples"


@lru_cache(maxsize=1)
def sample_names() -> tuple[str, ...]:
    """The pictures that ship with the model."""
    return tuple(sorted(path.stem for path in _SAMPLES.glob("*.png")))


def sample_png(name: str) -> bytes:
    """One of them."""
    check_sample(name)
    return (_SAMPLES / f"{name}.png").read_bytes()


def check_sample(name: str) -> None:
    """Raise InvalidImage unless a sample has this name."""
    if name not in sample_names():
        raise InvalidImage(
            f"there is no sample {name[:80]!r}",
            hint=f"GET /api/samples lists them: {', '.join(sample_names()) or 'none are installed'}.",
            samples=list(sample_names()),
        )


def open_session(body: CreateSession, key: str | None) -> tuple[SessionRecord, JobRecord, dict[str, Any]]:
    """Check everything, store the image, then accept: a refused request leaves nothing but the image."""
    check_prompt(body.prompt)
    check_state(body.state)
    input_key, note = _take_image(body.initial_frame)
    session, job = ctx().ledger.create_session(
        prompt=body.prompt,
        seed=body.seed,
        model=ctx().settings.model,
        embodiment_id=body.embodiment_id,
        input_key=input_key,
        state=body.state,
        label=body.label,
        idempotency_key=key,
    )
    return session, job, note


def fork(body: ForkBody, key: str | None) -> tuple[SessionRecord, JobRecord]:
    """Accept a fork."""
    check_prompt(body.new_prompt, "new_prompt")
    return ctx().ledger.fork_session(
        checkpoint_id=body.checkpoint_id,
        prompt=body.new_prompt,
        seed=body.new_seed,
        prompt_mode=body.prompt_mode,
        steps=body.steps,
        bulk=body.bulk,
        label=body.label,
        idempotency_key=key,
    )


def step(session_id: str, body: StepBody, key: str | None) -> JobRecord:
    """Accept steps."""
    check_prompt(body.prompt)
    check_state(body.state)
    check_actions(body.actions, body.steps)
    params = body.model_dump(exclude_none=True, exclude={"if_head"})
    return ctx().ledger.submit(session_id, "step", params, if_head=body.if_head, idempotency_key=key)


def rewind(session_id: str, body: RewindBody, key: str | None) -> JobRecord:
    """Accept a rewind; refused at once where the session is idle and it cannot work."""
    if body.n_steps is not None and body.checkpoint_id is not None:
        raise InvalidRequest("give n_steps or checkpoint_id, not both")
    session = ctx().ledger.session(session_id)
    if not _answered_before(key):
        _check_rewind(session, body)
    params: dict[str, Any] = (
        {"checkpoint_id": body.checkpoint_id} if body.checkpoint_id else {"n_steps": body.n_steps or 1}
    )
    return ctx().ledger.submit(session_id, "rewind", params, if_head=body.if_head, idempotency_key=key)


def checkpoint(session_id: str, body: CheckpointBody, key: str | None) -> JobRecord:
    """Accept a named, stored checkpoint of the head."""
    params = {} if body.label is None else {"label": body.label}
    return ctx().ledger.submit(session_id, "checkpoint", params, if_head=body.if_head, idempotency_key=key)


def check_state(state: list[float] | None) -> None:
    """The state's length is the model's, once a worker has said what it is."""
    expected = model_geometry().get("state_dim")
    if state is not None and expected is not None and len(state) != expected:
        raise InvalidRequest(f"state has {len(state)} numbers; this model takes {expected}", state_dim=expected)


def check_actions(actions: list[list[list[float]] | None] | None, steps: int) -> None:
    """Shape [steps][action_horizon][action_dim], entries of a step may be null."""
    if actions is None:
        return
    if len(actions) != steps:
        raise InvalidRequest(
            f"actions has {len(actions)} entries and steps is {steps}: give one entry (or null) per step"
        )
    horizon, dim = model_geometry().get("action_horizon"), model_geometry().get("action_dim")
    for number, chunk in enumerate(actions):
        if chunk is None or horizon is None:
            continue
        if len(chunk) != horizon or any(len(row) != dim for row in chunk):
            raise InvalidRequest(
                f"actions[{number}] has shape [{len(chunk)}][{len(chunk[0])}]; this model takes [{horizon}][{dim}]",
                action_horizon=horizon,
                action_dim=dim,
            )


def _take_image(text: str) -> tuple[str, dict[str, Any]]:
    if text.startswith(SAMPLE):
        check_sample(text.removeprefix(SAMPLE))
        return text, {"note": "a sample in the model's own size"}
    upload = read_base64(text)
    ctx().backend.put(upload.key, upload.png)
    return upload.key, _fitting(upload.width, upload.height)


def _fitting(width: int, height: int) -> dict[str, Any]:
    geometry = model_geometry()
    note = "the worker scales it to the model's size"
    if geometry:
        note = f"scaled to the model's {geometry['image_width']} x {geometry['image_height']} pixels"
    return {"width": width, "height": height, "note": note}


def _check_rewind(session: SessionRecord, body: RewindBody) -> None:
    if body.checkpoint_id is not None:
        ctx().ledger.node(body.checkpoint_id)
    if session.state != "open" or session.queued or session.running_job or session.head is None:
        return
    steps = session.frame_index
    if (body.n_steps or 1) > steps and body.checkpoint_id is None:
        raise RewindBeyondRoot(
            f"the session is {steps} steps from its root and n_steps is {body.n_steps or 1}",
            hint=f"Rewind by at most {steps} steps, or name a checkpoint_id." if steps else "It is at its root.",
            frame_index=steps,
        )
    if body.checkpoint_id is not None:
        path = ctx().pictures.lineage(session.head)
        if all(node.id != body.checkpoint_id for node in path):
            raise InvalidRequest(
                f"checkpoint {body.checkpoint_id} is not on the session's lineage",
                hint="Fork it instead (POST .../fork), or name an ancestor of the head.",
            )


def _answered_before(key: str | None) -> bool:
    """Whether this Idempotency-Key has an answer: then the first job comes back, whatever holds now."""
    return key is not None and bool(ctx().ledger.redis.exists(f"arc:idem:{key}"))


def model_geometry() -> dict[str, Any]:
    """Sizes of the running model; empty before the first worker is up."""
    card = ctx().ledger.model_card()
    geometry = card.get("geometry")
    return geometry if isinstance(geometry, dict) else {}
