"""Sessions: opening, forking, closing and reading them."""

from __future__ import annotations

from typing import Any

from arc_fabric.errors import InvalidRequest
from arc_fabric.ids import new_id
from arc_fabric.input_keys import by_content
from arc_fabric.ledger import codec, keys
from arc_fabric.ledger.base import digest, raise_refusal
from arc_fabric.ledger.records import JobRecord, Page, SessionRecord
from arc_fabric.ledger.requests import Acceptance, JobRequest

PROMPT_MODES = ("keep", "recache", "reset")
_SCAN = 200


class Sessions(Acceptance):
    """The part of the ledger about sessions."""

    _frames_per_step: int | None = None
    """Read once: a deployment serves one model."""

    def create_session(self, **request: Any) -> tuple[SessionRecord, JobRecord]:
        """Accept what `create_request` (same arguments) describes.

        Raises SessionLimitReached, TooManyJobs, IdempotencyMismatch. A repeated key returns the first answer.
        """
        accepted = self.accept(self.create_request(**request))
        assert accepted.session is not None
        return accepted.session, accepted.job

    def create_request(
        self,
        *,
        prompt: str,
        input_key: str,
        seed: int | None = None,
        model: str | None = None,
        embodiment_id: int = 0,
        state: list[float] | None = None,
        label: str | None = None,
        idempotency_key: str | None = None,
    ) -> JobRequest:
        """A new session and its first job (`create`). Acceptance counts the open sessions atomically."""
        params = {
            "prompt": prompt,
            "seed": seed,
            "input_key": input_key,
            "embodiment_id": embodiment_id,
            "state": state,
        }
        session = SessionRecord(id="", prompt=prompt, seed=seed, model=model, embodiment_id=embodiment_id, label=label)
        return self._open(session, "create", params, "", "keep", 1, idempotency_key)

    def fork_session(self, **request: Any) -> tuple[SessionRecord, JobRecord]:
        """Accept what `fork_request` (same arguments) describes.

        Raises CheckpointNotFound, CheckpointUnavailable, SessionLimitReached, TooManyJobs, IdempotencyMismatch.
        """
        accepted = self.accept(self.fork_request(**request))
        assert accepted.session is not None
        return accepted.session, accepted.job

    def fork_request(
        self,
        *,
        checkpoint_id: str,
        prompt: str | None = None,
        seed: int | None = None,
        prompt_mode: str = "keep",
        steps: int = 0,
        actions: list[list[list[float]]] | None = None,
        bulk: bool = False,
        label: str | None = None,
        idempotency_key: str | None = None,
    ) -> JobRequest:
        """A new session whose head is an existing checkpoint; `steps` > 0 also runs that many steps.

        No tensor is copied and no node is made. Prompt and seed default to the checkpoint's. A bulk fork does
        not count as open, runs after interactive work and is closed when its job ends. Raises InvalidRequest.
        """
        if prompt_mode not in PROMPT_MODES:
            raise InvalidRequest(f"prompt_mode is one of {', '.join(PROMPT_MODES)}, not {prompt_mode!r}.")
        self._check_steps(steps, low=0)
        params = {
            "checkpoint_id": checkpoint_id,
            "prompt": prompt,
            "seed": seed,
            "prompt_mode": prompt_mode,
            "steps": steps,
            "actions": actions,
        }
        session = SessionRecord(id="", prompt=prompt, seed=seed, bulk=bulk, label=label)  # type: ignore[arg-type]
        return self._open(session, "fork", params, checkpoint_id, prompt_mode, max(steps, 1), idempotency_key)

    def _open(
        self,
        session: SessionRecord,
        kind: str,
        params: dict[str, object],
        source: str,
        prompt_mode: str,
        total: int,
        idempotency_key: str | None,
    ) -> JobRequest:
        session.id = new_id("ses")
        job = JobRecord(id=new_id("job"), kind=kind, session_id=session.id, params=params, bulk=session.bulk)
        session_fields = session.to_dict() | {
            "_epoch": 0,
            "_boot": None,
            "_pending": 0,
            "_prompt_mode": prompt_mode,
            "_frames_per_step": self.frames_per_step(),
        }
        return JobRequest("open", job, (
            session.id,
            codec.pack(session_fields),
            job.id,
            codec.pack(job.to_dict() | {"_total": total, "_done": 0}),
            idempotency_key or "",
            digest(kind, by_content(params), session.label, session.bulk) if idempotency_key else "",
            source,
            self.limits.max_open_sessions,
            self.limits.max_jobs_total,
            self.limits.affinity_queue_bound,
        ))  # fmt: skip

    def close_session(self, session_id: str) -> SessionRecord:
        """Close at once: the slot is free, unfinished jobs are cancelled, the state is dropped, the tree stays."""
        raise_refusal(self.scripts.run("close", session_id))
        return self.session(session_id)

    def reopen(self, session_id: str) -> SessionRecord:
        """Open a closed session again at its head (SessionLimitReached when all slots are in use)."""
        raise_refusal(self.scripts.run("reopen", session_id, self.limits.max_open_sessions))
        return self.session(session_id)

    def sessions(
        self, state: str | None = None, cursor: str | None = None, limit: int = 50, *, bulk: bool = False
    ) -> Page[SessionRecord]:
        """Sessions, newest first; bulk ones are a list of their own."""
        key = "arc:sessions:bulk" if bulk else keys.SESSIONS
        found: list[SessionRecord] = []
        while True:
            ids = self._newest_ids(key, cursor, _SCAN)
            for fields in self._fields(keys.session(i) for i in ids):
                record = SessionRecord.from_fields(fields)
                if state is None or record.state == state:
                    found.append(record)
                cursor = record.id
                if len(found) == limit:
                    return Page(found, cursor if self._newest_ids(key, cursor, 1) else None)
            if len(ids) < _SCAN:
                return Page(found)

    def frames_per_step(self) -> int:
        """Video frames per step of the model that the workers run (8 until one has said so)."""
        if self._frames_per_step is None and (card := self.model_card()):
            geometry = card["geometry"]
            self._frames_per_step = int(geometry["frames_per_latent"]) * int(geometry["latents_per_block"])
        return self._frames_per_step or 8

    def model_card(self) -> dict[str, object]:
        """What the running model is: name, geometry, abilities, identity; empty before a worker is up."""
        return codec.decode(self.redis.hgetall(keys.MODEL))

    def write_model_card(self, card: dict[str, object]) -> None:
        """Called by a worker once its model is loaded."""
        self.redis.hset(keys.MODEL, mapping=codec.encode(card))

    def _check_steps(self, steps: object, *, low: int) -> None:
        high = self.limits.max_steps_per_job
        if isinstance(steps, bool) or not isinstance(steps, int) or not low <= steps <= high:
            raise InvalidRequest(f"steps is a whole number from {low} to {high}, not {steps!r}.", low=low, high=high)
