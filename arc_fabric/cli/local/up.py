"""`arc-fabric up`: run everything on one data directory until Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from arc_fabric.cli.app import app, settings_of
from arc_fabric.cli.output import JsonFlag, err, out
from arc_fabric.extras import extra

if TYPE_CHECKING:
    from arc_fabric.services.service import Service
    from arc_fabric.services.stack import Stack

_MARKS = {"healthy": "[green]ok[/]", "restarting": "[red]!![/]", "stopped": "[dim]--[/]"}


@app.command()
@extra("local")
def up(
    context: typer.Context,
    data_dir: Annotated[Path | None, typer.Option(help="Where data, secrets and logs are kept.")] = None,
    host: Annotated[str | None, typer.Option(help="Address of the web app.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the web app; 0 finds one.")] = None,
    model: Annotated[str | None, typer.Option(help="Model to serve.")] = None,
    devices: Annotated[str | None, typer.Option(help="One worker per entry: cuda:0,cuda:1 or cpu,cpu.")] = None,
    flower: Annotated[bool | None, typer.Option(help="Run Flower.", show_default=False)] = None,
    as_json: JsonFlag = False,
) -> None:
    """Start servers, workers, web app and Flower; stop them all with Ctrl-C."""
    from arc_fabric.services.stack import Stack, StartInterrupted

    settings = settings_of(
        context, data_dir=data_dir, host=host, port=port, model=model, devices=devices, flower=flower
    )
    stopping = threading.Event()
    _stop_on_signals(stopping)
    stack = Stack(settings, report=silent if as_json else line, stopping=stopping)
    try:
        stack.start()
    except StartInterrupted:
        raise typer.Exit(130) from None
    try:
        _announce(stack, as_json)
        stack.watch()
    finally:
        stack.stop()


def _stop_on_signals(stopping: threading.Event) -> None:
    """The first signal asks for a clean stop; after the second the kernel ends our children."""

    def ask(number: int, frame: FrameType | None) -> None:
        if stopping.is_set():
            os._exit(130)
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, ask)


def _announce(stack: Stack, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(stack.view()) + "\n")
        sys.stdout.flush()
    else:
        out.print(f"\n[bold green]Ready:[/] [link={stack.url}]{stack.url}[/]   [dim]Ctrl-C stops everything[/]")


def line(service: Service) -> None:
    """One line for a change of a service; what is starting is only worth a line if it restarts."""
    if service.state == "starting":
        return
    console, detail = out, service.detail
    if service.state == "restarting" and service.child:
        console, detail = err, f"died; restart {service.restarts}, log {service.child.log}"
    console.print(f"{_MARKS[service.state]} {service.name:<8} {service.url:<44} [dim]{detail}[/]", soft_wrap=True)


def silent(service: Service) -> None:
    """With --json nothing is printed but the one object."""
