"""Every error Arc Fabric raises on purpose.

    ArcFabricError
    +-- InvalidRequest            the caller's input is wrong (HTTP 400 / 422)
    |   +-- InvalidImage
    |   +-- UnknownSetting
    +-- NotFound                  (404)
    |   +-- SessionNotFound, CheckpointNotFound, JobNotFound, NodeNotFound, FrameNotFound
    +-- Conflict                  the world has moved, or a limit is met (409)
    |   +-- SessionLimitReached, HeadMoved, SessionClosed, RewindBeyondRoot, Fenced, CheckpointUnavailable
    |   +-- IdempotencyMismatch, EventsLost, PinLimitReached
    +-- TooManyJobs, RateLimited, QuotaExceeded  (429); StorageQuotaExceeded (507)
    +-- Unauthorized, Forbidden   (401, 403)
    +-- PayloadTooLarge           (413)
    +-- ModelError                the model failed; the session stays at its last commit
    |   +-- ModelUnavailable, ModelOutOfMemory, NonFiniteLatents, IdentityMismatch, KVRebuildMismatch, StateOverwritten
    +-- StoreError                snapshots cannot be written or read
    |   +-- StoreUnavailable (503), DamagedSnapshot, UnknownFormat
    +-- Cancelled, DeadlineExceeded
    +-- TooManyViewers            (503)
    +-- MissingExtra              a package is not installed that an extra of arc-fabric brings (501)
    +-- ServiceError              an embedded service or a worker did not come up (503)

A message says what happened, what was expected and what to do. Data stays in attributes (`context`), so that the
HTTP layer can render `application/problem+json` and scripts need not parse prose.
"""

from __future__ import annotations

from typing import Any, ClassVar


class ArcFabricError(Exception):
    """Base of all errors of this project.

    `status` is the HTTP status the web layer answers with, `code` a stable machine-readable name,
    `hint` what the reader can do about it, `context` JSON-safe facts.
    """

    status: ClassVar[int] = 500
    hint: ClassVar[str] = ""

    def __init__(self, message: str, *, hint: str | None = None, **context: Any) -> None:
        super().__init__(message)
        self.message = message
        self.what_to_do = self.hint if hint is None else hint
        self.context = context

    @property
    def code(self) -> str:
        """The class name, used as the stable error type in records and problem bodies."""
        return type(self).__name__

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form kept in job records: type, message, what_to_do, context."""
        return {"type": self.code, "message": self.message, "what_to_do": self.what_to_do, "context": self.context}


class InvalidRequest(ArcFabricError):
    """The caller's input is wrong."""

    status = 422


class InvalidImage(InvalidRequest):
    """An initial or observed frame is not an image we accept."""

    hint = "Send a PNG, JPEG or WebP of at most 4096 x 4096 pixels, or 'sample:<name>'."


class UnknownSetting(InvalidRequest):
    """A setting, option or action name does not exist."""


class NotFound(ArcFabricError):
    """Something named by the caller does not exist."""

    status = 404


class SessionNotFound(NotFound):
    """No session has this id."""

    hint = "GET /api/sessions lists the sessions."


class CheckpointNotFound(NotFound):
    """No checkpoint has this id."""

    hint = "GET /api/sessions/{id}/tree lists the checkpoints of a session."


class NodeNotFound(CheckpointNotFound):
    """The trajectory tree has no such node."""


class JobNotFound(NotFound):
    """No job has this id."""

    hint = "GET /api/jobs lists the jobs; job records are kept for a limited time."


class FrameNotFound(NotFound):
    """The session's trajectory has no such video frame."""


class Conflict(ArcFabricError):
    """The request is well-formed but cannot be done in the present state."""

    status = 409


class SessionLimitReached(Conflict):
    """All session slots are in use."""

    hint = "Close a session (DELETE /api/sessions/{id}) or raise max_open_sessions."


class PinLimitReached(Conflict):
    """No more checkpoints may be pinned."""

    hint = "Unpin a checkpoint (POST /api/checkpoints/{id}/unpin) or raise max_pinned."


class SessionClosed(Conflict):
    """The session is closed; its tree is kept."""

    hint = "Reopen it, or fork one of its checkpoints into a new session."


class HeadMoved(Conflict):
    """`if_head` named another checkpoint than the session's head."""

    hint = "Read the session again and decide on its new head."


class RewindBeyondRoot(Conflict):
    """A rewind asked for more steps than the lineage has."""


class CheckpointUnavailable(Conflict):
    """The node exists but its payload was deleted or is not stored yet."""


class IdempotencyMismatch(Conflict):
    """An Idempotency-Key came again, with another request."""

    hint = "Use a fresh Idempotency-Key for a different request."


class EventsLost(Conflict):
    """A replay of events was asked for that reaches back further than they are kept."""

    hint = "Read the session, its tree and its jobs again over HTTP; later events follow on this connection."


class Fenced(Conflict):
    """A worker whose lease was lost tried to commit; its result is dropped."""


class TooManyJobs(ArcFabricError):
    """A queue is full."""

    status = 429
    hint = "Wait for queued jobs to finish and send the request again."


class RateLimited(ArcFabricError):
    """One client sends requests faster than the server wants to answer."""

    status = 429
    hint = "Send fewer requests per second; use ?wait= or the WebSocket instead of polling."


class QuotaExceeded(ArcFabricError):
    """The holder of a token has as many sessions open as its quota allows."""

    status = 429
    hint = "Close a session, or ask the operator for another quota (setting quotas)."


class StorageQuotaExceeded(ArcFabricError):
    """The sessions of a token's holder have stored as many bytes as its quota allows."""

    status = 507
    hint = "Delete trees that are not needed ('arc-fabric delete'), or ask the operator for more (setting quotas)."


class TooManyViewers(ArcFabricError):
    """All places for WebSocket viewers are taken."""

    status = 503
    hint = "Close another page, or raise max_viewers."


class Unauthorized(ArcFabricError):
    """No valid token came with the request."""

    status = 401
    hint = "Send 'Authorization: Bearer <token>'."


class Forbidden(ArcFabricError):
    """The token or origin does not allow this request."""

    status = 403


class PayloadTooLarge(ArcFabricError):
    """The request body is larger than the server accepts."""

    status = 413


class ModelError(ArcFabricError):
    """The model failed during a step; the session stays at its last committed checkpoint."""


class ModelUnavailable(ModelError):
    """The model cannot be loaded (package, weights or memory missing)."""

    status = 503


class ModelOutOfMemory(ModelError):
    """The device ran out of memory during a step."""


class NonFiniteLatents(ModelError):
    """The model produced NaN or infinite latents."""


class IdentityMismatch(ModelError):
    """A snapshot was taken under another model identity."""

    status = 409
    hint = "Load the model that made the snapshot, or pass force=True and accept different results."


class KVRebuildMismatch(ModelError):
    """A KV cache rebuilt from latents does not match the stored fingerprints."""


class StateOverwritten(ModelError):
    """The model wrote into a tensor that a captured state consists of."""

    hint = (
        "A model must replace the tensors of its state, also those that `load_state` was given, or declare the "
        "parts that it writes in place."
    )


class StoreError(ArcFabricError):
    """Snapshots cannot be written or read."""


class StoreUnavailable(StoreError):
    """The object store does not answer."""

    status = 503
    hint = "Check the object store (arc-fabric doctor); work continues when it is back."


class DamagedSnapshot(StoreError):
    """Stored bytes do not match their digest."""

    hint = "Run 'arc-fabric fsck --read-data' to see what is affected; damaged KV can be rebuilt from latents."


class UnknownFormat(StoreError):
    """A stored file has a format version this software does not know."""

    hint = "Upgrade arc-fabric to a version that reads this format."


class Cancelled(ArcFabricError):
    """The job was cancelled by its user."""

    status = 409


class DeadlineExceeded(ArcFabricError):
    """A step or a wait took longer than allowed."""

    status = 504


class MissingExtra(ArcFabricError):
    """What was asked for needs a package that an extra of the distribution brings (`arc_fabric.extras`)."""

    status = 501


class ServiceError(ArcFabricError):
    """An embedded service or worker did not come up, or died."""

    status = 503
