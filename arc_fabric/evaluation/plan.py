"""What an evaluation tries. A variant is named by its number, so that ten thousand of them need no record each.

>>> at = "ckp_01jd6xy0m8v9k2q4r6t8w0y2z4"
>>> plan = Plan(checkpoints=[at], prompts=["pick it up", "push it"], seeds=[0, 1, 2], steps=8)
>>> plan.total, plan.variant(3).prompt, plan.variant(3).seed
(6, 'push it', 1)
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from arc_fabric.base.terms import BatchMode, PromptMode
from arc_fabric.errors import InvalidRequest
from arc_fabric.records.types import CheckpointId

MOST_VARIANTS = 100_000
_Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
_Prompt = Annotated[str, Field(min_length=1)]
_Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ScorerUse(_Part):
    """A scorer, and with what options it is called."""

    name: str = Field(
        min_length=1, max_length=200, examples=["action_magnitude"],
        description="GET /api/scorers lists the names; own ones by entry point or as `module:function`.",
    )  # fmt: skip
    options: dict[str, float | str | bool | None] = Field(
        default_factory=dict, description="Keyword arguments of the scorer.", examples=[{"limit": 0.8}]
    )


class ActionPlan(_Part):
    """A named sequence of actions."""

    name: _Name = Field(description="What results call it.", examples=["reach left"])
    actions: list[list[list[float]]] = Field(
        min_length=1, max_length=1000,
        description="float [steps][action_horizon][action_dim]; the policy acts after the last.",
    )  # fmt: skip


class Plan(_Part):
    """What an evaluation tries: every combination of the lists given."""

    label: str | None = Field(None, max_length=200, description="A name for people.", examples=["which verb works"])
    tags: list[_Name] = Field(default_factory=list, max_length=20, description="To find it again.", examples=[["ci"]])
    checkpoints: list[CheckpointId] = Field(min_length=1, max_length=100, description="Where the variants fork.")
    prompts: list[_Prompt | None] = Field(
        default=[None], min_length=1, max_length=1000, description="null: the checkpoint's own."
    )
    seeds: list[_Seed | None] = Field(
        default=[None], min_length=1, max_length=MOST_VARIANTS, description="null: the checkpoint's own."
    )
    actions: Sequence[ActionPlan] = Field(
        default_factory=list, max_length=1000, description="Given actions; none: the policy acts."
    )
    prompt_mode: PromptMode = Field("keep", description="What a new prompt does to the window's older KV.")
    batch: BatchMode = Field(
        "exact",
        description="How variants step together: with the bits of each one alone (exact), or in one forward pass where "
        "the model can, faster and equal to rounding (fast).",
    )
    steps: int = Field(ge=1, le=100_000, description="Steps per variant.", examples=[8])
    scorers: list[ScorerUse] = Field(
        default_factory=lambda: [ScorerUse(name="action_magnitude")], min_length=1, max_length=20,
        description="How each variant is judged: good when no scorer says bad and at least one says good.",
    )  # fmt: skip
    priority: int = Field(5, ge=0, le=9, description="Among evaluations; 0 goes first.")
    max_steps: int | None = Field(None, ge=1, description="Stop when so many steps were made. null: no limit.")
    max_seconds: float | None = Field(None, gt=0, description="Stop after so long. null: no limit.")
    stop_after_failures: int | None = Field(None, ge=1, description="Stop when so many variants failed.")
    mark: bool = Field(True, description="Write score and failure to the last checkpoint of each variant.")

    @field_validator("seeds", "prompts", "checkpoints")
    @classmethod
    def _each_once(cls, given: list[Any]) -> list[Any]:
        if len(set(given)) < len(given):
            raise ValueError("a value is there twice: equal variants have equal results, bit for bit")
        return given

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.total > MOST_VARIANTS:
            raise ValueError(f"{self.total} variants are more than {MOST_VARIANTS}")
        if len({one.name for one in self.actions}) < len(self.actions):
            raise ValueError("two of `actions` have one name")
        long = [one.name for one in self.actions if len(one.actions) > self.steps]
        if long:
            raise ValueError(f"{long[0]!r} has more actions than a variant has steps ({self.steps})")
        return self

    @property
    def total(self) -> int:
        """Variants."""
        return len(self.checkpoints) * len(self.prompts) * max(1, len(self.actions)) * len(self.seeds)

    def variant(self, number: int) -> Variant:
        """The variant of this number, 0 to total - 1. Seeds turn slowest: a run that was cut off has tried each
        combination about equally often."""
        rest, c = divmod(number, len(self.checkpoints))
        rest, p = divmod(rest, len(self.prompts))
        seed, a = divmod(rest, max(1, len(self.actions)))
        return Variant(
            number=number, checkpoint=self.checkpoints[c], prompt=self.prompts[p], seed=self.seeds[seed],
            actions=self.actions[a] if self.actions else None, batch=self.batch,
        )  # fmt: skip

    def digest(self) -> str:
        """SHA-256 of what decides the results, in hex: not of label, tags, priority."""
        aside = {"label", "tags", "priority", "mark"} | ({"batch"} if self.batch == "exact" else set())
        body = self.model_dump_json(exclude=aside)
        return hashlib.sha256(body.encode()).hexdigest()


class Variant(_Part):
    """One of the things that an evaluation tries."""

    number: int
    checkpoint: str
    prompt: str | None
    seed: int | None
    actions: ActionPlan | None
    batch: BatchMode = "exact"


def seeds_of(text: str) -> list[int]:
    """'1,2,3' or '0-7' (both ends). Raises InvalidRequest, also where that names no seed.

    >>> seeds_of("0-2,7")
    [0, 1, 2, 7]
    """
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not (first.isascii() and first.isdigit() and (not dash or (last.isascii() and last.isdigit()))):
            raise InvalidRequest(f"seeds {text!r}: expected 1,2,3 or 0-7.")
        low, high = int(first), int(last if dash else first)
        if high < low:
            raise InvalidRequest(f"seeds {text!r}: {low}-{high} holds none; write {high}-{low}.")
        if high - low >= MOST_VARIANTS:
            raise InvalidRequest(f"seeds {text!r}: more than {MOST_VARIANTS}.")
        found.extend(range(low, high + 1))
    return found


def plan_of(values: dict[str, Any]) -> Plan:
    """A plan from what a TOML file or a caller says; `seeds` may be a text as in `seeds_of`. Raises InvalidRequest."""
    if isinstance(values.get("seeds"), str):
        values = values | {"seeds": seeds_of(values["seeds"])}
    try:
        return Plan.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the plan"
        raise InvalidRequest(
            f"{where}: {first['msg'].removeprefix('Value error, ')}.", hint="docs/how-to/evaluate.md shows a plan."
        ) from None


def plan_from_toml(text: str) -> dict[str, Any]:
    """The values of a TOML file. Raises InvalidRequest."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidRequest(f"This is no TOML: {error}.") from None
