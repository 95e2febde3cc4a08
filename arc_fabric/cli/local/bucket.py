"""`arc-fabric bucket`: make the bucket of an external object store, and see that it works."""

from __future__ import annotations

import typer

from arc_fabric.cli.app import app, settings_of
from arc_fabric.cli.output import JsonFlag, emit, out
from arc_fabric.errors import StoreUnavailable
from arc_fabric.extras import extra


@app.command()
@extra("server")
def bucket(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Make the bucket if it is missing; write and read a probe object."""
    from arc_fabric.services.parts import store_answers

    settings = settings_of(context)
    facts = {"endpoint": settings.s3_endpoint, "bucket": settings.s3_bucket}
    if not store_answers(settings):
        raise StoreUnavailable(f"{settings.s3_endpoint}/{settings.s3_bucket} does not take and give objects.", **facts)
    emit(facts, as_json, lambda found: out.print(f"{found['endpoint']}/{found['bucket']} takes and gives objects"))
