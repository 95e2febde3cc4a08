"""`arc-fabric act`: policies act here, closed loop, in the world there."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from arc_fabric.acting import Policy, Runner, acting
from arc_fabric.cli.app import app
from arc_fabric.cli.output import JsonFlag, err
from arc_fabric.cli.remote.eval import Name, evaluation_of, show_results
from arc_fabric.cli.remote.http import remote_of
from arc_fabric.errors import InvalidRequest
from arc_fabric.extras import extra


@app.command()
def act(
    context: typer.Context,
    name: Name,
    policies: Annotated[
        list[str], typer.Option("--policy", help="NAME=ws://host:port (OpenPI) or NAME=module:function; repeated.")
    ],
    image: Annotated[str, typer.Option(help="What an OpenPI server calls the picture.")] = "observation/image",
    api_key: Annotated[str | None, typer.Option(help="Of an OpenPI server.", show_default=False)] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make the variants of an evaluation whose plan names policies."""
    remote = remote_of(context)
    geometry = remote.fabric.model()["geometry"]
    sizes = {"horizon": geometry["action_horizon"], "dim": geometry["action_dim"]}
    named = {label: where for label, _, where in (given.partition("=") for given in policies)}
    makers = {label: acting(_policy(where, image, api_key), **sizes) for label, where in named.items()}
    evaluation = evaluation_of(remote, name)
    made = Runner(remote.fabric, evaluation, makers).run()
    err.print(f"{made} variants were made here")
    show_results(evaluation, as_json)


def _policy(where: str, image: str, api_key: str | None) -> Policy:
    """A policy by its place."""
    if where.startswith(("ws://", "wss://")):
        with extra("server"):
            from arc_fabric.acting.openpi import OpenPi
        return OpenPi(where, api_key=api_key, image=image)
    module, _, function = where.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found: Policy = getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        hint = "Give NAME=module:function, or NAME=ws://host:port."
        raise InvalidRequest(f"--policy {where}: {error}.", hint=hint) from None
    return found
