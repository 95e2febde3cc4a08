"""Types of members, as pydantic checks them and OpenAPI shows them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from arc_fabric.ids import pattern

SESSION_EXAMPLE = "ses_01jd6xy0m8v9k2q4r6t8w0y2z4"
CHECKPOINT_EXAMPLE = "ckp_01jd6xy0m8v9k2q4r6t8w0y2z4"
JOB_EXAMPLE = "job_01jd6xy0m8v9k2q4r6t8w0y2z4"


def says(description: str, example: Any) -> Any:
    """What a member of a nested object holds."""
    return Field(description=description, examples=[example])


def _id(description: str, example: str) -> Any:
    return Field(pattern=pattern(example[:3]), description=description, json_schema_extra={"example": example})


SessionId = Annotated[str, _id("Session id.", SESSION_EXAMPLE)]
CheckpointId = Annotated[str, _id("Checkpoint (node) id.", CHECKPOINT_EXAMPLE)]
JobId = Annotated[str, _id("Job id.", JOB_EXAMPLE)]
Epoch = Annotated[float, Field(examples=[1735689600.25])]
"""A time in epoch seconds, UTC."""
Prompt = Annotated[str, Field(examples=["pick up the red cup"])]
Seed = Annotated[int, Field(examples=[42])]
WorkerName = Annotated[str, Field(examples=["gpu.0"])]
