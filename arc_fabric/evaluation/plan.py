"""What an evaluation tries. A variant is named by its number, so that ten thousand of them need no record each.

>>> at = "ckp_01jd6xy0m8v9k2q4r6t8w0y2z4"
>>> plan = Plan(checkpoints=[at], prompts=["pick it up", "push it"], seeds=[0, 1, 2], steps=8)
>>> plan.total, plan.variant(3).prompt, plan.variant(3).seed
(6, 'push it', 1)
"""

from __future__ import annotations

import hashlib
import math
import tomllib
from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from arc_fabric.base.terms import BatchMode, PromptMode
from arc_fabric.errors import InvalidRequest
from arc_fabric.records.types import CheckpointId

MOST_VARIANTS, MOST_ACTIONS = 100_000, 1000
_Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
_Prompt = Annotated[str, Field(min_length=1)]
_Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
_Value = Annotated[float, Field(allow_inf_nan=False)]


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


class PolicyUse(_Part):
    """A policy that acts from outside; whoever runs it (`arc_fabric.acting`, `arc-fabric act`) knows it by its name."""

    name: _Name = Field(description="What results call it.", examples=["pi0"])
    note: str | None = Field(None, max_length=1000, description="What it is, for people.", examples=["seed 7, 12k"])


class Listed(_Part):
    """One variant by itself. What it leaves out is the first entry of the plan's list."""

    checkpoint: CheckpointId | None = Field(None, description="Where it forks.")
    prompt: _Prompt | None = Field(None, description="Its prompt.", examples=["push the cup to the left"])
    seed: _Seed | None = Field(None, description="Its seed.", examples=[3])
    actions: _Name | None = Field(None, description="Name of one of the plan's `actions`.", examples=["reach left"])
    prompt_mode: PromptMode | None = Field(None, description="What its prompt does to the window's older KV.")
    policy: _Name | None = Field(None, description="Name of one of the plan's `policies`.", examples=["pi0"])
    model_settings: dict[_Name, _Value] | None = Field(
        None, description="Its settings of the model that are not the defaults.", examples=[{}]
    )


class Plan(_Part):
    """What an evaluation tries: every combination of the lists given, or the variants listed."""

    label: str | None = Field(None, max_length=200, description="A name for people.", examples=["which verb works"])
    tags: list[_Name] = Field(default_factory=list, max_length=20, description="To find it again.", examples=[["ci"]])
    checkpoints: list[CheckpointId] = Field(min_length=1, max_length=100, description="Where the variants fork.")
    prompts: list[_Prompt | None] = Field(
        default=[None], min_length=1, max_length=1000, description="null: the checkpoint's own."
    )
    seeds: list[_Seed | None] = Field(
        fail_fast=True,
        default=[None],
        min_length=1,
        max_length=MOST_VARIANTS,
        description="null: the checkpoint's own.",
    )
    actions: Sequence[ActionPlan] = Field(
        default_factory=list, max_length=MOST_ACTIONS, description="Given actions; none: the policy acts."
    )
    prompt_mode: PromptMode = Field("keep", description="What a new prompt does to the window's older KV.")
    batch: BatchMode = Field(
        "exact",
        description="How variants step together: with the bits of each one alone (exact), or in one forward pass where "
        "the model can, faster and equal to rounding (fast).",
    )
    prompt_modes: list[PromptMode] = Field(
        default_factory=list, max_length=3, description="Several of these, each tried, in place of `prompt_mode`."
    )
    model_settings: dict[_Name, Annotated[list[_Value], Field(min_length=1, max_length=1000)]] = Field(
        default_factory=dict, max_length=20,
        description="Values to try of settings of the model (abilities.settings of GET /api/model), every combination. "
        "Those that are not named are the model's defaults; with none named a variant has its checkpoint's.",
        examples=[{}],
    )  # fmt: skip
    policies: list[PolicyUse] = Field(
        default_factory=list, max_length=100,
        description="Policies that act from outside, closed loop. With any, variants are made by whoever runs them.",
    )  # fmt: skip
    variants: list[Listed] = Field(
        default_factory=list, max_length=10_000, description="Variants one by one, in place of every combination."
    )
    repeats: int | None = Field(
        None, ge=1, le=MOST_VARIANTS, description="So many seeds, from 0, in place of `seeds`.", examples=[32]
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
    stop_when_within: float | None = Field(
        None, gt=0, lt=1, description="Stop when the 95 % interval of the success rate is no wider than this.",
        examples=[0.2],
    )  # fmt: skip
    mark: bool = Field(True, description="Write score and failure to the last checkpoint of each variant.")

    @field_validator("seeds", "prompts", "checkpoints", "prompt_modes")
    @classmethod
    def _each_once(cls, given: list[Any]) -> list[Any]:
        if len(set(given)) < len(given):
            raise ValueError("a value is there twice: equal variants have equal results, bit for bit")
        return given

    @field_validator("actions", mode="before")
    @classmethod
    def _few(cls, given: Any) -> Any:
        """Of a `Sequence` pydantic looks at every member before it counts them."""
        if isinstance(given, list | tuple) and len(given) > MOST_ACTIONS:
            raise ValueError(f"should have at most {MOST_ACTIONS} entries, not {len(given)}")
        return given

    @field_validator("model_settings")
    @classmethod
    def _values_once(cls, given: dict[str, list[float]]) -> dict[str, list[float]]:
        for values in given.values():
            cls._each_once(values)
        return given

    @field_validator("actions", "policies")
    @classmethod
    def _named_once(cls, given: Sequence[Any]) -> Sequence[Any]:
        if len({one.name for one in given}) < len(given):
            raise ValueError("two have one name")
        return given

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.repeats is not None:
            if self.seeds not in ([None], list(range(self.repeats))):
                raise ValueError("give seeds or repeats, not both")
            self.seeds = list(range(self.repeats))
        if self.total > MOST_VARIANTS:
            raise ValueError(f"{self.total} variants are more than {MOST_VARIANTS}")
        long = [one.name for one in self.actions if len(one.actions) > self.steps]
        if long:
            raise ValueError(f"{long[0]!r} has more actions than a variant has steps ({self.steps})")
        if self.policies and self.actions:
            raise ValueError("actions are given or chosen by a policy: leave out `actions` or `policies`")
        if self.variants:
            self._check_listed()
        return self

    def _check_listed(self) -> None:
        """Listed variants name what is there, and no list beside them is left untried."""
        lists = (("prompts", self.prompts), ("seeds", self.seeds), ("prompt_modes", self.prompt_modes))
        counts = {name: len(values) for name, values in lists} | {"model_settings": self._settings_tried}
        for name, count in counts.items():
            if count > 1:
                raise ValueError(f"{name} has several values and variants are listed: only these are tried")
        for kind, known in (("actions", self.actions), ("policy", self.policies)):
            names = {one.name for one in known}
            for one in self.variants:
                given = getattr(one, kind)
                if given is not None and given not in names:
                    raise ValueError(f"a variant names {kind} {given!r}; there are: {', '.join(names) or 'none'}")
        if len({one.model_dump_json() for one in self.variants}) < len(self.variants):
            raise ValueError("a variant is there twice: equal variants have equal results, bit for bit")

    @property
    def starts(self) -> list[str]:
        """Every checkpoint that a variant forks."""
        return list(dict.fromkeys([*self.checkpoints, *(v.checkpoint for v in self.variants if v.checkpoint)]))

    @property
    def _settings_tried(self) -> int:
        """Combinations of the model's settings; 1 where none is named."""
        return math.prod(map(len, self.model_settings.values()))

    def _settings(self, number: int) -> dict[str, float] | None:
        """One of these: by the order of the names, the last turning fastest. None: those of the checkpoint."""
        found = {}
        for name in sorted(self.model_settings, reverse=True):
            number, at = divmod(number, len(self.model_settings[name]))
            found[name] = self.model_settings[name][at]
        return dict(sorted(found.items())) or None

    @property
    def total(self) -> int:
        """Variants."""
        if self.variants:
            return len(self.variants)
        lists = (self.checkpoints, self.prompts, self.seeds, self.actions, self.policies, self.prompt_modes)
        return math.prod(max(1, len(values)) for values in lists) * self._settings_tried

    def variant(self, number: int) -> Variant:
        """The variant of this number, 0 to total - 1. Seeds turn slowest: a run that was cut off has tried each
        combination about equally often."""
        if self.variants:
            return self._listed(number)
        modes = self.prompt_modes or [self.prompt_mode]
        actions: Sequence[ActionPlan | None] = self.actions or [None]
        policies: Sequence[str | None] = [one.name for one in self.policies] or [None]
        rest, c = divmod(number, len(self.checkpoints))
        rest, p = divmod(rest, len(self.prompts))
        rest, a = divmod(rest, len(actions))
        rest, o = divmod(rest, len(policies))
        rest, k = divmod(rest, self._settings_tried)
        seed, m = divmod(rest, len(modes))
        return Variant(
            number=number, checkpoint=self.checkpoints[c], prompt=self.prompts[p], seed=self.seeds[seed],
            actions=actions[a], prompt_mode=modes[m], policy=policies[o], batch=self.batch,
            model_settings=self._settings(k),
        )  # fmt: skip

    def _listed(self, number: int) -> Variant:
        one = self.variants[number]
        given = next((plan for plan in self.actions if plan.name == one.actions), None)
        return Variant(
            number=number, checkpoint=one.checkpoint or self.checkpoints[0], prompt=one.prompt or self.prompts[0],
            seed=self.seeds[0] if one.seed is None else one.seed, actions=given,
            prompt_mode=one.prompt_mode or (self.prompt_modes or [self.prompt_mode])[0],
            policy=one.policy or (self.policies[0].name if self.policies else None),
            batch=self.batch,
            model_settings=self._settings(0) if one.model_settings is None else one.model_settings,
        )  # fmt: skip

    def digest(self) -> str:
        """SHA-256 of what decides the results, in hex: not of label, tags, priority."""
        aside: dict[str, Any] = dict.fromkeys(("label", "tags", "priority", "mark"), True)
        aside |= {"batch": True} if self.batch == "exact" else {}
        aside |= {} if self.model_settings else {"model_settings": True}
        if not any(one.model_settings for one in self.variants):  # as it was before there were any
            aside["variants"] = {"__all__": {"model_settings"}}
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
    prompt_mode: PromptMode = "keep"
    policy: str | None = None
    model_settings: dict[str, float] | None = None
    """Those that are not the model's defaults; None: those of the checkpoint."""


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
