"""`arc-fabric flower`: Flower alone, in the foreground, as compose starts it."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import typer

from arc_fabric.base.environment import without_foreign
from arc_fabric.cli.app import app, settings_of
from arc_fabric.cli.output import ReadyFlag, ready_line
from arc_fabric.extras import extra
from arc_fabric.services.ports import choose_port

READY_S = 60.0


@app.command()
@extra("server")
def flower(context: typer.Context, as_json: ReadyFlag = False) -> None:
    """Run Flower in the foreground; with tokens set, those of scope admin are its logins."""
    from arc_fabric.services.parts import flower_command, flower_logins

    settings = settings_of(context)
    port = choose_port(settings.flower_port, 5555, settings.host, what="Flower (flower_port)")
    command = flower_command(settings.host, port)
    if as_json:
        _announce_later(f"http://{settings.host}:{port}")
    os.execve(sys.executable, command, {**without_foreign(os.environ), **settings.to_env(), **flower_logins(settings)})


def _announce_later(url: str) -> None:
    """This process becomes Flower: leave one behind, nobody's zombie, that prints the line once Flower answers."""
    from arc_fabric.services.parts import http_probe

    flower_pid = os.getpid()
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    if os.fork():
        os._exit(os.EX_OK)
    answers, deadline = http_probe(url + "/healthcheck"), time.monotonic() + READY_S
    while time.monotonic() < deadline and Path(f"/proc/{flower_pid}").exists():
        if answers():
            ready_line({"url": url, "pid": flower_pid})
            break
        time.sleep(0.2)
    os._exit(os.EX_OK)
