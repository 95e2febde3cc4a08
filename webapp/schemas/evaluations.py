"""Answers about evaluations, as OpenAPI shows them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from arc_fabric.base.terms import BatchMode
from arc_fabric.records.evaluation import EVALUATION_EXAMPLE, Evaluation, EvaluationState
from webapp.schemas.views import NEXT, View, shows


@shows(Evaluation)
class EvaluationView(View):
    """An evaluation as HTTP shows it."""


class EvaluationAnswer(View):
    """One evaluation."""

    evaluation: EvaluationView


class EvaluationPage(View):
    """A page of evaluations, newest first."""

    items: list[EvaluationView] = Field(description="At most `limit`.")
    next: str | None = Field(description=NEXT, examples=[EVALUATION_EXAMPLE])


class Expected(View):
    """What a plan would cost; nothing was started."""

    variants: int = Field(description="Variants.", examples=[64])
    steps: int = Field(description="Steps in all.", examples=[512])
    bytes: int | None = Field(
        description="That storage grows by, about; null while nothing is known.", examples=[41_943_040]
    )
    seconds: float | None = Field(
        description="On the workers that are up, about; null while nothing is known.", examples=[38.5]
    )


class Score(View):
    """What a scorer said."""

    name: str = Field(description="The scorer.", examples=["action_magnitude"])
    version: str = Field(description="Of the scorer.", examples=["0.1.0"])
    value: float | None = Field(description="Null where it has none, or failed.", examples=[0.41])
    verdict: bool | None = Field(description="Good, bad, or null where it does not judge.")
    reason: str = Field(description="In words.", examples=["0.410 is within 0.522"])
    better: Literal["higher", "lower"] = Field(description="Which way is good.")
    error: dict[str, Any] | None = Field(None, description="Why it failed: {type, message}.")


class RowView(View):
    """The result of one variant."""

    variant: int = Field(description="Its number.", examples=[3])
    checkpoint: str = Field(description="Where it was forked.", examples=["ckp_01jd6xy0m8v9k2q4r6t8w0y2z4"])
    prompt: str | None = Field(description="The prompt of its steps.", examples=["pick up the red cup"])
    seed: int | None = Field(description="Its seed; null: the checkpoint's own.", examples=[3])
    prompt_mode: str = Field("keep", description="What its prompt did to the window's older KV.", examples=["keep"])
    policy: str | None = Field(None, description="Name of the policy; null: the model's.", examples=["pi0"])
    model_settings: str | None = Field(
        None, description="Its settings of the model in words; null: the checkpoint's own.", examples=["guidance=2"]
    )
    actions: str | None = Field(description="Name of the given actions; null: the policy's.", examples=["reach left"])
    actions_digest: str | None = Field(description="SHA-256 of the given actions.", examples=["9f2c"])
    batch: BatchMode = Field("exact", description="How it stepped together with others.")
    state: Literal["made", "error"] = Field(description="An error is no failure: it says nothing about the variant.")
    verdict: bool | None = Field(description="Good, bad, or null where no scorer judged.")
    score: float | None = Field(description="Value of the first scorer.", examples=[0.41])
    scores: list[Score] = Field(description="One per scorer.")
    error: dict[str, Any] | None = Field(
        description="Why there is no result.",
        examples=[{"type": "ModelError", "message": "step 5 gave latents that are not finite"}],
    )
    head: str | None = Field(description="Its last checkpoint.", examples=["ckp_01jd6xy0m8v9k2q4r6t8w0y2z4"])
    session_id: str | None = Field(description="Its session.", examples=["ses_01jd6xy0m8v9k2q4r6t8w0y2z4"])
    job_id: str | None = Field(description="Its job.", examples=["job_01jd6xy0m8v9k2q4r6t8w0y2z4"])
    worker: str | None = Field(description="Who made it.", examples=["gpu.0"])
    steps: int = Field(description="Steps made.", examples=[8])
    wall_s: float = Field(description="Seconds of its steps.", examples=[0.66])
    finished: float | None = Field(description="Epoch seconds, UTC.", examples=[1735689600.25])


class RowPage(View):
    """Results by variant number."""

    items: list[RowView] = Field(description="At most `limit`.")
    next: str | None = Field(description=NEXT, examples=["200"])


class Summary(View):
    """What the results come to: counts {n, good, bad, errors, unjudged, rate, low, high, mean_score}, with the 95 %
    Wilson interval of the rate."""

    all: dict[str, Any] = Field(
        description="Counts of all results.",
        examples=[{"n": 64, "good": 49, "bad": 15, "errors": 0, "rate": 0.766, "low": 0.65, "high": 0.85}],
    )
    by: dict[str, list[dict[str, Any]]] = Field(
        description="Counts by prompt, seed, actions, checkpoint.",
        examples=[{"prompt": [{"prompt": "push it", "good": 20}]}],
    )
    groups: list[dict[str, Any]] = Field(
        description="What scorers of groups say of variants that differ in the seed alone, once all are made: what "
        "they have in common, {n, seeds, scores}.",
        examples=[[{"prompt": "push it", "n": 8, "scores": [{"name": "seed_spread", "value": 4.1}]}]],
    )
    too_many: list[str] = Field(
        description="What differs in more than 1,000 ways: it has no counts by each.", examples=[["seed"]]
    )
    differences: list[dict[str, Any]] = Field(
        description="Of prompt, actions, policy, prompt_mode, model_settings and checkpoint (each with 12 values at "
        "most) the value with the highest rate against each other one, over pairs of variants that agree in all else: "
        "exact McNemar test, p by Holm's method.",
        examples=[[{"by": "prompt", "best": "push it", "than": "pull it", "pairs": 32, "only_best": 16, "only_than": 1,
                    "p": 0.0003}]],
    )  # fmt: skip
    examples: dict[str, dict[str, Any]] = Field(
        description="Of variants with an error, and of those that were not judged (none), one each: {variant, reason}.",
        examples=[{"error": {"variant": 3, "reason": "out of memory"}}],
    )
    better: Literal["higher", "lower"] = Field(description="Which way the first scorer's values are good.")
    best: int | None = Field(description="Variant with the best score.", examples=[12])
    worst: int | None = Field(description="Variant with the worst score.", examples=[40])


class PairedView(View):
    """Two evaluations, paired by variant (exact McNemar test)."""

    pairs: int = Field(description="Variants that both judged.", examples=[64])
    both: int = Field(description="Good in both.", examples=[40])
    only_first: int = Field(description="Good in the first only.", examples=[9])
    only_second: int = Field(description="Good in the second only.", examples=[2])
    neither: int = Field(description="Good in neither.", examples=[13])
    p: float = Field(description="Two-sided.", examples=[0.065])
    worse: bool = Field(description="The second is worse, and that is no chance (p below 5 %).")
    change: float = Field(description="Rate of the second less that of the first.", examples=[-0.109])
    pairs_needed: int | None = Field(description="To find a difference of this size (power 0.8, 5 %).", examples=[68])
    matched_on: list[str] = Field(description="What paired variants agree in.", examples=[["seed"]])
    first: dict[str, Any] = Field(description="Counts of the first.", examples=[{"n": 64, "good": 49}])
    second: dict[str, Any] = Field(description="Counts of the second.", examples=[{"n": 64, "good": 42}])


class ScorerView(View):
    """A scorer that can be named."""

    name: str = Field(description="Its name.", examples=["action_magnitude"])
    description: str = Field(description="What it measures.", examples=["Mean size of the actions' motion"])


class ScorersAnswer(View):
    """The scorers."""

    items: list[ScorerView] = Field(description="By name.")


class LentVariant(View):
    """A variant to be made outside."""

    variant: int = Field(description="Its number.", examples=[3])
    checkpoint: str = Field(description="Fork this.", examples=["ckp_01jd6xy0m8v9k2q4r6t8w0y2z4"])
    prompt: str | None = Field(description="With this prompt; null: the checkpoint's own.", examples=["push it"])
    seed: int | None = Field(description="And this seed; null: the checkpoint's own.", examples=[3])
    prompt_mode: str = Field(description="What the prompt does to the window's older KV.", examples=["keep"])
    policy: str | None = Field(description="Name of the policy that acts.", examples=["pi0"])
    model_settings: dict[str, float] | None = Field(
        None, description="With these settings of the model; null: the checkpoint's own.", examples=[{"guidance": 2.0}]
    )
    steps: int = Field(description="So many steps.", examples=[8])


class Lent(View):
    """Variants that are lent."""

    state: EvaluationState = Field(description="Of the evaluation; nothing comes of one that does not run.")
    items: list[LentVariant] = Field(description="None: all are made, or under way elsewhere.")


class Renewed(View):
    """What is still lent."""

    state: EvaluationState = Field(description="Of the evaluation; work on one that does not run is lost.")
    variants: list[int] = Field(description="Those of the asked ones.", examples=[[3]])


class MadeAnswer(View):
    """Whether it counts."""

    taken: bool = Field(description="False: it was lent to somebody else in the meantime, whose result counts.")
