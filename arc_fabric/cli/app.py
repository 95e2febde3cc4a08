"""The root command: flags that hold for every command, and how errors end the process.

Exit codes: 0 done, 1 refused or failed (the message says what to do), 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from arc_fabric import __version__
from arc_fabric.cli import output
from arc_fabric.errors import ArcFabricError, InvalidRequest
from arc_fabric.settings import Settings, load_settings

MODULES = {
    "local.up": ("up",),
    "local.demo": ("demo",),
    "local.worker": ("worker",),
    "local.web": ("web",),
    "local.flower": ("flower",),
    "local.bucket": ("bucket",),
    "remote.trees": ("trees", "delete"),
    "remote.sessions": ("sessions", "new", "step", "fork", "rewind", "checkpoint", "close"),
    "remote.tree": ("tree", "show"),
    "remote.usage": ("usage",),
    "remote.pins": ("pin", "unpin"),
    "remote.compare": ("compare",),
    "remote.video": ("video",),
    "local.storage": ("export", "import", "gc", "fsck"),
    "remote.eval": ("eval",),
    "remote.act": ("act",),
    "remote.dataset": ("dataset",),
    "local.bench": ("bench",),
    "local.doctor": ("doctor",),
    "local.settings": ("settings",),
}
"""Which module of this package holds which commands, in the order of the help."""

app = typer.Typer(
    help="Checkpoint, fork, rewind and compare the worlds of autoregressive video world models.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        output.out.print(f"arc-fabric {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option(help="TOML settings file.", show_default=False)] = None,
    url: Annotated[str | None, typer.Option(help="Web app to talk to.", show_default=False)] = None,
    choices: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="NAME=VALUE", help="Set any setting; may be repeated."),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Keep the settings flags for the command that follows."""
    flags = dict(_parse(choice) for choice in choices or [])
    context.obj = {"config": config, "flags": flags | ({"url": url} if url else {})}


def settings_of(context: typer.Context, **flags: Any) -> Settings:
    """The settings of this call: its own flags, then `--set`, the environment, the file, the defaults."""
    given = {name: value for name, value in flags.items() if value is not None}
    return load_settings(config=context.obj["config"], **{**context.obj["flags"], **given})


def main() -> None:
    """Run the command line; never shows a traceback for an error that we raise on purpose, nor for files and streams
    that cannot be used."""
    try:
        try:
            _load(sys.argv[1:])
            app()
        except ArcFabricError as error:
            output.report_error(error, "--json" in sys.argv)
            sys.exit(1)
        finally:
            sys.stdout.flush()
    except OSError as error:
        output.report_lost_output(error)
        sys.exit(1)


def _parse(choice: str) -> tuple[str, str]:
    name, equals, value = choice.partition("=")
    if not equals:
        raise InvalidRequest(f"--set {choice}: expected NAME=VALUE.")
    return name.strip().replace("-", "_"), value


def _load(words: list[str]) -> None:
    """Import the modules of the commands among these words; all of them for help and completion.

    A command that needs no torch, HTTP or servers does not pay for those that do.
    """
    named = [module for module, commands in MODULES.items() if set(commands) & set(words)]
    for module in named or MODULES:
        importlib.import_module(f"arc_fabric.cli.{module}")
