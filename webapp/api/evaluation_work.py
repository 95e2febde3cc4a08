"""Evaluations that make nothing themselves: judged anew, or made by whoever runs a policy."""

from __future__ import annotations

import json

from flask import Response
from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from arc_fabric.errors import Conflict, InvalidRequest
from arc_fabric.evaluation.plan import Plan, ScorerUse, Variant
from arc_fabric.evaluation.stored import StoredRows
from arc_fabric.records.types import CheckpointId
from webapp.api.evaluations import EvaluationPath, created
from webapp.context import ctx
from webapp.http.answers import blueprint, errors, json_answer
from webapp.schemas.evaluations import EvaluationAnswer, Lent, MadeAnswer, Renewed
from webapp.schemas.ids import KeyHeaders
from webapp.work import evaluations as work
from webapp.work.bodies import Body

evaluation_work = blueprint("evaluation_work", "evaluations", "Many variants of a checkpoint, judged and counted.")
_ERRORS = errors(409, 413, 415)


class RescoreBody(Body):
    """How stored branches are judged anew."""

    scorers: list[ScorerUse] = Field(min_length=1, max_length=20, description="In place of the plan's.")
    label: str | None = Field(None, max_length=200, description="Default: that of the evaluation.")
    tags: list[str] | None = Field(None, max_length=20, description="Default: those of the evaluation.")
    priority: int = Field(5, ge=0, le=9, description="Among evaluations; 0 goes first.")
    mark: bool = Field(False, description="Write score and failure to the last checkpoint of each variant.")


class _Who(Body):
    """Who acts."""

    who: str = Field(
        min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_.-]+$", description="A name of its own for each process.",
        examples=["arm-lab-3.4711"],
    )  # fmt: skip


class LendBody(_Who):
    """Variants to make now."""

    most: int = Field(1, ge=1, le=100, description="At most so many.")
    seconds: float = Field(60.0, ge=1, le=3600, description="Given back unless something is said of them in time.")


class RenewBody(_Who):
    """A sign of life."""

    variants: list[int] = Field(min_length=1, max_length=100, description="That it still works on.", examples=[[3]])
    seconds: float = Field(60.0, ge=1, le=3600, description="From now on.")


def _given(member: str) -> JsonDict:
    return {"required": [member], "properties": {member: {"type": "string"}}}


class MadeBody(_Who):
    """What came of a variant: its last checkpoint, or an error."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [_given("head"), _given("error")]})

    variant: int = Field(ge=0, description="Its number.", examples=[3])
    head: CheckpointId | None = Field(None, description="Its last checkpoint; it descends from where it began.")
    error: str | None = Field(None, min_length=1, max_length=2000, description="Why there is none.")


@evaluation_work.post("/evaluations/<string:evaluation_id>/rescore", responses={201: EvaluationAnswer, **_ERRORS})
def rescore_evaluation(path: EvaluationPath, header: KeyHeaders, body: RescoreBody) -> Response:
    """Judge stored branches anew

    A new evaluation with a row for each one of this evaluation, which stays as it is. Nothing is stepped, no model has
    to run.
    """
    ledger, source = ctx().ledger, path.evaluation_id
    if ledger.evaluations.get(source).state == "running":
        raise Conflict(f"{source} runs.", hint="Wait for it, or cancel it.")
    old = Plan.model_validate_json(ledger.evaluations.plan(source))
    changes = {"scorers": body.scorers, "label": body.label or old.label, "mark": body.mark, "priority": body.priority,
               "tags": old.tags if body.tags is None else body.tags, "max_steps": None, "max_seconds": None,
               "stop_after_failures": None, "stop_when_within": None}  # fmt: skip
    plan = old.model_copy(update=changes)
    work.check_scorers(plan)
    numbers = [row["variant"] for row in StoredRows(ledger, ctx().backend, source)]
    if not numbers:
        raise InvalidRequest(f"{source} has no results that could be judged.", hint="Resume it first.")
    return created(work.accept(plan, header.idempotency_key, rescores=source, only=numbers))


@evaluation_work.post("/evaluations/<string:evaluation_id>/lend", responses={200: Lent, **_ERRORS})
def lend_variants(path: EvaluationPath, body: LendBody) -> Response:
    """Take variants of a plan with policies, to make them

    Whoever runs the policy forks, steps and says which checkpoint came of it (`made`). What is lent to somebody who
    says nothing in time is lent to the next one.
    """
    evaluations = ctx().ledger.evaluations
    plan = Plan.model_validate_json(evaluations.plan(path.evaluation_id))
    if not plan.policies:
        raise Conflict(f"{path.evaluation_id} has no policies: workers make its variants.")
    numbers = evaluations.lend(path.evaluation_id, body.most, body.who, body.seconds)
    state = evaluations.get(path.evaluation_id).state
    items = [_lent(plan.variant(number), plan.steps) for number in numbers]
    return json_answer({"state": state, "items": items})


@evaluation_work.post("/evaluations/<string:evaluation_id>/renew", responses={200: Renewed, **_ERRORS})
def renew_variants(path: EvaluationPath, body: RenewBody) -> Response:
    """Say that one still works on variants"""
    evaluations = ctx().ledger.evaluations
    state = evaluations.get(path.evaluation_id).state
    found = evaluations.renew(path.evaluation_id, body.who, body.seconds, body.variants)
    return json_answer({"state": state, "variants": found})


@evaluation_work.post("/evaluations/<string:evaluation_id>/made", responses={200: MadeAnswer, **_ERRORS})
def made_variant(path: EvaluationPath, body: MadeBody) -> Response:
    """Say what came of a variant; it is judged then"""
    if (body.head is None) == (body.error is None):
        raise InvalidRequest("Give head or error: one of them.")
    evaluations = ctx().ledger.evaluations
    evaluations.get(path.evaluation_id)
    if body.head is not None:
        ctx().ledger.nodes.get(body.head)
    error = None if body.error is None else {"type": "PolicyFailed", "message": body.error}
    what = json.dumps({"head": body.head, "error": error})
    taken = evaluations.made(path.evaluation_id, body.who, body.variant, what)
    return json_answer({"taken": taken})


def _lent(variant: Variant, steps: int) -> dict[str, object]:
    return {"variant": variant.number, **variant.model_dump(exclude={"number", "actions"}), "steps": steps}
