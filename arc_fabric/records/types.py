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
FLOAT32_MAX = 3.4028234663852886e38
LABEL_CHARS, NOTE_CHARS, TAG_CHARS, TAGS = 200, 4000, 40, 32
Epoch = Annotated[float, Field(ge=0, le=1e12, examples=[1735689600.25])]
"""A time in epoch seconds, UTC."""
Seconds = Annotated[float, Field(ge=0, le=1e12)]
Count = Annotated[int, Field(ge=0, le=2**53)]
"""A whole number that JavaScript and Lua can hold."""
Number = Annotated[float, Field(ge=-FLOAT32_MAX, le=FLOAT32_MAX)]
"""A number in the range of 32-bit floats, as models take them."""
ModelSettings = Annotated[dict[str, Number], Field(max_length=100)]
Score = Annotated[float, Field(ge=-1e9, le=1e9)]
Label = Annotated[str, Field(max_length=LABEL_CHARS)]
Note = Annotated[str, Field(max_length=NOTE_CHARS)]
Tags = Annotated[list[Annotated[str, Field(min_length=1, max_length=TAG_CHARS)]], Field(max_length=TAGS)]
Prompt = Annotated[str, Field(examples=["pick up the red cup"])]
Seed = Annotated[int, Field(examples=[42])]
WorkerName = Annotated[str, Field(examples=["gpu.0"])]
