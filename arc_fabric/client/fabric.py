"""ArcFabric: a server, and the sessions on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from arc_fabric import errors
from arc_fabric.client.evaluation import EvaluationInfo, RemoteEvaluation
from arc_fabric.client.many import Slot, SlotResult, step_many
from arc_fabric.client.pictures import Views, picture_of
from arc_fabric.client.server import Server
from arc_fabric.client.session import RemoteSession, fork_of, plain_settings
from arc_fabric.client.views import SessionInfo
from arc_fabric.evaluation.plan import Plan, plan_from_toml, plan_of
from arc_fabric.ids import new_id


class ArcFabric(Server):
    """A running Arc Fabric. Thread-safe; close it, or use it in a `with` block.

    `url` is what `arc-fabric up` printed; `token` is needed where the server has tokens.
    """

    def new_session(
        self,
        prompt: str,
        initial_frame: Views | None = None,
        *,
        seed: int | None = None,
        model_settings: Mapping[str, float] | None = None,
        state: Sequence[float] | None = None,
        embodiment_id: int = 0,
        label: str | None = None,
        lease_s: float | None = None,
        wait: bool = True,
        timeout: float = 120.0,
    ) -> RemoteSession:
        """Open a session from `sample:<name>`, an image file's path or bytes, or uint8 [H, W, 3]; for a model of
        several cameras from a list with one of these per camera, or uint8 [V, H, W, 3].

        Without a frame: the first sample. `model_settings`: of those that the model takes (`abilities.settings` of
        `model()`) those that are to be otherwise than by default. With `lease_s` this client sends heartbeats while it
        is open, and the server closes the session that long after the last one: a program that was killed holds no slot
        for good.

        Raises SessionLimitReached, InvalidImage.
        """
        body = {
            "prompt": prompt,
            "initial_frame": self._first(initial_frame),
            "seed": seed,
            "model_settings": plain_settings(model_settings),
            "state": None if state is None else [float(x) for x in state],
            "embodiment_id": embodiment_id,
            "label": label,
            "lease_s": lease_s,
        }
        answer = self.transport.json("POST", "/api/sessions", body=body)
        session = RemoteSession(self, SessionInfo.of(answer["session"]))
        session.keep_alive()
        if wait:
            self.wait(answer["job"]["id"], timeout=timeout)
            session.refresh()
        return session

    def root(
        self,
        prompt: str,
        initial_frame: Views | None = None,
        *,
        seed: int | None = None,
        model_settings: Mapping[str, float] | None = None,
        state: Sequence[float] | None = None,
    ) -> str:
        """The checkpoint of a new world at its beginning, for evaluations to fork; no session stays open. Raises as
        `new_session` does."""
        session = self.new_session(
            prompt, initial_frame, seed=seed, model_settings=model_settings, state=state, lease_s=60
        )
        session.close()
        return str(session.head)

    def session(self, session_id: str) -> RemoteSession:
        """A session by its id."""
        return RemoteSession(self, SessionInfo.of(self.transport.json("GET", f"/api/sessions/{session_id}")))

    def open(
        self,
        checkpoint_id: str,
        *,
        prompt: str | None = None,
        seed: int | None = None,
        model_settings: Mapping[str, float] | None = None,
        label: str | None = None,
        lease_s: float | None = None,
        spread: bool = False,
    ) -> RemoteSession:
        """A new session that begins at a stored checkpoint, whoever made it. `spread`: on the worker with the least to
        do, not where the checkpoint's state is. Raises CheckpointNotFound, SessionLimitReached."""
        body = {"new_prompt": prompt, "new_seed": seed, "model_settings": plain_settings(model_settings),
                "label": label, "lease_s": lease_s, "spread": spread or None}  # fmt: skip
        return fork_of(self, checkpoint_id, body)[0]

    def evaluate(self, plan: Plan | Mapping[str, Any] | str | Path | None = None, **values: Any) -> RemoteEvaluation:
        """Have variants tried from checkpoints and judged: a `Plan`, its values, or a TOML file of them. Each of
        `samples` among the values begins a world, from which variants fork as from checkpoints.

        >>> fabric.evaluate(checkpoints=[head], prompts=["pick it up"], seeds="0-31", steps=8)      # doctest: +SKIP

        Returns at once; the server goes on by itself. Raises InvalidRequest, CheckpointNotFound, TooManyJobs.
        """
        body = plan_of(self.begun(values_of(plan, values))).model_dump(exclude_unset=True)
        answer = self.transport.json("POST", "/api/evaluations", body=body)
        return RemoteEvaluation(self.transport, EvaluationInfo.of(answer["evaluation"]))

    def begun(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values of a plan whose `samples` (names of sample frames) have become checkpoints: of worlds that are begun
        under its first prompt, once it is known that nothing else is wrong. Raises InvalidRequest, InvalidImage."""
        samples = values.get("samples") or []
        given = {name: value for name, value in values.items() if name != "samples"}
        if not samples:
            return given
        if not isinstance(samples, list) or not all(isinstance(name, str) for name in samples):
            raise errors.InvalidRequest(f"samples: names of sample frames are expected, not {samples!r}.")
        there = list(given.get("checkpoints", ()))
        plan = plan_of(given | {"checkpoints": [*there, *(new_id("ckp") for _ in samples)]})
        prompt = next((prompt for prompt in plan.prompts if prompt), "look")
        return given | {"checkpoints": [*there, *(self.root(prompt, f"sample:{name}", seed=0) for name in samples)]}

    def step_many(
        self, slots: Sequence[Slot], *, decode: bool = True, timeout: float = 600.0
    ) -> list[SlotResult | errors.ArcFabricError]:
        """One step of each of up to 64 sessions, in one request; the answers in the order given, with the frames, or
        with `decode=False` the latents, that each step added. A slot that failed is its error, in its place.

        Raises the error with which the request is refused; nothing has happened then.
        """
        return step_many(self.transport, slots, decode=decode, timeout=timeout)

    def _first(self, given: Views | None) -> str | list[str] | None:
        """A given picture, else the first sample; None where a world begins from its prompt alone."""
        if given is None and self.model()["abilities"].get("needs_picture") is False:
            return None
        return picture_of(self._sample() if given is None else given)

    def _sample(self) -> str:
        names = self.samples()
        if not names:
            raise errors.InvalidRequest("this server has no sample frames", hint="Give an initial_frame.")
        return f"sample:{names[0]}"


def values_of(plan: Plan | Mapping[str, Any] | str | Path | None, values: Mapping[str, Any]) -> dict[str, Any]:
    """What a caller gave of a plan in one of its forms, `values` over it. Raises InvalidRequest."""
    if isinstance(plan, Plan):
        plan = plan.model_dump(exclude_unset=True)
    elif isinstance(plan, str | Path):
        plan = plan_from_toml(Path(plan).read_text())
    return {**(plan or {}), **values}
