"""Branches, trees and evaluations as files of other tools: LeRobot, Rerun, Parquet, CSV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from flask import Response, request
from pydantic import Field

from arc_fabric.base.terms import ExportForm
from arc_fabric.errors import InvalidRequest
from arc_fabric.export.episode import Episode
from webapp.api.evaluations import EvaluationPath, rows_of
from webapp.content.exports import MIMETYPE, SUFFIX, branch, branches_of_tree, check, check_count, chunks, make
from webapp.context import ctx
from webapp.http.answers import binary, blueprint, errors
from webapp.model import geometry, model_fps
from webapp.schemas.ids import CheckpointPath, Query, TreePath

exports = blueprint("exports", "exports", "Branches as files of other tools.")
_FILE: Any = {
    200: binary(*dict.fromkeys(MIMETYPE.values()), description="The file; a LeRobot dataset as a tar of its folder."),
    **errors(409, 501),
}


class ExportQuery(Query):
    """What file."""

    format: ExportForm = Field(
        "lerobot",
        description="lerobot: a LeRobot dataset v3.0; rerun: a recording of all branches in one, in step; parquet, "
        "csv: a table of actions and scores, a row per action. All but csv need the server's extra `export`.",
    )
    name: str | None = Field(
        None, pattern=r"^\w[\w.-]{0,119}$", description="What the file is called, without its ending; default: the id."
    )


@exports.get("/checkpoints/<string:checkpoint_id>/export", responses=_FILE)
def export_checkpoint(path: CheckpointPath, query: ExportQuery) -> Response:
    """Export the branch from its root to this checkpoint"""
    episode = branch(ctx().ledger, ctx().pictures, path.checkpoint_id)
    return _answer([episode], query, path.checkpoint_id)


@exports.get("/trees/<string:tree_id>/export", responses=_FILE)
def export_tree(path: TreePath, query: ExportQuery) -> Response:
    """Export every branch of a tree"""
    return _answer(branches_of_tree(ctx().ledger, ctx().pictures, path.tree_id), query, path.tree_id)


@exports.get("/evaluations/<string:evaluation_id>/export", responses=_FILE)
def export_evaluation(path: EvaluationPath, query: ExportQuery) -> Response:
    """Export what an evaluation's variants made, each from where it was forked"""
    stored = rows_of(path.evaluation_id)
    made = [row["steps"] for row in stored if row["head"] is not None]
    check_count(len(made), sum(made))
    rows = (row for row in stored if row["head"])
    episodes = [
        branch(
            ctx().ledger, ctx().pictures, row["head"], steps=row["steps"], name=f"variant {row['variant']}",
            score=row["score"], verdict=row["verdict"],
        )
        for row in rows
    ]  # fmt: skip
    return _answer(episodes, query, path.evaluation_id)


def _answer(episodes: Sequence[Episode], query: ExportQuery, name: str) -> Response:
    """The file; for HEAD only whether there would be one, so that a browser can be sent to it."""
    form = query.format
    if not episodes:
        raise InvalidRequest(f"{name} has no branches to export.", hint="Step a session of it first.")
    if request.method == "HEAD":
        check(episodes, form)
        body: Iterator[bytes] = iter(())
    else:
        body = chunks(
            make(
                episodes, form, name=name, fps=model_fps(), action_names=geometry().get("action_names") or (),
                robot=str(ctx().ledger.model_card.read().get("name") or "unknown"),
            )
        )  # fmt: skip
    response = Response(body, content_type=MIMETYPE[form])
    wished = query.name or name
    plain = wished if wished.isascii() else name
    exact = quote(f"{wished}.{SUFFIX[form]}", safe="")
    file = f"attachment; filename=\"{plain}.{SUFFIX[form]}\"; filename*=UTF-8''{exact}"
    response.headers["Content-Disposition"] = file
    return response
