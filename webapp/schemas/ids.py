"""Paths, queries and headers shared by many routes."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from arc_fabric.records.types import CheckpointId, JobId, SessionId

IdempotencyKey = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")]


class SessionPath(BaseModel):
    """A session in the path."""

    session_id: SessionId


class CheckpointPath(BaseModel):
    """A checkpoint in the path."""

    checkpoint_id: CheckpointId


class TreePath(BaseModel):
    """A tree in the path."""

    tree_id: CheckpointId


class JobPath(BaseModel):
    """A job in the path."""

    job_id: JobId


class SessionFramePath(SessionPath):
    """A video frame of a session."""

    n: int = Field(
        ge=0, le=2**31 - 1, description="Video frame number; 0 is the initial frame.", json_schema_extra={"example": 8}
    )


class SessionStepPath(SessionPath):
    """A step of a session's lineage."""

    n: int = Field(
        ge=0,
        le=2**31 - 1,
        description="frame_index: steps from the root, 0 is the root.",
        json_schema_extra={"example": 8},
    )


class CheckpointFramePath(CheckpointPath):
    """A frame of a checkpoint's own step."""

    i: int = Field(ge=0, le=2**31 - 1, description="Frame within the step, from 0.", json_schema_extra={"example": 0})


class Query(BaseModel):
    """Base of query strings: unknown parameters are refused."""

    model_config = ConfigDict(extra="forbid")


class WaitHeaders(BaseModel):
    """Headers of requests that may wait for a job."""

    prefer: str | None = Field(
        None,
        alias="Prefer",
        max_length=200,
        pattern=r"^[\x20-\x7e]*$",
        description="`wait=<seconds>`: answer when the job has finished, at the latest after so long (60 at most).",
        json_schema_extra={"example": "wait=10"},
    )


class KeyHeaders(BaseModel):
    """Headers of requests that make something once, however often they are sent."""

    idempotency_key: IdempotencyKey | None = Field(
        None,
        alias="Idempotency-Key",
        description="Repeating a request with the same key returns what the first one made instead of doing it again.",
        json_schema_extra={"example": "7f9c2ba4e88f827d"},
    )


class WorkHeaders(KeyHeaders, WaitHeaders):
    """Headers of requests that start work."""
