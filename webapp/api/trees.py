"""Trajectory trees, their nodes' labels, and a session's events over plain HTTP."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, Literal

from flask import Response
from pydantic import Field

from arc_fabric.base.nested import nested_json, step_name
from arc_fabric.errors import InvalidRequest, SessionNotFound
from arc_fabric.ids import pattern
from arc_fabric.ledger import TreeView
from webapp.context import ctx
from webapp.http.answers import blueprint, errors, json_answer, tagged_json
from webapp.http.limits import Turns
from webapp.schemas.ids import CheckpointPath, Query, SessionPath, TreePath
from webapp.schemas.nodes import EventPage, NodeView, TreeAnswer, TreeDeleted, TreePage, TreeSummary
from webapp.stream.messages import EVENT_ID
from webapp.work.bodies import NodePatch

trees = blueprint("trees", "trees", "All branches that grew from one root. A node is deleted only with its whole tree.")
MOST_NESTED, LARGE = 100_000, 2_000
"""Checkpoints of a nested tree; those beyond which trees are read one at a time."""
_reading = Turns("reading large trees")
ERASE_S = 10.0
"""A request erases for so long; of a very large tree the media worker erases the rest."""


class TreeQuery(Query):
    """Form and page of a tree."""

    format: Literal["flat", "d3"] = Field(
        "flat", description="flat: a list; d3: nested {id, name, ..., children}, of at most 100,000 checkpoints."
    )
    cursor: str | None = Field(None, pattern=r"^[0-9]{1,9}$", description="`next` of the page before.")
    limit: int = Field(20_000, ge=1, le=20_000, description="Nodes, and sessions, per page (flat only).")


class EventsQuery(Query):
    """Which events."""

    last_id: str = Field("0", pattern=EVENT_ID, description="Only events after this id.")
    limit: int = Field(200, ge=1, le=1000, description="Events per page.")


class TreesQuery(Query):
    """Which trees to list."""

    q: str = Field(
        "", max_length=200, description="Only trees in whose id, prompt, labels or tags all of these words stand."
    )
    cursor: str | None = Field(None, pattern=pattern("ckp"), description="`next` of the page before.")
    limit: int = Field(50, ge=1, le=500, description="Trees per page.")


@trees.get("/trees", responses={200: TreePage})
def list_trees(query: TreesQuery) -> Response:
    """List trees, newest first

    Trees that rest in object storage are among them, and stay there. A search looks at 2,000 trees per page: it may
    answer with few, or none, and a `next` to go on from.
    """
    page = ctx().ledger.trees.page(query.cursor, query.limit, words=query.q)
    return json_answer({"items": [item.to_dict() for item in page.items], "next": page.next})


@trees.get("/trees/<string:tree_id>", responses={200: TreeSummary})
def get_tree_summary(path: TreePath) -> Response:
    """Look at a tree as a whole

    Its checkpoints are at GET /api/sessions/{session_id}/tree.
    """
    return json_answer(ctx().ledger.trees.get(path.tree_id).to_dict())


class DeleteTreeQuery(Query):
    """What becomes of sessions that are open."""

    close: Literal["true", "false"] = Field(
        "false", description="Close its open sessions and cancel their unfinished jobs, instead of refusing."
    )


@trees.delete("/trees/<string:tree_id>", responses={200: TreeDeleted, **errors(409)})
def delete_tree(path: TreePath, query: DeleteTreeQuery) -> Response:
    """Delete a tree for good

    All its checkpoints, sessions, jobs, labels and notes are gone with the answer; there is no way back. Their stored
    bytes are freed after the grace period (`gc_grace_s`); what other checkpoints refer to stays. Refused with 409 while
    a session of it is open or a clip of it is being made, unless `close=true`.
    """
    ledger = ctx().ledger
    tree = ledger.trees.get(path.tree_id)
    ledger.erasing.doom(tree.id, close=query.close == "true")
    done = ledger.erasing.erase(tree.id, seconds=ERASE_S)
    return json_answer({"tree": tree.to_dict(), "erased": done})


@trees.get("/sessions/<string:session_id>/tree", responses={200: TreeAnswer, **errors(304)})
def get_tree(path: SessionPath, query: TreeQuery) -> Response:
    """The tree a session grows in"""
    session = ctx().ledger.sessions.get(path.session_id)
    if session.tree_id is None:
        empty = {"tree_id": None, "root": None, "nodes": [], "sessions": [session.to_dict()], "next": None}
        return tagged_json({} if query.format == "d3" else empty)
    size = ctx().ledger.trees.get(session.tree_id).nodes
    if query.format == "d3" and size > MOST_NESTED:
        raise InvalidRequest(
            f"the tree has {size} checkpoints; at most {MOST_NESTED} are shown nested",
            hint="Ask for format=flat, page by page.",
            limit=MOST_NESTED,
        )
    with _reading.turn() if size > LARGE else nullcontext():
        if query.format == "d3":
            return json_answer(nested(_whole(session.tree_id)))
        return tagged_json(ctx().ledger.nodes.tree(session.tree_id, query.cursor, query.limit).to_dict())


@trees.patch("/nodes/<string:checkpoint_id>", responses={200: NodeView, **errors(409, 413, 415)})
def patch_node(path: CheckpointPath, body: NodePatch) -> Response:
    """Label, bookmark, mark as failed, score, note, tags

    A member left out stays; `label`, `score`, `score_better` and `note` can be cleared with null.
    """
    given = body.model_dump(include=body.model_fields_set)
    clearable = ("label", "score", "score_better", "note")
    changes = {name: value for name, value in given.items() if value is not None or name in clearable}
    return json_answer(ctx().ledger.nodes.update(path.checkpoint_id, **changes).to_dict())


@trees.get("/sessions/<string:session_id>/events", responses={200: EventPage})
def get_events(path: SessionPath, query: EventsQuery) -> Response:
    """A session's events after an id, oldest first, without waiting

    The WebSocket (/ws/sessions/{session_id}/stream) sends the same events as they happen, with the same ids.
    """
    ctx().ledger.sessions.get(path.session_id)
    events = ctx().ledger.events.read([path.session_id], query.last_id, query.limit)
    last = events[-1].id if events else query.last_id
    return json_answer({"items": [event.to_dict() for event in events], "next": last})


def _whole(tree_id: str) -> TreeView:
    view = ctx().ledger.nodes.tree(tree_id)
    nodes, cursor = list(view.nodes), view.next
    while cursor is not None:
        page = ctx().ledger.nodes.tree(tree_id, cursor)
        nodes += page.nodes
        cursor = page.next
    return TreeView(view.tree_id, view.root, nodes, view.sessions)


def nested(tree: TreeView) -> str:
    """The tree as nested JSON text."""
    known = {node.id: node for node in tree.nodes}
    if tree.root not in known:
        raise SessionNotFound(f"the tree {tree.tree_id} has no root")

    def shown(node_id: str) -> dict[str, Any]:
        view = known[node_id].to_dict()
        del view["children"]
        return {"id": node_id, "name": step_name(view["label"], view["frame_index"])} | view

    return nested_json(tree.root, shown, lambda node_id: [child for child in known[node_id].children if child in known])
