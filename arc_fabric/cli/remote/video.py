"""`arc-fabric video`: a branch as MP4, GIF or WebP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from arc_fabric.base.terms import CLIP_FORMS, ClipForm
from arc_fabric.cli.app import app
from arc_fabric.cli.output import JsonFlag, emit, out, size
from arc_fabric.cli.remote.http import remote_of


@app.command()
def video(
    context: typer.Context,
    branch: Annotated[str, typer.Argument(metavar="SESSION", help="Session (id, label, 'last') or checkpoint.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write.")] = None,
    form: Annotated[ClipForm | None, typer.Option("--format", help="Default: by the file's name, else mp4.")] = None,
    fps: Annotated[float | None, typer.Option(help="Frames per second; default: the model's.")] = None,
    start: Annotated[int | None, typer.Option("--from", help="First video frame.")] = None,
    end: Annotated[int | None, typer.Option("--to", help="End (exclusive).")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Save a branch, from its root to its head, as a clip."""
    remote = remote_of(context)
    where = (
        f"/api/checkpoints/{branch}" if branch.startswith("ckp_") else f"/api/sessions/{remote.session(branch)['id']}"
    )
    suffix = output.suffix[1:] if output else ""
    chosen = form or (suffix if suffix in CLIP_FORMS else "mp4")
    target = output or Path(f"{where.rpartition('/')[2]}.{chosen}")
    wanted = {"format": chosen, "fps": fps, "from": start, "to": end}
    written = remote.download(f"{where}/video", target, "video", quiet=as_json, **wanted)
    emit({"file": str(target), "bytes": written}, as_json, _line)


def _line(facts: dict[str, Any]) -> None:
    out.print(f"{escape(facts['file'])}  {size(facts['bytes'])}", soft_wrap=True)
