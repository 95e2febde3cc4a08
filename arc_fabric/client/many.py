"""Steps of many sessions at once: what a slot asks for, and what came of it."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from arc_fabric.base.terms import TERMINAL
from arc_fabric.client.server import pause
from arc_fabric.client.session import RemoteSession, plain_settings
from arc_fabric.client.transport import Transport, named_error
from arc_fabric.errors import ArcFabricError, DeadlineExceeded, ServiceError
from arc_fabric.ids import new_id

Array = np.ndarray
MOST_WAIT_S = 60.0
"""The server keeps a request waiting no longer."""


@dataclass(frozen=True, eq=False)
class Slot:
    """A session, and what happens to it: first `reset_to` (any checkpoint of its tree), then a step, if `step`."""

    session: RemoteSession | str
    action: Array | Sequence[Sequence[float]] | None = None
    """float [action_horizon, action_dim]; None: the policy acts."""
    reset_to: str | None = None
    step: bool = True
    state: Sequence[float] | Array | None = None
    prompt: str | None = None
    seed: int | None = None
    model_settings: Mapping[str, float] | None = None

    @property
    def session_id(self) -> str:
        """The session's id."""
        return self.session if isinstance(self.session, str) else self.session.id

    def body(self) -> dict[str, Any]:
        """As the server takes it."""
        plain = {name: None if value is None else np.asarray(value, np.float64).tolist()
                 for name, value in (("action", self.action), ("state", self.state))}  # fmt: skip
        given = {"session_id": self.session_id, "reset_to": self.reset_to, "prompt": self.prompt, "seed": self.seed,
                 "model_settings": plain_settings(self.model_settings)}  # fmt: skip
        shown = given | plain | ({} if self.step else {"step": False})
        return {name: value for name, value in shown.items() if value is not None}


@dataclass(frozen=True, eq=False)
class SlotResult:
    """What came of a slot."""

    session_id: str
    checkpoint_id: str
    frame_index: int
    steered: bool | None
    """Whether the given action steered the world; None where none was given."""
    action_source: str | None
    frames: Array | None
    """uint8 [F, H, W, 3]; of a slot that was only reset those of the checkpoint. None with `decode=False`."""
    latents: Array | None
    """[B, K, C, h, w], with `decode=False`; None of a root."""


def step_many(
    transport: Transport, slots: Sequence[Slot], *, decode: bool = True, timeout: float = 600.0
) -> list[SlotResult | ArcFabricError]:
    """One request, asked again with the same key until everything in it has ended. Refusals are raised; a slot that
    failed is its error, in its place."""
    body = {"slots": [slot.body() for slot in slots], "decode": decode}
    headers, deadline = {"Idempotency-Key": new_id("key")}, time.monotonic() + timeout
    while True:
        began = time.monotonic()
        wait = max(0.0, min(deadline - began, MOST_WAIT_S))
        answer = transport.send("POST", "/api/sessions/step-many", params={"wait": wait}, json=body, headers=headers)
        facts, arrays = unpacked(answer.content)
        if all(fact["state"] in TERMINAL for fact in facts):
            return [_result(fact, arrays, number) for number, fact in enumerate(facts)]
        if wait == 0:
            raise DeadlineExceeded(f"{len(slots)} sessions have not all stepped within {timeout:g} s.")
        pause(wait - (time.monotonic() - began))  # where too many wait, the server answers at once


def unpacked(data: bytes) -> tuple[list[dict[str, Any]], dict[str, Array]]:
    """The facts of each slot and the arrays by name, of an answer's bytes."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        facts: list[dict[str, Any]] = json.loads(arrays.pop("slots").tobytes())
    except (OSError, ValueError, KeyError) as error:
        raise ServiceError(f"The server's answer is no .npz of slots: {error}.") from error
    return facts, arrays


def _result(fact: dict[str, Any], arrays: dict[str, Array], number: int) -> SlotResult | ArcFabricError:
    if fact["state"] != "succeeded":
        error = fact["error"] or {"type": "Cancelled", "message": "The step was cancelled.", "what_to_do": ""}
        return named_error(error["type"], error["message"], error.get("what_to_do", ""), error.get("context", {}))
    return SlotResult(
        fact["session_id"], fact["checkpoint_id"], fact["frame_index"], fact["steered"], fact["action_source"],
        arrays.get(f"frames.{number}"), arrays.get(f"latents.{number}"),
    )  # fmt: skip
