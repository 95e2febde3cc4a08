"""What is known of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from arc_fabric.ids import pattern
from arc_fabric.records.record import Record, member
from arc_fabric.records.types import Epoch

EVALUATION_EXAMPLE = "evl_01jd6xy0m8v9k2q4r6t8w0y2z4"
EvaluationId = Annotated[
    str, Field(pattern=pattern("evl"), description="Evaluation id.", json_schema_extra={"example": EVALUATION_EXAMPLE})
]
EvaluationState = Literal["running", "cancelled", "stopped", "finished"]


@dataclass
class Evaluation(Record):
    """Variants that are tried from checkpoints, and how far that is."""

    id: EvaluationId = member()
    state: EvaluationState = member(
        "stopped: a limit of its plan was reached. Cancelled and stopped ones can be resumed.", "running"
    )
    why: str | None = member(
        "Why it stopped; null while it did not.", None, example="6 steps were made; the plan allows 6"
    )
    label: str | None = member("A name for people.", None, example="which verb works")
    tags: list[str] = member("To find it again.", make=list, example=["ci"])
    rescores: EvaluationId | None = member(
        "The evaluation whose branches it judged anew, stepping nothing; null: it made its own.", None, later=True
    )
    plan_digest: str = member("SHA-256 of what decides its results, in hex.", "", example="9f2c…")
    total: int = member("Variants in all.", 0, example=64)
    done: int = member("Variants with a result.", 0, example=12)
    running: int = member("Variants that are being made or judged.", 0, example=2)
    good: int = member("Results with a good verdict.", 0, example=9)
    bad: int = member("Results with a bad verdict.", 0, example=3)
    errors: int = member(
        "Variants that came to nothing, or whose scorer failed: no failures, counted apart.", 0, example=0
    )
    steps: int = member("Steps made for it.", 0, example=96)
    priority: int = member("Among evaluations; 0 goes first.", 5, example=5)
    created: Epoch = member("Accepted; epoch seconds, UTC.", 0.0)
    finished: Epoch | None = member("Epoch seconds, UTC; null while it runs.", None)
    model: dict[str, Any] = member(
        "The model that ran when it was accepted: {name, digest of its weights, identity: SHA-256 of all that makes "
        "its bits}.", make=dict, example={"name": "tabletop", "digest": "sha256:1a2b…", "identity": "9f2c…"},
    )  # fmt: skip
    versions: dict[str, str] = member("Of the software.", make=dict, example={"arc-fabric": "0.1.0"})
