"""`arc-fabric demo`: start everything, run the main job before your eyes, keep serving the page."""

from __future__ import annotations

import signal
import threading
import webbrowser
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from arc_fabric.base.threads import once
from arc_fabric.cli.app import app, settings_of
from arc_fabric.cli.local.up import line, silent
from arc_fabric.cli.output import JsonFlag, emit, err, out
from arc_fabric.client import ArcFabric
from arc_fabric.demo import Demo
from arc_fabric.extras import extra

if TYPE_CHECKING:
    from arc_fabric.services.stack import Stack

DEMO_DATA = Path(".arc-fabric") / "demo"


@app.command()
@extra("local")
def demo(
    context: typer.Context,
    leave: Annotated[bool, typer.Option("--exit", help="End after the demo instead of serving the page.")] = False,
    output: Annotated[Path, typer.Option(help="Where videos, contact sheet and report go.")] = Path("demo_output"),
    data_dir: Annotated[Path, typer.Option(help="Where its data is kept.")] = DEMO_DATA,
    port: Annotated[int | None, typer.Option(help="Port of the web app; 0 finds one.")] = None,
    browse: Annotated[bool, typer.Option("--browse", help="Open the page in a browser.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Three forks with rewind on failure, over the real path, then the page with all of it."""
    from arc_fabric.services.stack import Stack

    settings = settings_of(context, data_dir=data_dir, port=port)
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, _interrupt)
    stack = Stack(settings, report=silent if as_json else line, stopping=stopping)
    stack.start()
    try:
        watcher = once("watch", stack.watch)
        with ArcFabric(stack.url, _token(stack)) as fabric:
            _close_earlier(fabric)
            played = Demo(fabric, output, err if as_json else out)
            report = played.run()
            page = played.deep_link()
        emit(report, as_json, lambda facts: None)
        if not leave:
            out.print(f"\n[bold green]The page:[/] {page}   [dim]Ctrl-C stops everything[/]", soft_wrap=True)
            if browse:
                webbrowser.open(page)
            watcher.join()
    finally:
        stack.stop()


def _token(stack: Stack) -> str | None:
    """The secret of the first token that may write, where the settings have tokens."""
    secrets = [token.secret.get_secret_value() for token in stack.settings.tokens if token.scope != "read"]
    return secrets[0] if secrets else None


def _close_earlier(fabric: ArcFabric) -> None:
    """An earlier demo on this data left its sessions open for its page; their trees stay."""
    for info in fabric.sessions("open"):
        fabric.session(info.id).close()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
