"""`arc-fabric worker`: one worker process, as `up`, compose and systemd start it."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from arc_fabric.cli.app import app, settings_of
from arc_fabric.cli.output import ReadyFlag, keep_stdout
from arc_fabric.extras import extra


@app.command()
@extra("server")
def worker(
    context: typer.Context,
    name: Annotated[str, typer.Option(help="gpu.0, gpu.1, ... (with a model) or media (without).")],
    device: Annotated[str | None, typer.Option(help="cpu or cuda:<n>; none for media.")] = None,
    as_json: ReadyFlag = False,
) -> None:
    """Run one worker in the foreground."""
    os.environ.update(settings_of(context).to_env())  # Celery's app reads its settings from the environment
    from workers.startup.main import run_worker

    run_worker(name, device, on_ready=keep_stdout() if as_json else None)
