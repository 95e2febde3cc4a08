"""`arc-fabric eval`: evaluations on a running system: run, follow, resume, report, compare."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from arc_fabric.base.terms import BatchMode
from arc_fabric.cli.app import app
from arc_fabric.cli.output import JsonFlag, ago, emit, err, out, size
from arc_fabric.cli.remote.http import Remote, remote_of
from arc_fabric.cli.remote.model_settings import several
from arc_fabric.cli.remote.sessions import checkpoint_at
from arc_fabric.client import EvaluationInfo, RemoteEvaluation
from arc_fabric.client.fabric import values_of
from arc_fabric.errors import InvalidRequest
from arc_fabric.evaluation.plan import plan_from_toml, plan_of
from arc_fabric.evaluation.statistics import seeds_needed
from arc_fabric.evaluation.words import difference, tried

evaluate = typer.Typer(help="Evaluate: many variants of a checkpoint, judged and counted.", no_args_is_help=True)
app.add_typer(evaluate, name="eval")
LINE_EVERY_S = 10.0
"""Where nobody's terminal shows a bar, progress is told so often."""
MOST_LINES = 40
"""Of a table of results on the command line."""
Name = Annotated[str, typer.Argument(metavar="EVALUATION", help="Id, label, or 'last'.")]


@evaluate.command("run")
def run(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="Plan as TOML; flags go over it.", show_default=False)] = None,
    session: Annotated[str | None, typer.Option("--from", help="Session to fork: id, label, or 'last'.")] = None,
    at: Annotated[int | None, typer.Option(help="Its step to fork at; default: the head.")] = None,
    samples: Annotated[list[str] | None, typer.Option("--sample", help="Begin at a sample frame; repeated.")] = None,
    prompts: Annotated[list[str] | None, typer.Option("--prompt", help="A prompt to try; may be repeated.")] = None,
    seeds: Annotated[str | None, typer.Option(help="Seeds: 1,2,3 or 0-7.", show_default=False)] = None,
    steps: Annotated[int | None, typer.Option("--steps", "-n", help="Steps per variant.", show_default=False)] = None,
    scorers: Annotated[list[str] | None, typer.Option("--scorer", help="A scorer; may be repeated.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--setting", help="Values of a setting of the model: guidance=1,2; repeated.")
    ] = None,
    batch: Annotated[
        BatchMode | None, typer.Option(help="How variants step together; default: exact.", show_default=False)
    ] = None,
    label: Annotated[str | None, typer.Option(help="A name for people.", show_default=False)] = None,
    tags: Annotated[list[str] | None, typer.Option("--tag", help="To find it again; may be repeated.")] = None,
    dry_run: Annotated[bool, typer.Option(help="Print the plan and what it would cost; start nothing.")] = False,
    detach: Annotated[bool, typer.Option(help="Do not wait for the results.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Run an evaluation; it goes on if this command is interrupted."""
    remote = remote_of(context)
    given: dict[str, Any] = {
        "prompts": prompts, "seeds": seeds, "steps": steps, "batch": batch, "label": label,
        "model_settings": several(settings), "tags": tags, "samples": samples,
        "scorers": [{"name": name} for name in scorers] if scorers else None,
    }  # fmt: skip
    if session is not None:
        given["checkpoints"] = [checkpoint_at(remote, remote.session(session), at)]
    if file is not None and not file.exists():
        raise InvalidRequest(f"There is no file {file}.", hint="docs/how-to/evaluate.md shows a plan.")
    if file is None and not samples and "checkpoints" not in given:
        raise InvalidRequest(
            "Nothing is named that could be forked.", hint="Give --from SESSION, --sample NAME, or a plan (TOML)."
        )
    values = values_of(file, {name: value for name, value in given.items() if value is not None})
    if values.get("samples") and dry_run:
        raise InvalidRequest("--dry-run starts nothing, and samples begin worlds.", hint="Give --from, or one of them.")
    plan = plan_of(remote.fabric.begun(values))
    if dry_run:
        facts = remote.fabric.transport.json(
            "POST", "/api/evaluations", params={"dry_run": "true"}, body=plan.model_dump(exclude_unset=True)
        )
        emit({"plan": plan.model_dump(), **facts}, as_json, _plan)
        return
    evaluation = remote.fabric.evaluate(plan)
    if detach:
        emit({"evaluation": evaluation.info.to_dict()}, as_json, lambda facts: out.print(evaluation.id))
        return
    _follow(evaluation, quiet=as_json)
    show_results(evaluation, as_json)


@evaluate.command("list")
def listing(
    context: typer.Context,
    state: Annotated[str | None, typer.Option(help="running, finished, cancelled or stopped.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only those with this tag.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """List evaluations, newest first."""
    found = remote_of(context).fabric.evaluations(state, tag)
    emit({"evaluations": [one.to_dict() for one in found]}, as_json, lambda facts: _list(found))


@evaluate.command("show")
def show(context: typer.Context, name: Name, as_json: JsonFlag = False) -> None:
    """Show results: rates with intervals, by all that differs."""
    show_results(evaluation_of(remote_of(context), name), as_json)


@evaluate.command("watch")
def watch(context: typer.Context, name: Name, as_json: JsonFlag = False) -> None:
    """Follow an evaluation until it is over."""
    evaluation = evaluation_of(remote_of(context), name)
    _follow(evaluation, quiet=as_json)
    show_results(evaluation, as_json)


@evaluate.command("cancel")
def cancel(context: typer.Context, name: Name, as_json: JsonFlag = False) -> None:
    """Cancel an evaluation; its results stay."""
    info = evaluation_of(remote_of(context), name).cancel()
    emit(info.to_dict(), as_json, lambda facts: out.print(f"{info.id} {info.state}, {info.done}/{info.total}"))


@evaluate.command("resume")
def resume(
    context: typer.Context,
    name: Name,
    retry_errors: Annotated[bool, typer.Option(help="Also try again what ended in an error.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Go on with what is missing."""
    evaluation = evaluation_of(remote_of(context), name)
    evaluation.resume(retry_errors=retry_errors)
    _follow(evaluation, quiet=as_json)
    show_results(evaluation, as_json)


@evaluate.command("rescore")
def rescore(
    context: typer.Context,
    name: Name,
    file: Annotated[
        Path | None, typer.Option("--plan", help="TOML with [[scorers]], for their options.", show_default=False)
    ] = None,
    scorers: Annotated[list[str] | None, typer.Option("--scorer", help="A scorer; may be repeated.")] = None,
    label: Annotated[str | None, typer.Option(help="A name for people.", show_default=False)] = None,
    as_json: JsonFlag = False,
) -> None:
    """Judge stored branches with other scorers; steps nothing."""
    uses: list[Any] = [*(scorers or ())]
    if file is not None:
        uses += plan_from_toml(file.read_text()).get("scorers", [])
    if not uses:
        raise InvalidRequest("No scorer is named.", hint="Give --scorer NAME, or --plan FILE with [[scorers]].")
    evaluation = evaluation_of(remote_of(context), name).rescore(uses, **({"label": label} if label else {}))
    _follow(evaluation, quiet=as_json)
    show_results(evaluation, as_json)


@evaluate.command("power")
def power(
    first: Annotated[float, typer.Argument(min=0, max=1, help="Success rate of one run.")],
    second: Annotated[float, typer.Argument(min=0, max=1, help="Success rate of the other.")],
    as_json: JsonFlag = False,
) -> None:
    """Say how many seeds it takes to tell two success rates apart (power 0.8 at 5 %)."""
    needed = seeds_needed(first, second)
    said = "equal rates: no number of seeds tells them apart" if needed is None else f"{needed} seeds in each run"
    emit({"seeds": needed}, as_json, lambda facts: out.print(said))


@evaluate.command("video")
def video(
    context: typer.Context,
    name: Name,
    target: Annotated[Path, typer.Option("--out", "-o", help="File: .mp4, .gif or .webp.")] = Path("grid.mp4"),
    variant: Annotated[int | None, typer.Option(help="Only this one; default: all in a grid.")] = None,
    most: Annotated[int, typer.Option(min=1, max=100, help="Variants in the grid.")] = 36,
    columns: Annotated[int | None, typer.Option(min=1, max=20, help="Of the grid.", show_default=False)] = None,
    width: Annotated[int | None, typer.Option(min=16, max=640, help="Pixels of a cell.", show_default=False)] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write a video of one variant, or of all side by side."""
    evaluation = evaluation_of(remote_of(context), name)
    if variant is None:
        path = evaluation.save_grid(target, most=most, columns=columns, width=width)
    else:
        path = evaluation.save_video(variant, target)
    count = path.stat().st_size
    emit({"path": str(path), "bytes": count}, as_json, lambda facts: out.print(f"{path} ({size(count)})"))


@evaluate.command("delete")
def delete(context: typer.Context, name: Name, as_json: JsonFlag = False) -> None:
    """Forget an evaluation; the checkpoints it made stay."""
    evaluation = evaluation_of(remote_of(context), name)
    evaluation.delete()
    emit({"deleted": evaluation.id}, as_json, lambda facts: out.print(f"{evaluation.id} is forgotten"))


@evaluate.command("report")
def report(
    context: typer.Context,
    name: Name,
    target: Annotated[Path, typer.Option("--out", "-o", help="File: .html, .jsonl, .csv or .parquet.")] = Path(
        "report.html"
    ),
    videos: Annotated[int, typer.Option(min=0, max=500, help="Variants with their video, in .html.")] = 24,
    as_json: JsonFlag = False,
) -> None:
    """Write a report or the results to a file."""
    path = evaluation_of(remote_of(context), name).save(target, videos=videos)
    count = path.stat().st_size
    emit({"path": str(path), "bytes": count}, as_json, lambda facts: out.print(f"{path} ({size(count)})"))


@evaluate.command("compare")
def compare(
    context: typer.Context,
    first: Annotated[str, typer.Argument(help="The one before.")],
    second: Annotated[str, typer.Argument(help="The one after.")],
    fail_if_worse: Annotated[
        bool, typer.Option(help="Exit with 1 when the second is worse and p is below 5 %: a gate for CI.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Compare two evaluations, variant by variant (exact McNemar test)."""
    remote = remote_of(context)
    facts = evaluation_of(remote, first).compare(evaluation_of(remote, second))
    emit(facts, as_json, _compared)
    if fail_if_worse and facts["worse"]:
        raise typer.Exit(1)


def evaluation_of(remote: Remote, name: str) -> RemoteEvaluation:
    """An evaluation by id, label, or `last`. Raises InvalidRequest."""
    if name.startswith("evl_"):
        return remote.fabric.evaluation(name)
    found = next((one for one in remote.fabric.evaluations() if name in ("last", one.label)), None)
    if found is None:
        raise InvalidRequest(f"No evaluation is called {name!r}.", hint="'arc-fabric eval list' lists them.")
    return RemoteEvaluation(remote.fabric.transport, found)


def _follow(evaluation: RemoteEvaluation, *, quiet: bool) -> None:
    """Until it is over: a bar on a terminal, elsewhere a line now and then."""
    columns = (TextColumn("eval"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[said]}"))
    times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(elapsed_when_finished=True))
    shown = Progress(*columns, *times, console=err, disable=quiet or not err.is_terminal, transient=True)
    next_line = time.monotonic() + LINE_EVERY_S
    with shown as progress:
        task = progress.add_task("eval", total=evaluation.info.total, said="")

        def told(info: EvaluationInfo) -> None:
            nonlocal next_line
            said = f"{info.good} good, {info.bad} bad, {info.errors} errors"
            progress.update(task, completed=info.done, said=said)
            if shown.disable and not quiet and time.monotonic() > next_line:
                next_line = time.monotonic() + LINE_EVERY_S
                err.print(f"eval {info.done}/{info.total}, {said}")

        try:
            evaluation.wait(on_progress=told)
        except KeyboardInterrupt:
            err.print(f"It goes on. Follow it: arc-fabric eval watch {evaluation.id}; end it: eval cancel")
            raise


def show_results(evaluation: RemoteEvaluation, as_json: bool) -> None:
    """Print what it came to."""
    summary = evaluation.summary()
    emit({"evaluation": evaluation.refresh().to_dict(), "summary": summary}, as_json, _results)


def _results(facts: dict[str, Any]) -> None:
    evaluation, summary = facts["evaluation"], facts["summary"]
    why = f" ({evaluation['why']})" if evaluation["why"] else ""
    said = " ".join(filter(None, (evaluation["id"], evaluation["label"], evaluation["state"] + why)))
    out.print(f"{said}, {evaluation['done']}/{evaluation['total']}", markup=False)
    _table("", [summary["all"]])
    for name, groups in summary["by"].items():
        if len(groups) <= MOST_LINES and (name != "seed" or len(summary["by"]) == 1):
            _table(name, groups)
        else:
            out.print(f"by {name}: {len(groups)} of them; --json and the report have each")
    for one in summary["differences"]:
        out.print(difference(one), markup=False)
    for word, one in summary["examples"].items():
        said = "ended in an error" if word == "error" else "was not judged"
        out.print(f"variant {one['variant']} {said}: {one['reason']}", markup=False)
    for group in summary["groups"]:
        for score in group["scores"]:
            value = "no value" if score["value"] is None else f"{score['value']:.3f}"
            out.print(f"{score['name']} over {group['n']} seeds of {group['prompt']!r}: {value}", markup=False)
    if summary["best"] is not None:
        out.print(
            f"best: variant {summary['best']}, worst: variant {summary['worst']} (eval video --variant shows one)"
        )


def _table(name: str, groups: list[dict[str, Any]]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in (name or "all", "rate", "95 % interval", "good", "bad", "errors", "not judged", "mean score"):
        table.add_column(column)
    for group in groups:
        rate = "-" if group["rate"] is None else f"{group['rate']:.0%}"
        interval = "-" if group["rate"] is None else f"{group['low']:.0%} to {group['high']:.0%}"
        mean = "" if group["mean_score"] is None else f"{group['mean_score']:.3f}"
        counts = (str(group[kind]) for kind in ("good", "bad", "errors", "unjudged"))
        own = "the checkpoint's" if name and group[name] is None else escape(str(group[name])) if name else ""
        table.add_row(own, rate, interval, *counts, mean)
    out.print(table)


def _list(found: list[EvaluationInfo]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("evaluation", "state", "done", "good", "bad", "errors", "begun", "label"):
        table.add_column(column, no_wrap=column == "evaluation")
    for one in found:
        counts = (f"{one.done}/{one.total}", str(one.good), str(one.bad), str(one.errors))
        table.add_row(one.id, one.state, *counts, ago(one.created), escape(one.label or ""))
    out.print(table)


def _plan(facts: dict[str, Any]) -> None:
    seconds = "" if facts["seconds"] is None else f", about {facts['seconds']:g} s"
    stored = "" if facts["bytes"] is None else f", about {size(facts['bytes'])} in storage"
    out.print(tried(facts["plan"]), markup=False)
    out.print(f"{facts['variants']} variants, {facts['steps']} steps{seconds}{stored}; nothing was started")
    if facts["seconds"] is None:
        out.print("How long it takes is known once a step led to its checkpoints (arc-fabric step).")


def _compared(facts: dict[str, Any]) -> None:
    first, second = facts["first"], facts["second"]
    for name, one in (("first", first), ("second", second)):
        rate = "no verdicts" if one["rate"] is None else f"{one['rate']:.0%} ({one['low']:.0%} to {one['high']:.0%})"
        out.print(f"{name:>6}: {rate}, {one['good']} good, {one['bad']} bad, {one['errors']} errors")
    out.print(
        f"{facts['pairs']} pairs by {', '.join(facts['matched_on'])}: good in the first only {facts['only_first']}, "
        f"in the second only {facts['only_second']}; p = {facts['p']:.3g}"
    )
    if facts["p"] >= 0.05 and facts["pairs_needed"]:
        out.print(f"No difference is shown; one of this size would need {facts['pairs_needed']} pairs.")
