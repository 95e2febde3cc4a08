"""For operators: the model, samples, workers, queues, storage. Health and metrics live in `webapp.health`."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

from flask import Response
from pydantic import BaseModel, Field

from arc_fabric.errors import ModelUnavailable, NotFound
from arc_fabric.ledger import Ledger, Page
from webapp.context import Context, ctx
from webapp.http.answers import binary, blueprint, errors, json_answer, tagged_json
from webapp.http.files import immutable
from webapp.http.limits import Turns
from webapp.model import sample_names, sample_png
from webapp.schemas.fleet import (
    FreeableAnswer,
    ModelAnswer,
    QueuesAnswer,
    SamplePage,
    StorageAnswer,
    UsagePage,
    WorkerPage,
)
from webapp.schemas.ids import Query

operations = blueprint("operations", "operations", "The model, its workers and the storage.")
STORAGE_SECONDS = 15.0
MOST_OBJECTS = 200_000


class SamplePath(BaseModel):
    """A sample in the path."""

    name: str = Field(min_length=1, max_length=80, pattern=r"^[\w.-]+$", description="Sample name.")


class NamesQuery(Query):
    """A page of a list in the order of names."""

    cursor: str | None = Field(
        None, min_length=1, max_length=80, pattern=r"^[\w.-]+$", description="`next` of the page before."
    )
    limit: int = Field(500, ge=1, le=500, description="Entries per page.")


class UsageQuery(Query):
    """A page of usage."""

    cursor: str | None = Field(None, min_length=1, max_length=200, description="`next` of the page before.")
    limit: int = Field(500, ge=1, le=500, description="Entries per page.")


@operations.get("/model", responses={200: ModelAnswer, **errors(304)})
def get_model() -> Response:
    """The model that the workers run

    `geometry` (sizes, frames per second, action names and limits), `abilities`, `identity`. 503 until the
    first worker has loaded it.
    """
    card = ctx().ledger.model_card.read()
    if not card:
        raise ModelUnavailable("no worker has loaded the model yet", hint="Try again in a moment; see /api/workers.")
    return tagged_json(card)


@operations.get("/samples", responses={200: SamplePage})
def list_samples(query: NamesQuery) -> Response:
    """Initial frames that ship with the model, by name"""
    page = Page.of_names(sample_names(), query.cursor, query.limit)
    items = [{"name": name, "initial_frame": f"sample:{name}", "url": f"/api/samples/{name}"} for name in page.items]
    return json_answer({"items": items, "next": page.next})


@operations.get(
    "/samples/<string:name>", responses={200: binary("image/png", description="The picture."), **errors(304)}
)
def get_sample(path: SamplePath) -> Response:
    """One sample picture, as PNG"""
    if path.name not in sample_names():
        raise NotFound(f"there is no sample {path.name!r}", hint="GET /api/samples lists them.")
    return immutable(sample_png(path.name), "image/png", name=f"sample/{path.name}")


@operations.get("/workers", responses={200: WorkerPage})
def list_workers(query: NamesQuery) -> Response:
    """Worker processes by name: state, device and how busy it is, current job, resident sessions, memory"""
    page = ctx().ledger.workers.page(query.cursor, query.limit)
    return json_answer({"items": [worker.to_dict() for worker in page.items], "next": page.next})


@operations.get("/queues", responses={200: QueuesAnswer})
def list_queues() -> Response:
    """Tickets waiting per queue, and totals"""
    ledger = ctx().ledger
    items = [{"name": name, "length": length} for name, length in ledger.workers.queues().items()]
    return json_answer({"items": items, "counts": ledger.counts()})


@operations.get("/usage", responses={200: UsagePage})
def get_usage(query: UsageQuery) -> Response:
    """Open sessions and stored bytes per token, with its quota"""
    context = ctx()
    names = [token.name for token in context.settings.tokens]
    page = context.ledger.owners.page(query.cursor, query.limit, also=names)
    return json_answer({"items": [usage.to_dict() for usage in page.items], "next": page.next})


@operations.get("/storage", responses={200: StorageAnswer})
def get_storage() -> Response:
    """Objects and bytes per kind in the object store, and what waits to be stored

    Counted at most every 15 seconds.
    """
    context = ctx()
    pending = context.ledger.counts()["nodes_pending"]
    return json_answer(_census.of(context) | {"bucket": context.settings.s3_bucket, "nodes_pending": pending})


@operations.get("/storage/freeable", responses={200: FreeableAnswer})
def get_freeable() -> Response:
    """What the collector would free, as last counted

    Nothing is counted for this answer: POST asks for that.
    """
    return json_answer(_freeable(ctx().ledger))


@operations.post("/storage/freeable", responses={202: FreeableAnswer})
def count_freeable() -> Response:
    """Have it counted anew what the collector would free

    A media worker makes the collector's dry run within seconds, or as long as looking at everything stored takes;
    nothing is deleted. GET has the result once `asked` is null.
    """
    ctx().ledger.freeable.ask()
    return json_answer(_freeable(ctx().ledger), 202, {"Location": "/api/storage/freeable", "Retry-After": "2"})


def _freeable(ledger: Ledger) -> dict[str, Any]:
    asked = ledger.freeable.asked()  # first: an answer that comes in between is seen
    return {"asked": asked, "report": ledger.freeable.last()}


class _Census:
    """Counts the bucket, not more often than every STORAGE_SECONDS."""

    def __init__(self) -> None:
        self._counting = Turns("counting what is stored")
        self._until = 0.0
        self._last: dict[str, Any] = {}

    def of(self, context: Context) -> dict[str, Any]:
        """Objects and bytes by first part of the key."""
        if not self._last or time.monotonic() >= self._until:
            with self._counting.turn():
                if time.monotonic() >= self._until:
                    self._last = _count(context)
                    self._until = time.monotonic() + STORAGE_SECONDS
        return self._last


def _count(context: Context) -> dict[str, Any]:
    kinds: dict[str, dict[str, int]] = defaultdict(lambda: {"objects": 0, "bytes": 0})
    total = 0
    for total, info in enumerate(context.backend.list(""), 1):
        kind = kinds[info.key.partition("/")[0]]
        kind["objects"] += 1
        kind["bytes"] += info.size
        if total >= MOST_OBJECTS:
            break
    return {"kinds": dict(kinds), "objects": total, "truncated": total >= MOST_OBJECTS, "counted": time.time()}


_census = _Census()
