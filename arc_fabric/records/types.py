"""Types of members, as pydantic checks them and OpenAPI shows them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from arc_fabric.ids import pattern

SESSION_EXAMPLE = "ses_01jd6xy0m8v9k2q4r6t8w0y2z4"
CHECKPOINT_EXAMPLE = "ckp_01jd6xy0m8v9k2q4r6t8w0y2z4"
JOB_EXAMPLE = "job_01jd6xy0m8v9k2q4r6t8w0y2z4"

SessionId = Annotated[
    str,
    Field(pattern=pattern("ses"), description="Session id.", json_schema_extra={"example": SESSION_EXAMPLE}),
]
CheckpointId = Annotated[
    str,
    Field(
        pattern=pattern("ckp"),
        description="Checkpoint (node) id.",
        json_schema_extra={"example": CHECKPOINT_EXAMPLE},
    ),
]
JobId = Annotated[str, Field(pattern=pattern("job"), description="Job id.", json_schema_extra={"example": JOB_EXAMPLE})]
Epoch = Annotated[float, Field(examples=[1735689600.25])]
"""A time in epoch seconds, UTC."""
Prompt = Annotated[str, Field(examples=["pick up the red cup"])]
Seed = Annotated[int, Field(examples=[42])]
WorkerName = Annotated[str, Field(examples=["gpu.0"])]
