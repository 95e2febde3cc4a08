"""Answers about evaluations, as OpenAPI shows them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from arc_fabric.records.evaluation import EVALUATION_EXAMPLE, Evaluation
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
    bytes: int | None = Field(description="That storage grows by, about; null while nothing is known.")
    seconds: float | None = Field(description="On the workers that are up, about; null while nothing is known.")


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
    checkpoint: str = Field(description="Where it was forked.")
    prompt: str | None = Field(description="The prompt of its steps.")
    seed: int | None = Field(description="Its seed; null: the checkpoint's own.")
    actions: str | None = Field(description="Name of the given actions; null: the policy's.")
    actions_digest: str | None = Field(description="SHA-256 of the given actions.")
    state: Literal["made", "error"] = Field(description="An error is no failure: it says nothing about the variant.")
    verdict: bool | None = Field(description="Good, bad, or null where no scorer judged.")
    score: float | None = Field(description="Value of the first scorer.")
    scores: list[Score] = Field(description="One per scorer.")
    error: dict[str, Any] | None = Field(description="Why there is no result.")
    head: str | None = Field(description="Its last checkpoint.")
    session_id: str | None = Field(description="Its session.")
    job_id: str | None = Field(description="Its job.")
    worker: str | None = Field(description="Who made it.")
    steps: int = Field(description="Steps made.")
    wall_s: float = Field(description="Seconds of its steps.")
    finished: float | None = Field(description="Epoch seconds, UTC.")


class RowPage(View):
    """Results by variant number."""

    items: list[RowView] = Field(description="At most `limit`.")
    next: str | None = Field(description=NEXT, examples=["200"])


class Summary(View):
    """What the results come to: counts {n, good, bad, errors, unjudged, rate, low, high, mean_score}, with the 95 %
    Wilson interval of the rate."""

    all: dict[str, Any] = Field(description="Counts of all results.")
    by: dict[str, list[dict[str, Any]]] = Field(description="Counts by prompt, seed, actions, checkpoint.")
    better: Literal["higher", "lower"] = Field(description="Which way the first scorer's values are good.")
    best: int | None = Field(description="Variant with the best score.")
    worst: int | None = Field(description="Variant with the worst score.")


class PairedView(View):
    """Two evaluations, paired by variant (exact McNemar test)."""

    pairs: int = Field(description="Variants that both judged.")
    both: int = Field(description="Good in both.")
    only_first: int = Field(description="Good in the first only.")
    only_second: int = Field(description="Good in the second only.")
    neither: int = Field(description="Good in neither.")
    p: float = Field(description="Two-sided.")
    change: float = Field(description="Rate of the second less that of the first.")
    pairs_needed: int | None = Field(description="To find a difference of this size (power 0.8, 5 %).")
    matched_on: list[str] = Field(description="What paired variants agree in.")
    first: dict[str, Any] = Field(description="Counts of the first.")
    second: dict[str, Any] = Field(description="Counts of the second.")


class ScorerView(View):
    """A scorer that can be named."""

    name: str = Field(description="Its name.", examples=["action_magnitude"])
    description: str = Field(description="What it measures.")


class ScorersAnswer(View):
    """The scorers."""

    items: list[ScorerView] = Field(description="By name.")
