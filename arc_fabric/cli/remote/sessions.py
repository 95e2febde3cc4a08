"""Sessions and the work on them: sessions, new, step, fork, rewind, checkpoint, close.

A session is named by its id, its label, or `last` (the one made last).
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from arc_fabric.cli.app import app
from arc_fabric.cli.output import JsonFlag, ago, emit, out, table_of
from arc_fabric.cli.remote.http import Remote, remote_of
from arc_fabric.cli.remote.model_settings import Setting, one_each
from arc_fabric.demo import SAMPLE
from arc_fabric.errors import InvalidRequest

SessionName = Annotated[str, typer.Argument(metavar="SESSION", help="Id, label, or 'last'.")]
Label = Annotated[str | None, typer.Option(help="A name for people.")]
ActionsFile = Annotated[Path | None, typer.Option(help="JSON: per step [horizon][dim], or null to predict.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait for the job.")]


@app.command()
def sessions(
    context: typer.Context,
    state: Annotated[str | None, typer.Option(help="open or closed.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """List the sessions."""
    items = list(remote_of(context).pages("/api/sessions", state=state))
    emit({"items": items}, as_json, lambda facts: _table(facts["items"]))


@app.command()
def new(
    context: typer.Context,
    prompt: Annotated[str, typer.Argument(help="What shall happen.")],
    frame: Annotated[
        str | None, typer.Option(help="sample:<name> or an image file; default: the demo's, if the model needs one.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the sampler.")] = None,
    settings: Setting = None,
    label: Label = None,
    steps: Annotated[int, typer.Option("--steps", "-n", min=0, help="Steps to run at once.")] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Start a session from a frame and a prompt."""
    remote = remote_of(context)
    answer = remote.post(
        "/api/sessions", prompt=prompt, initial_frame=_first(remote, frame), seed=seed, label=label,
        model_settings=one_each(settings),
    )  # fmt: skip
    job = remote.finish(answer["job"], "new", quiet=as_json)
    if steps:
        job = remote.post(f"/api/sessions/{answer['session']['id']}/step", steps=steps)["job"]
        job = remote.finish(job, "step", quiet=as_json)
    _tell(remote.get(f"/api/sessions/{answer['session']['id']}"), job, as_json)


@app.command()
def step(
    context: typer.Context,
    session: SessionName,
    steps: Annotated[int, typer.Option("--steps", "-n", min=1, help="How many.")] = 1,
    prompt: Annotated[str | None, typer.Option(help="New prompt from here on.")] = None,
    seed: Annotated[int | None, typer.Option(help="New seed from here on.")] = None,
    settings: Setting = None,
    actions: ActionsFile = None,
    observed: Annotated[
        list[Path] | None, typer.Option(help="A real frame since the last step, oldest first; once per frame.")
    ] = None,
    if_head: Annotated[str | None, typer.Option(help="Refuse unless this is the head.")] = None,
    no_wait: NoWait = False,
    as_json: JsonFlag = False,
) -> None:
    """Advance a session."""
    given = _read_json(actions) if actions else None
    seen = [[_frame(str(path)) for path in observed]] if observed else None
    body = {"steps": steps, "prompt": prompt, "seed": seed, "model_settings": one_each(settings), "actions": given,
            "observed": seen, "if_head": if_head}  # fmt: skip
    _work(context, session, "step", body, no_wait, as_json)


@app.command()
def fork(
    context: typer.Context,
    session: SessionName,
    at: Annotated[int | None, typer.Option(help="Step to fork at, counted from the root; default: the head.")] = None,
    checkpoint: Annotated[str | None, typer.Option(help="Checkpoint to fork at, instead of --at.")] = None,
    prompt: Annotated[str | None, typer.Option(help="Prompt of the fork.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the fork.")] = None,
    settings: Setting = None,
    steps: Annotated[int, typer.Option("--steps", "-n", min=0, help="Steps to run in the same job.")] = 0,
    actions: ActionsFile = None,
    bulk: Annotated[bool, typer.Option(help="Low priority, needs no session slot, closes at its end.")] = False,
    label: Label = None,
    as_json: JsonFlag = False,
) -> None:
    """Fork a new session from a checkpoint; no tensor is copied."""
    remote = remote_of(context)
    source = remote.session(session)
    path = f"/api/checkpoints/{checkpoint or checkpoint_at(remote, source, at)}/fork"
    body = {"new_prompt": prompt, "new_seed": seed, "model_settings": one_each(settings), "steps": steps or None,
            "bulk": bulk or None, "label": label}  # fmt: skip
    body["actions"] = _read_json(actions) if actions else None
    answer = remote.post(path, **body)
    job = remote.finish(answer["job"], "fork", quiet=as_json)
    _tell(remote.get(f"/api/sessions/{answer['session_id']}"), job, as_json)


@app.command()
def rewind(
    context: typer.Context,
    session: SessionName,
    steps: Annotated[int | None, typer.Option("--steps", "-n", min=1, help="Steps to go back; default 1.")] = None,
    to: Annotated[str | None, typer.Option(help="Checkpoint to go back to.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Move a session's head back; nothing is deleted."""
    _work(context, session, "rewind", {"n_steps": steps, "checkpoint_id": to}, False, as_json)


@app.command()
def checkpoint(context: typer.Context, session: SessionName, label: Label = None, as_json: JsonFlag = False) -> None:
    """Name a session's head and wait until it is stored."""
    _work(context, session, "checkpoint", {"label": label}, False, as_json)


@app.command()
def close(context: typer.Context, session: SessionName, as_json: JsonFlag = False) -> None:
    """Close a session; its tree is kept."""
    remote = remote_of(context)
    answer = remote.delete(f"/api/sessions/{remote.session(session)['id']}")
    emit(answer, as_json, lambda facts: out.print(f"{facts['session']['id']} closed"))


def _work(context: typer.Context, name: str, kind: str, body: dict[str, Any], no_wait: bool, as_json: bool) -> None:
    """Post a job, wait for it and show the session after it."""
    remote = remote_of(context)
    session_id = remote.session(name)["id"]
    job = remote.post(f"/api/sessions/{session_id}/{kind}", **body)["job"]
    if not no_wait:
        job = remote.finish(job, kind, quiet=as_json)
    _tell(remote.get(f"/api/sessions/{session_id}"), job, as_json)


def _tell(session: dict[str, Any], job: dict[str, Any], as_json: bool) -> None:
    emit({"session": session, "job": job}, as_json, _line)


def _line(facts: dict[str, Any]) -> None:
    session, job = facts["session"], facts["job"]
    took = f"{job['finished'] - job['started']:.1f} s" if job["finished"] and job["started"] else job["state"]
    label = f" ({escape(session['label'])})" if session["label"] else ""
    out.print(
        f"[bold]{session['id']}[/]{label} at step {session['frame_index']}, head {session['head']}  "
        f"[dim]{job['kind']} {took}[/]",
        soft_wrap=True,
    )
    steps = (job["result"] or {}).get("steps", ())
    if any(step.get("steered") is False for step in steps):
        out.print("[yellow]This model predicts its own actions; the given ones were recorded, not followed.[/]")


def _table(items: list[dict[str, Any]]) -> None:
    if not items:
        out.print("No sessions. Start one: arc-fabric new 'pick up the red cup'")
        return
    table = table_of("session", "label", "state", "step", "prompt", "seed", "worker", "updated")
    for item in items:
        style = None if item["state"] == "open" else "dim"
        cells = (item["id"], item["label"], item["state"], item["frame_index"], item["prompt"], item["seed"])
        more = (item["worker"], ago(item["updated"]))
        table.add_row(*("" if cell is None else escape(str(cell)) for cell in (*cells, *more)), style=style)
    out.print(table)


def _first(remote: Remote, frame: str | None) -> Any:
    """The picture that was named, else a sample; none where a world begins from its prompt alone."""
    if frame is None and remote.fabric.model()["abilities"].get("needs_picture") is False:
        return None
    return _frame(frame or first_sample(remote))


def first_sample(remote: Remote) -> str:
    """The sample frame to start from when none is chosen: the demo's where there is one."""
    samples = [f"sample:{name}" for name in remote.fabric.samples()]
    if not samples:
        raise InvalidRequest("This server has no sample frames.", hint="Give an image file with --frame.")
    return SAMPLE if SAMPLE in samples else samples[0]


def _frame(text: str) -> str:
    if text.startswith("sample:"):
        return text
    path = Path(text)
    if not path.is_file():
        raise InvalidRequest(f"{text} is no image file.", hint="Give an image file, or sample:<name>.")
    return base64.b64encode(path.read_bytes()).decode()


def checkpoint_at(remote: Remote, session: dict[str, Any], index: int | None) -> str:
    """The checkpoint of a session's lineage after this many steps; its head for None."""
    if index is None:
        return str(session["head"])
    lineage: list[str] = remote.get(f"/api/checkpoints/{session['head']}")["lineage"] if session["head"] else []
    if not 0 <= index < len(lineage):
        raise InvalidRequest(
            f"{session['id']} has no step {index}; its head is at step {session['frame_index']}.",
            hint="'arc-fabric tree' shows the checkpoints.",
        )
    return lineage[index]


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"{path} is no JSON file: {error}.") from None
