"""Sessions: opening, forking, closing and reading them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from arc_fabric.base.input_keys import by_content
from arc_fabric.base.terms import PROMPT_MODES, BatchMode
from arc_fabric.errors import InvalidRequest, SessionNotFound
from arc_fabric.ids import new_id
from arc_fabric.ledger.core import Core, Page, codec, keys
from arc_fabric.ledger.core.connection import texts
from arc_fabric.ledger.jobs import Jobs
from arc_fabric.ledger.records import JobRecord, SessionRecord
from arc_fabric.ledger.requests import JobRequest, check_steps, digest
from arc_fabric.ledger.trees.resting import ID, Resting, unpacked

_AT_ONCE, _DEAF_S = 20, 5.0
_LOOKS = 3
"""A session may go to rest or come back between two looks."""


class Sessions:
    """Heads in trees, and who works on them."""

    def __init__(self, core: Core, jobs: Jobs, resting: Resting) -> None:
        self._core, self._jobs, self._resting = core, jobs, resting

    def get(self, session_id: str) -> SessionRecord:
        """One session, or SessionNotFound. One of a tree that rests is known without bringing the tree back, unless it
        is a bulk one."""
        for _ in range(_LOOKS):
            (fields,) = self._core.hashes([keys.session(session_id)])
            if fields:
                return SessionRecord.from_fields(fields)
            found = self._resting.sessions([session_id]).get(session_id)
            if isinstance(found, SessionRecord):
                return found
            if found is not None:
                self._core.wake(found)
        raise SessionNotFound(f"No session {session_id}.", session_id=session_id)

    def many(self, session_ids: Sequence[str]) -> list[SessionRecord]:
        """Several sessions in the order given, each as `get` has it."""
        found = self._core.hashes(map(keys.session, session_ids))
        return [
            SessionRecord.from_fields(fields) if fields else self.get(id_)
            for id_, fields in zip(session_ids, found, strict=True)
        ]

    def open(self, **request: Any) -> tuple[SessionRecord, JobRecord]:
        """Accept what `open_request` (same arguments) describes.

        Raises SessionLimitReached, TooManyJobs, IdempotencyMismatch. A repeated key returns the first answer.
        """
        return self._accept(self.open_request(**request))

    def open_request(
        self,
        *,
        prompt: str,
        input_key: str,
        seed: int | None = None,
        model: str | None = None,
        embodiment_id: int = 0,
        state: list[float] | None = None,
        model_settings: Mapping[str, float] | None = None,
        label: str | None = None,
        lease_s: float | None = None,
        owner: str | None = None,
        idempotency_key: str | None = None,
    ) -> JobRequest:
        """A new session and its first job (`create`). Acceptance counts the open sessions atomically. With `lease_s` it
        is closed after so many seconds without a `heartbeat` or a new job. `owner` is the token it is counted for."""
        params: dict[str, object] = {
            "prompt": prompt, "seed": seed, "input_key": input_key, "embodiment_id": embodiment_id, "state": state,
        } | ({"model_settings": dict(model_settings)} if model_settings else {})  # fmt: skip
        session = SessionRecord(id="", prompt=prompt, seed=seed, model=model, embodiment_id=embodiment_id, label=label)
        session.model_settings = dict(model_settings or {})
        session.lease_s = lease_s
        return self._request(session, "create", params, "", "keep", 1, idempotency_key, owner)

    def fork(self, **request: Any) -> tuple[SessionRecord, JobRecord]:
        """Accept what `fork_request` (same arguments) describes.

        Raises CheckpointNotFound, CheckpointUnavailable, SessionLimitReached, TooManyJobs, IdempotencyMismatch.
        """
        return self._accept(self.fork_request(**request))

    def fork_request(
        self,
        *,
        checkpoint_id: str,
        prompt: str | None = None,
        seed: int | None = None,
        prompt_mode: str = "keep",
        model_settings: Mapping[str, float] | None = None,
        steps: int = 0,
        actions: Sequence[Sequence[Sequence[float]] | None] | None = None,
        bulk: bool = False,
        batch: BatchMode | None = None,
        spread: bool = False,
        evaluation: str | None = None,
        label: str | None = None,
        lease_s: float | None = None,
        owner: str | None = None,
        idempotency_key: str | None = None,
    ) -> JobRequest:
        """A new session whose head is an existing checkpoint; `steps` > 0 also runs that many steps. Without steps the
        job has succeeded when it is accepted.

        No tensor is copied and no node is made. Prompt, seed and settings of the model default to the checkpoint's. A
        bulk fork does not count as open, runs after interactive work and is closed when its job ends; `evaluation`
        names the one that it is a variant of. With `batch` its steps may be taken together with those of other such
        forks: with the bits of steps alone (exact), or in one forward pass, equal to rounding (fast). With `spread` it
        goes to the worker that has the least to do, instead of where its parent's state is. Without an `owner` it is
        counted for the parent's. Raises InvalidRequest.
        """
        if prompt_mode not in PROMPT_MODES:
            raise InvalidRequest(f"prompt_mode is one of {', '.join(PROMPT_MODES)}, not {prompt_mode!r}.")
        check_steps(steps, 0, self._core.limits.max_steps_per_job)
        params: dict[str, object] = {
            "checkpoint_id": checkpoint_id, "prompt": prompt, "seed": seed, "prompt_mode": prompt_mode, "steps": steps,
            "actions": actions,
        } | ({} if model_settings is None else {"model_settings": dict(model_settings)})  # fmt: skip
        session = SessionRecord(id="", prompt=prompt, seed=seed, bulk=bulk, label=label)  # type: ignore[arg-type]
        session.lease_s, session.evaluation = lease_s, evaluation
        session.model_settings = model_settings if model_settings is None else dict(model_settings)  # type: ignore[assignment]
        return self._request(
            session, "fork", params, checkpoint_id, prompt_mode, steps, idempotency_key, owner, batch, spread=spread
        )

    def _accept(self, request: JobRequest) -> tuple[SessionRecord, JobRecord]:
        accepted = self._jobs.accept(request)
        assert accepted.session is not None
        return accepted.session, accepted.job

    def _request(
        self,
        session: SessionRecord,
        kind: str,
        params: dict[str, object],
        source: str,
        prompt_mode: str,
        steps: int,
        idempotency_key: str | None,
        owner: str | None,
        batch: BatchMode | None = None,
        *,
        spread: bool = False,
    ) -> JobRequest:
        session.id = new_id("ses")
        job = JobRecord(id=new_id("job"), kind=kind, session_id=session.id, params=params, bulk=session.bulk)
        job.evaluation = session.evaluation
        hidden: dict[str, object] = {
            "_epoch": 0, "_boot": None, "_pending": 0, "_prompt_mode": prompt_mode, "_owner": owner
        }  # fmt: skip
        hidden |= {"_spread": True} if spread else {}
        counted = {"_total": max(steps, 1), "_done": 0} | ({"_batch": batch} if batch else {})
        return JobRequest("sessions/open", job, (
            session.id,
            codec.pack(session.to_dict() | hidden),
            job.id,
            codec.pack(job.to_dict() | counted),
            idempotency_key or "",
            digest(kind, by_content(params), session.label, session.bulk) if idempotency_key else "",
            source,
            self._core.limits.max_open_sessions,
            self._core.limits.max_jobs_total,
            self._core.limits.affinity_queue_bound,
            codec.dumps({"session_id": session.id, "checkpoint_id": source}) if source and not steps else "",
            self._core.limits.quotas_json,
        ))  # fmt: skip

    def close(self, session_id: str) -> SessionRecord:
        """Close at once: the slot is free, unfinished jobs are cancelled, the state is dropped, the tree stays."""
        self._core.scripts.run("sessions/close", session_id)
        return self.get(session_id)

    def heartbeat(self, session_id: str) -> SessionRecord:
        """A sign of life of the session's client: its lease begins anew. Raises SessionNotFound and SessionClosed."""
        return SessionRecord.decoded(self._core.scripts.run("sessions/heartbeat", session_id)[1])

    def lapse(self) -> list[str]:
        """Close the sessions whose client's lease has run out; their ids. The reaper calls it again and again."""
        return self._core.scripts.run("sessions/lapse", _AT_ONCE, _DEAF_S)

    def reopen(self, session_id: str, lease_s: float | None = None) -> SessionRecord:
        """Open a closed session again at its head (SessionLimitReached when all slots are in use), with a lease of its
        client, or without."""
        limits = self._core.limits
        self._core.scripts.run(
            "sessions/reopen", session_id, limits.max_open_sessions, limits.quotas_json, codec.dumps(lease_s)
        )
        return self.get(session_id)

    def page(
        self,
        state: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
        *,
        bulk: bool = False,
        resting: bool = True,
    ) -> Page[SessionRecord]:
        """Sessions, newest first; bulk ones are a list of their own. Those of trees that rest are among them, unless
        told otherwise."""
        if state == "open" and not bulk:
            ids = [i for i in texts(self._core.redis.smembers(keys.SESSIONS_OPEN)) if cursor is None or i < cursor]
            shown = sorted(ids, reverse=True)[:limit]
            found = [SessionRecord.from_fields(s) for s in self._core.hashes(map(keys.session, shown)) if s]
            return Page(found, shown[-1] if len(ids) > limit else None)
        listing = keys.SESSIONS_BULK if bulk else keys.SESSIONS
        rests = resting and state in (None, "closed")  # looked at twice: a tree may come or go meanwhile
        by_id = self._at_rest(cursor, limit + 1, bulk) if rests else {}
        here = self._core.page(SessionRecord.from_fields, listing, keys.session, cursor, limit + 1, state=state)
        by_id |= self._at_rest(cursor, limit + 1, bulk) if rests else {}
        by_id |= {session.id: session for session in here.items}
        ids = sorted(by_id, reverse=True)
        return Page([by_id[i] for i in ids[:limit]], ids[limit - 1] if len(ids) > limit else None)

    def _at_rest(self, cursor: str | None, limit: int, bulk: bool) -> dict[str, SessionRecord]:
        """The newest sessions of resting trees after a cursor."""
        listing = keys.SESSIONS_RESTING_BULK if bulk else keys.SESSIONS_RESTING
        kept = texts(self._core.redis.zrevrangebylex(listing, f"({cursor}" if cursor else "+", "-", 0, limit))
        found = {text[:ID]: unpacked(text) for text in kept}
        for tree_id in {one for one in found.values() if isinstance(one, str)}:
            row = self._resting.row(tree_id)
            if row and self._core.bed:
                stored = self._core.bed.sessions(tree_id, row["token"])
                found |= {i: SessionRecord.from_fields(codec.decode(stored[i])) for i in found.keys() & stored.keys()}
        return {i: one for i, one in found.items() if isinstance(one, SessionRecord)}
