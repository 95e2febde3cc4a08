"""`arc-fabric web`: the web app alone, in the foreground, as compose and systemd start it."""

from __future__ import annotations

import os
import sys

import typer

from arc_fabric.base.environment import without_foreign
from arc_fabric.cli.app import app, settings_of
from arc_fabric.cli.output import ReadyFlag
from arc_fabric.errors import InvalidRequest
from arc_fabric.extras import extra
from arc_fabric.services.ports import choose_port


@app.command()
@extra("server")
def web(context: typer.Context, as_json: ReadyFlag = False) -> None:
    """Run the web app in the foreground. It needs redis_url and s3_endpoint: it brings no servers along."""
    from arc_fabric.services.parts import gunicorn_command

    settings = settings_of(context)
    if not settings.redis_url or not settings.s3_endpoint:
        raise InvalidRequest(
            "The web app alone needs a Redis and an object store.",
            hint="Set redis_url and s3_endpoint, or run everything with 'arc-fabric up'.",
        )
    port = choose_port(settings.port, 8321, settings.host, what="the web app (port)")
    environment = {
        **without_foreign(os.environ),
        **settings.to_env(),
        "ARC_FABRIC_PORT": str(port),
        "ARC_WEB_JSON": str(int(as_json)),
    }
    os.execve(sys.executable, gunicorn_command(settings, port), environment)
