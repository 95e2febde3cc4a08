"""`arc-fabric eval`: many bulk forks of one checkpoint, scored by the magnitude of their actions.

A bulk fork needs no session slot, gives way to interactive work and closes itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Annotated, Any

import numpy as np
import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from arc_fabric import scoring
from arc_fabric.cli.app import app
from arc_fabric.cli.output import JsonFlag, emit, err, out
from arc_fabric.cli.remote.http import Remote, remote_of
from arc_fabric.cli.remote.sessions import SessionName, checkpoint_at
from arc_fabric.cli.remote.tree import whole_tree
from arc_fabric.client import Job
from arc_fabric.errors import ArcFabricError, InvalidRequest


@app.command(name="eval")
def evaluate(
    context: typer.Context,
    session: SessionName,
    at: Annotated[int | None, typer.Option(help="Step to fork at, counted from the root; default: the head.")] = None,
    prompts: Annotated[list[str] | None, typer.Option("--prompt", help="A prompt to try; may be repeated.")] = None,
    seeds: Annotated[str, typer.Option(help="Seeds to try with each prompt: 1,2,3 or 0-7.")] = "0-3",
    steps: Annotated[int, typer.Option("--steps", "-n", min=1, help="Steps per run.")] = 8,
    mark: Annotated[bool, typer.Option(help="Write scores and failures to the tree.")] = True,
    as_json: JsonFlag = False,
) -> None:
    """Try prompts and seeds from one checkpoint and rank what comes of them."""
    remote = remote_of(context)
    source = remote.session(session)
    origin = checkpoint_at(remote, source, at)
    given: list[str | None] = [*prompts] if prompts else [None]
    tries = itertools.product(given, _seeds(seeds))
    jobs = _finish(remote, _fork(remote, origin, tries, steps), quiet=as_json)
    runs = _score(whole_tree(remote, source["id"])["nodes"], jobs, origin)
    if mark:
        for run in runs:
            if run["leaf"]:
                remote.patch(
                    f"/api/nodes/{run['leaf']}", score=run["score"], score_better="lower", failed=run["failed"]
                )
    emit({"origin": origin, "runs": runs}, as_json, _table)


def _seeds(text: str) -> list[int]:
    """'1,2,3' or '0-7'."""
    try:
        if "-" in text:
            first, last = (int(part) for part in text.split("-", 1))
            return list(range(first, last + 1))
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InvalidRequest(f"--seeds {text}: expected 1,2,3 or 0-7.") from None


def _fork(remote: Remote, origin: str, tries: Iterable[tuple[str | None, int]], steps: int) -> list[str]:
    """Ids of the accepted jobs, one per prompt and seed. Raises the first refusal, after cancelling the others."""
    common = {"checkpoint_id": origin, "steps": steps, "bulk": True}
    answers = remote.fabric.submit([
        {"kind": "fork", "params": common | {"new_prompt": prompt, "new_seed": seed}} for prompt, seed in tries
    ])  # fmt: skip
    accepted = [answer.id for answer in answers if isinstance(answer, Job)]
    for answer in answers:
        if isinstance(answer, ArcFabricError):
            for job_id in accepted:
                remote.delete(f"/api/jobs/{job_id}")
            raise answer
    return accepted


def _finish(remote: Remote, job_ids: list[str], *, quiet: bool) -> list[dict[str, Any]]:
    """Wait for all jobs; a failed one is a result, not an error."""
    columns = (TextColumn("eval"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, disable=quiet, transient=True) as progress:
        task = progress.add_task("eval", total=len(job_ids))
        done = []
        for job_id in job_ids:
            job = remote.fabric.awaited(job_id, 20)
            while job["state"] in ("queued", "running"):
                job = remote.fabric.awaited(job_id, 20)
            done.append(job)
            progress.advance(task)
        return done


def _score(nodes: list[dict[str, Any]], jobs: list[dict[str, Any]], origin: str) -> list[dict[str, Any]]:
    """One entry per run, best first. The threshold comes from the lineage up to the origin, else from the runs."""
    known = {node["id"]: node for node in nodes}
    paths = [_path(known, (job["result"] or {}).get("head"), origin) for job in jobs]
    reference = _magnitudes(_path(known, origin, None)) or [m for path in paths for m in _magnitudes(path)]
    limit = scoring.threshold(np.asarray(reference)) if reference else float("inf")
    runs = [_run(job, path, limit) for job, path in zip(jobs, paths, strict=True)]
    return sorted(runs, key=lambda run: (run["score"] is None, run["score"]))


def _run(job: dict[str, Any], path: list[dict[str, Any]], limit: float) -> dict[str, Any]:
    magnitudes = _magnitudes(path)
    score = scoring.branch_score(np.asarray(magnitudes)) if magnitudes else None
    leaf = path[-1] if path else None
    return {
        "session_id": job["session_id"],
        "job_id": job["id"],
        "state": job["state"],
        "error": job["error"],
        "leaf": leaf["id"] if leaf else None,
        "prompt": leaf["prompt"] if leaf else job["params"].get("prompt"),
        "seed": leaf["seed"] if leaf else job["params"].get("seed"),
        "steps": len(path),
        "score": score,
        "threshold": limit,
        "failed": score is None or score > limit,
    }


def _path(known: dict[str, dict[str, Any]], leaf: str | None, origin: str | None) -> list[dict[str, Any]]:
    """The nodes after `origin` (None: from the root) down to `leaf`."""
    path = []
    while leaf is not None and leaf != origin and leaf in known:
        path.append(known[leaf])
        leaf = known[leaf]["parent"]
    return path[::-1]


def _magnitudes(path: list[dict[str, Any]]) -> list[float]:
    actions = [node["actions"] for node in path if node["actions"]]
    return scoring.step_magnitudes(np.asarray(actions)).tolist() if actions else []


def _table(facts: dict[str, Any]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("score", "threshold", "verdict", "seed", "prompt", "steps", "leaf"):
        table.add_column(column, no_wrap=column == "leaf")
    for run in facts["runs"]:
        verdict = "[red]failed[/]" if run["failed"] else "[green]ok[/]"
        score = run["state"] if run["score"] is None else f"{run['score']:.3f}"
        cells = (str(run["seed"]), escape(run["prompt"] or ""), str(run["steps"]), run["leaf"] or "")
        table.add_row(score, f"{run['threshold']:.3f}", verdict, *cells)
    out.print(table)
