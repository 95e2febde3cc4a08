"""`arc-fabric flower`: Flower alone, in the foreground, as compose starts it."""

from __future__ import annotations

import os
import sys

import typer

from arc_fabric.cli.app import app, settings_of
from arc_fabric.services.parts import flower_command, flower_logins
from arc_fabric.services.ports import choose_port


@app.command()
def flower(context: typer.Context) -> None:
    """Run Flower in the foreground; with tokens set, those of scope admin are its logins."""
    settings = settings_of(context)
    port = choose_port(settings.flower_port, 5555, settings.host, what="Flower (flower_port)")
    command = flower_command(settings.host, port)
    os.execve(sys.executable, command, {**os.environ, **settings.to_env(), **flower_logins(settings)})
