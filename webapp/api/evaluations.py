"""Evaluations: try many variants of a checkpoint, judge them, say with what certainty."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

from flask import Response
from pydantic import Field

from arc_fabric.base.tables import csv_lines
from arc_fabric.errors import Conflict, InvalidRequest
from arc_fabric.evaluation import results, scorers
from arc_fabric.evaluation.comparison import compare
from arc_fabric.evaluation.plan import MOST_ACTIONS, ActionPlan, Plan, plan_from_toml, plan_of
from arc_fabric.evaluation.report import report
from arc_fabric.evaluation.stored import StoredRows, delete, read_groups, read_rows
from arc_fabric.evaluation.summing import summary
from arc_fabric.ids import pattern
from arc_fabric.ledger import EvaluationRecord
from arc_fabric.records.evaluation import EvaluationId, EvaluationState
from arc_fabric.records.types import CheckpointId
from webapp.context import ctx
from webapp.http.answers import binary, blueprint, errors, json_answer, tagged_json
from webapp.http.limits import Turns
from webapp.schemas.evaluations import (
    EvaluationAnswer,
    EvaluationPage,
    EvaluationView,
    Expected,
    PairedView,
    RowPage,
    ScorersAnswer,
    Summary,
)
from webapp.schemas.ids import KeyHeaders, Query
from webapp.work import evaluations as work
from webapp.work.bodies import Body, Chunk, Prompt, Steps
from webapp.work.evaluation_pictures import pictures_of

evaluations = blueprint("evaluations", "evaluations", "Many variants of a checkpoint, judged and counted.")


class GivenActions(ActionPlan):
    """A named sequence of actions, as the running model takes them."""

    actions: list[Chunk] = Field(  # type: ignore[assignment]  # by name as well, until it is checked
        fail_fast=True,
        min_length=1,
        max_length=1000,
        description="One entry per step, float [action_horizon][action_dim]; the policy acts after the last.",
        examples=[[]],
    )


class PlanBody(Plan, Body):
    """What an evaluation tries: every combination of the lists given."""

    prompts: list[Prompt | None] = Field(
        default=[None],
        min_length=1,
        max_length=1000,
        description="null: the checkpoint's own.",
        examples=[["pick up the red cup", "push the cup to the left"]],
    )
    actions: Sequence[GivenActions] = Field(
        default_factory=list,
        max_length=MOST_ACTIONS,
        description="Given actions; none: the policy acts.",
        examples=[[]],
    )
    steps: Steps = Field(description="Steps per variant.", examples=[8])


class EvaluationPath(Query):
    """An evaluation in the path."""

    evaluation_id: EvaluationId


class CreateQuery(Query):
    """How to create."""

    dry_run: Literal["true", "false"] = Field("false", description="Say what the plan would cost; start nothing.")


class EvaluationsQuery(Query):
    """Which evaluations to list."""

    state: EvaluationState | None = Field(None, description="Only those.")
    tag: str | None = Field(None, min_length=1, max_length=100, description="Only those with this tag.")
    cursor: str | None = Field(None, pattern=pattern("evl"), description="`next` of the page before.")
    limit: int = Field(50, ge=1, le=500, description="Evaluations per page.")


class TomlBody(Body):
    """A plan as a file has it."""

    model_config = {**Body.model_config, "openapi_extra": {"required": True}}  # type: ignore[typeddict-unknown-key]

    toml: str = Field(min_length=1, max_length=4 << 20, description="TOML.", examples=["steps = 8"])
    checkpoints: list[CheckpointId] = Field(
        [], max_length=100, description="Where variants fork if the file names no checkpoints."
    )


class RowsQuery(Query):
    """Which results."""

    cursor: str | None = Field(None, pattern=r"^[0-9]{1,9}$", description="`next` of the page before.")
    limit: int = Field(200, ge=1, le=1000, description="Results per page.")


class ResultsQuery(Query):
    """Form of the results."""

    format: Literal["jsonl", "csv"] = Field("jsonl", description="JSON per line, or a table.")


class ReportQuery(Query):
    """What the report holds."""

    videos: int = Field(24, ge=0, le=500, description="Variants shown with their video, the best and the worst first.")


class AgainstPath(EvaluationPath):
    """Two evaluations."""

    other_id: EvaluationId


class ResumeBody(Body):
    """How to go on."""

    retry_errors: bool = Field(False, description="Try variants that ended in an error once more.")


@evaluations.post("/evaluations", responses={200: Expected, 201: EvaluationAnswer, **errors(409, 413, 415)})
def create_evaluation(header: KeyHeaders, query: CreateQuery, body: PlanBody) -> Response:
    """Evaluate

    Variants run after interactive work, need no session slot and close themselves. Results come one by one
    (`rows`) and survive the death of anything; what was cut off goes on with what is missing.
    """
    plan = Plan.model_validate(body.model_dump())
    work.check(plan)
    if query.dry_run == "true":
        return json_answer(work.expected(plan))
    return created(work.accept(plan, header.idempotency_key))


@evaluations.post("/evaluations/plan", responses={200: PlanBody, **errors(413, 415)})
def read_plan(body: TomlBody) -> Response:
    """Read a plan from TOML

    The same file as `arc-fabric eval run` takes; nothing is started. What only the running model can say is checked
    when the plan is posted.
    """
    return json_answer(plan_of({"checkpoints": body.checkpoints, **plan_from_toml(body.toml)}).model_dump())


@evaluations.get("/evaluations", responses={200: EvaluationPage})
def list_evaluations(query: EvaluationsQuery) -> Response:
    """List evaluations, newest first"""
    page = ctx().ledger.evaluations.page(query.cursor, query.limit, query.state, query.tag)
    return json_answer({"items": [one.to_dict() for one in page.items], "next": page.next})


@evaluations.get("/evaluations/<string:evaluation_id>", responses={200: EvaluationView})
def get_evaluation(path: EvaluationPath) -> Response:
    """Look at an evaluation"""
    return json_answer(ctx().ledger.evaluations.get(path.evaluation_id).to_dict())


@evaluations.get("/evaluations/<string:evaluation_id>/plan", responses={200: PlanBody})
def get_plan(path: EvaluationPath) -> Response:
    """What an evaluation tries"""
    return json_answer(ctx().ledger.evaluations.plan(path.evaluation_id))


@evaluations.get("/evaluations/<string:evaluation_id>/rows", responses={200: RowPage})
def get_rows(path: EvaluationPath, query: RowsQuery) -> Response:
    """Results so far, by variant number"""
    after = -1 if query.cursor is None else int(query.cursor)
    found = some_rows(path.evaluation_id, after=after, most=query.limit + 1)
    shown = found[: query.limit]
    return json_answer({"items": shown, "next": str(shown[-1]["variant"]) if len(found) > len(shown) else None})


@evaluations.get("/evaluations/<string:evaluation_id>/summary", responses={200: Summary})
def get_summary(path: EvaluationPath) -> Response:
    """Success rates with 95 % Wilson intervals, over all and by what differs"""
    return tagged_json(summary(rows_of(path.evaluation_id), _groups(path.evaluation_id)))


_reporting = Turns("making reports")
_FILES: Any = {200: binary("application/x-ndjson", "text/csv", description="The results, each with its provenance.")}


@evaluations.get("/evaluations/<string:evaluation_id>/results", responses=_FILES)
def get_results(path: EvaluationPath, query: ResultsQuery) -> Response:
    """All results as a file"""
    rows, name = rows_of(path.evaluation_id), f"{path.evaluation_id}.{query.format}"
    if query.format == "csv":
        names = results.scorers_of(rows)
        lines = csv_lines(results.columns(names), (results.flat(row, names) for row in rows))
        return _file(lines, "text/csv", name)
    record = ctx().ledger.evaluations.get(path.evaluation_id)
    header = {
        "evaluation": record.id,
        "rescores": record.rescores,
        "plan_digest": record.plan_digest,
        "model": record.model,
        "versions": record.versions,
    }
    return _file(results.to_jsonl(header, rows), "application/x-ndjson", name)


@evaluations.get(
    "/evaluations/<string:evaluation_id>/report",
    responses={200: binary("text/html", description="One page with charts and videos inside; opens offline.")},
)
def get_report(path: EvaluationPath, query: ReportQuery) -> Response:
    """A report that stands by itself"""
    ledger = ctx().ledger
    record, plan = ledger.evaluations.get(path.evaluation_id), ledger.evaluations.plan(path.evaluation_id)
    rows = rows_of(path.evaluation_id)
    groups = _groups(path.evaluation_id)
    with _reporting.turn():
        page = report(record.to_dict(), json.loads(plan), rows, pictures_of(rows, query.videos), groups)
    if len(page) > 512 << 20:
        raise InvalidRequest(f"The report would have {len(page)} bytes.", hint="Ask for fewer videos.")
    return _file(page, "text/html; charset=utf-8", f"{path.evaluation_id}.html")


@evaluations.get("/evaluations/<string:evaluation_id>/compare/<string:other_id>", responses={200: PairedView})
def compare_evaluations(path: AgainstPath) -> Response:
    """Two evaluations, paired by seed, prompt and actions

    Where each of the two has one prompt (checkpoint, actions), that is what is compared.
    """
    return json_answer(compare(rows_of(path.evaluation_id), rows_of(path.other_id)).to_dict())


@evaluations.post("/evaluations/<string:evaluation_id>/cancel", responses={200: EvaluationView})
def cancel_evaluation(path: EvaluationPath) -> Response:
    """Cancel an evaluation

    What is queued for it is cancelled, what runs stops at its next step; results stay.
    """
    ledger = ctx().ledger
    record = ledger.evaluations.change(path.evaluation_id, "cancelled")
    for note in ledger.evaluations.running(path.evaluation_id).values():
        if note.startswith("job_"):
            ledger.jobs.cancel(note)
    return json_answer(record.to_dict())


@evaluations.post("/evaluations/<string:evaluation_id>/resume", responses={200: EvaluationView, **errors(413, 415)})
def resume_evaluation(path: EvaluationPath, body: ResumeBody) -> Response:
    """Go on with what is missing"""
    rows: Iterable[results.Row] = rows_of(path.evaluation_id) if body.retry_errors else []
    again = [row["variant"] for row in rows if row["state"] == "error"]
    return json_answer(ctx().ledger.evaluations.change(path.evaluation_id, "running", again=again).to_dict())


@evaluations.delete("/evaluations/<string:evaluation_id>", responses={204: None, **errors(409)})
def delete_evaluation(path: EvaluationPath) -> Response:
    """Forget an evaluation and its results; the checkpoints it made stay"""
    ledger = ctx().ledger
    if ledger.evaluations.get(path.evaluation_id).state == "running":
        raise Conflict(f"{path.evaluation_id} runs.", hint="Cancel it first.")
    if path.evaluation_id in ledger.evaluations.active():
        raise Conflict(f"{path.evaluation_id} is being wound up.", hint="Try again in a second.")
    delete(ledger, ctx().backend, path.evaluation_id)
    return Response(status=204)


@evaluations.get("/scorers", responses={200: ScorersAnswer})
def list_scorers() -> Response:
    """Scorers that a plan can name"""
    found = {name: text.split("\n\n")[0].replace("\n", " ") for name, text in scorers.names().items()}
    return json_answer({"items": [{"name": name, "description": text} for name, text in found.items()]})


def created(record: EvaluationRecord) -> Response:
    """201 with an evaluation that was accepted, now or before."""
    headers = {"Location": f"/api/evaluations/{record.id}"}
    if record.replayed:
        headers["Idempotency-Replayed"] = "true"
    return json_answer({"evaluation": record.to_dict()}, 201, headers)


def rows_of(evaluation_id: str) -> StoredRows:
    """The results there are, read a page at a time. Raises NotFound."""
    ctx().ledger.evaluations.get(evaluation_id)
    return StoredRows(ctx().ledger, ctx().backend, evaluation_id)


def some_rows(evaluation_id: str, *, after: int, most: int) -> list[results.Row]:
    """Those after number `after`, `most` at most. Raises NotFound."""
    ctx().ledger.evaluations.get(evaluation_id)
    return read_rows(ctx().ledger, ctx().backend, evaluation_id, after=after, most=most)


def _groups(evaluation_id: str) -> list[dict[str, Any]]:
    return read_groups(ctx().backend, evaluation_id)


def _file(text: str | Iterator[str], kind: str, name: str) -> Response:
    return Response(text, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
