"""Request bodies. Types are strict (no "5" for 5) and unknown members are refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, RootModel, Tag, model_validator
from pydantic.config import JsonDict

from arc_fabric.base import terms
from arc_fabric.base.terms import ClipForm
from arc_fabric.records.types import (
    FLOAT32_MAX,
    LABEL_CHARS,
    NOTE_CHARS,
    TAG_CHARS,
    TAGS,
    CheckpointId,
    SessionId,
)
from webapp.model import sample_names
from webapp.schemas.ids import IdempotencyKey
from webapp.work import checks

MOST = 4096
"""Of numbers, actions or pictures, while no model runs that says how many it takes."""
OPEN = "x-open"
"""Marks a schema that a setting or a size of the running model completes (webapp.openapi.document)."""


def decided_by(name: str) -> dict[str, Any]:
    """What a schema carries until that setting or size is known."""
    return {OPEN: name}


Prompt = Annotated[
    str,
    Field(
        min_length=1,
        description="What shall happen, in words.",
        json_schema_extra=decided_by("max_prompt_chars"),
        examples=["pick up the red cup"],
    ),
    AfterValidator(checks.prompt),
]
Seed = Annotated[int, Field(ge=0, le=2**31 - 1, description="Seed of the sampler.", examples=[42])]
Label = Annotated[
    str, Field(max_length=LABEL_CHARS, description="A name for people.", examples=["grasp from the left"])
]
Number = Annotated[
    float,
    Field(ge=-FLOAT32_MAX, le=FLOAT32_MAX, description="A number in the range of 32-bit floats, as models take them."),
]
_Numbers = Annotated[list[Number], Field(fail_fast=True, max_length=MOST, json_schema_extra=decided_by("action_dim"))]
_Named = Annotated[
    dict[str, Number],
    Field(min_length=1, max_length=MOST, json_schema_extra=decided_by("action_names")),
]
Row = Annotated[
    Annotated[_Numbers, Tag("numbers")] | Annotated[_Named, Tag("named")],
    Discriminator(lambda value: "named" if isinstance(value, dict) else "numbers"),
    AfterValidator(checks.row),
]
"""An action: its numbers in order, or by name; it is numbers in order when it was checked."""
Chunk = Annotated[
    list[Row],
    Field(fail_fast=True, min_length=1, max_length=MOST, json_schema_extra=decided_by("action_horizon")),
    AfterValidator(checks.chunk),
]
State = Annotated[
    list[Number],
    Field(
        fail_fast=True,
        max_length=MOST,
        description="Robot state, float [state_dim] in the model's own units.",
        json_schema_extra=decided_by("state_dim"),
    ),
    AfterValidator(checks.state),
]
Actions = Annotated[
    list[Chunk | None],
    Field(
        fail_fast=True,
        min_length=1,
        max_length=1000,
        description="One entry per step: float [action_horizon][action_dim], or null to let the policy predict. An "
        "action can also be an object, number by name; what is not named rests. GET /api/model gives names, sizes and "
        "limits; where it has `controls`, what is beyond their limits is refused.",
    ),
]
_BASE64 = r"^(data:image/(png|jpeg|webp);base64,)?[A-Za-z0-9+/\s]{40,}={0,2}\s*$"
_FRAMES: list[Any] = [
    {"enum": [f"sample:{name}" for name in sample_names()]},
    {"contentEncoding": "base64", "pattern": _BASE64},
]
Image = Annotated[str, Field(min_length=1, json_schema_extra={"anyOf": _FRAMES}), AfterValidator(checks.picture)]
_Cameras = Field(min_length=1, max_length=MOST, json_schema_extra=decided_by("cameras"))
Picture = Annotated[
    Annotated[Image, Tag("one")] | Annotated[list[Image], _Cameras, Tag("many")],
    Discriminator(lambda value: "many" if isinstance(value, list) else "one"),
    AfterValidator(checks.cameras),
]
"""One picture, or a list with one per camera."""
_Frames = Field(max_length=MOST, json_schema_extra=decided_by("observed"))
Observed = Annotated[
    list[Annotated[list[Picture], _Frames, AfterValidator(checks.observed)] | None],
    Field(
        min_length=1,
        max_length=1000,
        description="Closed loop. One entry per step: the real frames seen since the step before, oldest first, which "
        "take the place of the imagined ones; or null to go on from the imagined ones. A frame has the forms of "
        "`initial_frame`; those of a step have one size. As multipart/form-data: files named `observed`, the frames of "
        "one step (of several cameras: `observed.0`, `observed.1`, ..., each repeated once per frame). GET /api/model "
        "says how many frames a step takes (`observed_frames`, `observed_counts`, else `frames_per_step`) and whether "
        "the model can observe (`abilities.observes`).",
    ),
]
ModelSettings = Annotated[
    dict[str, Number],
    Field(
        max_length=MOST,
        description="Settings of the model by name (abilities.settings of GET /api/model has them with their limits); "
        "what is not named is as it is by default. They stay with the session.",
        json_schema_extra=decided_by("model_settings"),
        examples=[{}],
    ),
    AfterValidator(checks.settings),
]
LeaseS = Annotated[
    float,
    Field(
        ge=1,
        le=86_400,
        description="Close the session after so many seconds without a sign of life of its client: a heartbeat "
        "(POST /api/sessions/{id}/heartbeat) or new work. Left out: it stays open until it is closed.",
        examples=[60.0],
    ),
]
PromptMode = Annotated[
    terms.PromptMode,
    Field(
        description="What a new prompt does to the window's older KV: keep it; recache: rebuild it under the new "
        "prompt; reset: start a new window."
    ),
]
Steps = Annotated[
    int,
    Field(
        ge=1,
        description="Steps; each adds frames_per_step video frames.",
        json_schema_extra=decided_by("max_steps_per_job"),
    ),
    AfterValidator(checks.steps),
]
IfHead = Annotated[
    CheckpointId, Field(description="Refuse with 409 unless this is the session's head when the job is accepted.")
]


_BOTH: JsonDict = {
    "required": ["n_steps", "checkpoint_id"],
    "properties": {"n_steps": {"type": "integer"}, "checkpoint_id": {"type": "string"}},
}


def _config(*, required: bool, **more: Any) -> ConfigDict:
    """A body's configuration; `openapi_extra` is flask_openapi3's own key beside pydantic's."""
    return cast(ConfigDict, {"openapi_extra": {"required": required}, **more})


class Body(BaseModel):
    """Base of all bodies; an absent body is an empty object."""

    model_config = _config(required=False, extra="forbid", strict=True)


class CreateSession(Body):
    """Start a session: an image and a prompt."""

    model_config = _config(required=True)

    prompt: Prompt
    initial_frame: Annotated[Picture | None, AfterValidator(checks.beginning)] = Field(
        None,
        validate_default=True,
        description="`sample:<name>` (GET /api/samples), or a PNG, JPEG or WebP in base64, at most 4096 x 4096 pixels; "
        "it is scaled to the model's size. For a model of several cameras also a list with one picture per camera, in "
        "its order. As multipart/form-data: a file, or one per camera. Left out where `abilities.needs_picture` is "
        "false: the world begins from its prompt alone, and its frame 0 is black.",
        examples=[f"sample:{name}" for name in sample_names()[:1]],
    )
    seed: Seed | None = None
    state: State | None = None
    model_settings: ModelSettings | None = None
    embodiment_id: int = Field(0, ge=0, le=1000, description="Robot the actions are for.")
    label: Label | None = None
    lease_s: LeaseS | None = None


class PreviewBody(Body):
    """A picture to be read."""

    model_config = _config(required=True)

    picture: Image = Field(description="As one picture of `initial_frame`.")


class StepBody(Body):
    """Advance the world."""

    steps: Steps | None = Field(None, description="Default: one per entry of `actions` or `observed`, else 1.")
    actions: Actions | None = None
    observed: Observed | None = None
    state: State | None = None
    prompt: Prompt | None = None
    seed: Seed | None = None
    model_settings: ModelSettings | None = None
    if_head: IfHead | None = None

    @model_validator(mode="after")
    def _one_entry_per_step(self) -> Self:
        for name in ("actions", "observed"):
            self.steps = _steps_of(name, getattr(self, name), self.steps)
        self.steps = self.steps or 1
        return self


def _steps_of(name: str, entries: list[Any] | None, steps: int | None) -> int | None:
    """How many steps: those asked for, which are as many as the entries of `name`, or else one per entry."""
    if entries and steps not in (None, len(entries)):
        raise ValueError(f"{name} has {len(entries)} entries and steps is {steps}: give one (or null) per step")
    return steps or len(entries or ()) or None


class RewindBody(Body):
    """Move the head back, or after that forward again to a checkpoint that the session made; nothing is deleted. Give
    n_steps or checkpoint_id, not both."""

    model_config = ConfigDict(json_schema_extra={"not": _BOTH})

    n_steps: int | None = Field(None, ge=1, le=2**31 - 1, description="Steps to go back (default 1).", examples=[2])
    checkpoint_id: CheckpointId | None = None
    if_head: IfHead | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.n_steps is not None and self.checkpoint_id is not None:
            raise ValueError("give n_steps or checkpoint_id, not both")
        return self


class CheckpointBody(Body):
    """Name the head and wait until it is stored."""

    label: Label | None = None
    if_head: IfHead | None = None


class ForkOptions(Body):
    """What a new session from a checkpoint has of its own. No tensor is copied."""

    new_prompt: Prompt | None = None
    new_seed: Seed | None = None
    prompt_mode: PromptMode = "keep"
    model_settings: ModelSettings | None = Field(None, description="Default: those of the checkpoint.")
    steps: Annotated[int, Field(ge=0), AfterValidator(checks.steps)] = Field(
        0,
        description="Steps to run after the fork, in the same job. Default: one per entry of `actions`, else none.",
        json_schema_extra=decided_by("max_steps_per_job"),
    )
    actions: Actions | None = None
    spread: bool = Field(
        False, description="Place it on the worker with the least to do, not where its parent's state is."
    )
    bulk: bool = Field(False, description="Evaluation run: low priority, needs no session slot, closes at its end.")
    label: Label | None = None
    lease_s: LeaseS | None = None

    @model_validator(mode="after")
    def _one_entry_per_step(self) -> Self:
        self.steps = _steps_of("actions", self.actions, self.steps or None) or 0
        return self


class ForkBody(ForkOptions):
    """A new session from a checkpoint. No tensor is copied."""

    model_config = _config(required=True)

    checkpoint_id: CheckpointId


class ReopenBody(Body):
    """How a session is opened again."""

    lease_s: LeaseS | None = None


class NodePatch(Body):
    """Change what people may change on a node: at least one member."""

    model_config = _config(required=True, json_schema_extra={"minProperties": 1})

    label: Label | None = None
    bookmarked: bool = Field(False, description="Marked by a person, to find it again.")
    failed: bool = Field(False, description="Marks the branch as failed from here.")
    score: float | None = Field(None, ge=-1e9, le=1e9, description="Score of an evaluation.")
    score_better: Literal["higher", "lower"] | None = Field(None, description="Which way a score is good.")
    note: Annotated[str, Field(max_length=NOTE_CHARS)] | None = Field(None, description="What a person wrote about it.")
    tags: list[Annotated[str, Field(min_length=1, max_length=TAG_CHARS)]] = Field(
        [], max_length=TAGS, description="Words of people, to find it again; they take the place of those before."
    )


class _Form(Body):
    """What all kinds share."""

    idempotency_key: IdempotencyKey | None = Field(
        None, description="As the header of that name, for this one job.", examples=["7f9c2ba4e88f827d"]
    )


class CreateForm(_Form):
    """A job that POST /api/sessions would accept."""

    kind: Literal["create"] = Field(description="What to do.")
    params: CreateSession


class ForkForm(_Form):
    """A job that POST /api/sessions/{id}/fork would accept."""

    kind: Literal["fork"] = Field(description="What to do.")
    params: ForkBody


class StepForm(_Form):
    """A job that POST /api/sessions/{id}/step would accept."""

    kind: Literal["step"] = Field(description="What to do.")
    session_id: SessionId
    params: StepBody = Field(default_factory=StepBody)


class RewindForm(_Form):
    """A job that POST /api/sessions/{id}/rewind would accept."""

    kind: Literal["rewind"] = Field(description="What to do.")
    session_id: SessionId
    params: RewindBody = Field(default_factory=RewindBody)


class CheckpointForm(_Form):
    """A job that POST /api/sessions/{id}/checkpoint would accept."""

    kind: Literal["checkpoint"] = Field(description="What to do.")
    session_id: SessionId
    params: CheckpointBody = Field(default_factory=CheckpointBody)


class CloseForm(_Form):
    """Close the session after the work accepted before."""

    kind: Literal["close"] = Field(description="What to do.")
    session_id: SessionId


class VideoBody(Body):
    """A clip of the branch that ends at a checkpoint."""

    model_config = _config(required=True)

    checkpoint_id: CheckpointId
    fps: float | None = Field(None, ge=1, le=60, description="Frames per second; default: the model's own.")
    from_: int = Field(0, alias="from", ge=0, le=2**31 - 1, description="First video frame.")
    to: int | None = Field(None, ge=1, le=2**31 - 1, description="End (exclusive); default: all there are.")
    format: ClipForm = Field("mp4", description="mp4, gif or webp.")


class VideoForm(_Form):
    """Have the media worker make a clip, also a short one, that GET /api/checkpoints/{id}/video then serves."""

    kind: Literal["video"] = Field(description="What to do.")
    params: VideoBody


JobForm = Annotated[
    CreateForm | ForkForm | StepForm | RewindForm | CheckpointForm | CloseForm | VideoForm, Field(discriminator="kind")
]
_Many = Annotated[list[JobForm], Field(min_length=1, max_length=500)]


class JobForms(RootModel[Any]):
    """One job, or up to 500 at once, accepted in this order."""

    model_config = _config(required=True)
    root: Annotated[
        Annotated[JobForm, Tag("one")] | Annotated[_Many, Tag("many")],
        Discriminator(lambda body: "many" if isinstance(body, list) else "one"),
    ]
