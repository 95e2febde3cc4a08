"""What is stored: gc, fsck, export, import. They work on the object store, with or without a running system."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from arc_fabric.cli.app import app, settings_of
from arc_fabric.cli.output import JsonFlag, emit, err, out, size
from arc_fabric.cli.remote.http import Remote, remote_of
from arc_fabric.cli.remote.tree import whole_tree
from arc_fabric.errors import CheckpointUnavailable
from arc_fabric.extras import extra

if TYPE_CHECKING:
    from arc_fabric.ledger import Ledger
    from arc_fabric.settings import Settings
    from arc_fabric.store.backends import Backend
    from arc_fabric.store.upkeep.check import CheckReport, Problem


@app.command()
@extra("server")
def gc(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what could be freed.")] = False,
    grace: Annotated[
        float | None, typer.Option(min=0, help="Seconds to wait before deleting; default gc_grace_s.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Delete stored data that nothing refers to, and old KV beyond the storage budget. Safe while the system runs.

    It does what the janitor of a running system does. What it finds new waits out the grace. Checkpoints that no node
    names, and given pictures (initial and observed frames) that no job and no node names, go too; for that it needs
    the Redis that belongs to the store.
    """
    from arc_fabric.services.find_servers import knows_ledger, reachable_store
    from arc_fabric.store.backends import backend_from_settings
    from arc_fabric.upkeep.collect import collect

    settings = settings_of(context, gc_grace_s=grace)
    with reachable_store(settings, ledger=bool(settings.storage_budget_bytes) or knows_ledger(settings)) as settings:
        backend = backend_from_settings(settings)
        with _ledger(settings, backend) as ledger:
            report = collect(ledger, backend, settings, dry_run=dry_run)
    emit(report.to_dict(), as_json, _gc)


@app.command()
@extra("server")
def fsck(
    context: typer.Context,
    read_data: Annotated[bool, typer.Option("--read-data", help="Read stored bytes and check their digests.")] = False,
    share: Annotated[float, typer.Option(min=0, max=1, help="With --read-data: the part of the data to read.")] = 1.0,
    repair: Annotated[
        bool, typer.Option("--repair", help="Read the data, rebuild damaged KV from latents and put it back.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Check that everything the checkpoints refer to is stored and undamaged, and, where their Redis is found, that
    trees which rest can come back. Exit code 1 if something is not.

    Changes nothing without --repair, which loads the model if there is KV to rebuild.
    """
    from arc_fabric.services.find_servers import knows_ledger, reachable_store
    from arc_fabric.store.backends import backend_from_settings
    from arc_fabric.store.upkeep.check import Checker

    settings = settings_of(context)
    with reachable_store(settings, ledger=knows_ledger(settings)) as settings:
        backend = backend_from_settings(settings)
        report = Checker(backend, read_data=share if read_data or repair else 0.0).run()
        report.problems += _at_rest(settings, backend)
        mended = _repair(settings, backend, report) if repair else {}
    emit(report.to_dict() | mended, as_json, _fsck)
    if not report.ok:
        raise typer.Exit(1)


@app.command(name="export")
@extra("server")
def export_(
    context: typer.Context,
    branch: Annotated[str, typer.Argument(metavar="SESSION", help="Session (id, label, 'last') or checkpoint.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write; default <id>.zip.")] = None,
    whole: Annotated[bool, typer.Option("--tree", help="The whole tree, not only this branch.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Write a branch's checkpoints, from the root to its head, into one verifiable file."""
    from arc_fabric.services.find_servers import reachable_store
    from arc_fabric.store.backends import backend_from_settings
    from arc_fabric.store.upkeep.bundle import export_bundle

    remote = remote_of(context)
    tree, nodes = _nodes(remote, branch, whole)
    late = [node["id"] for node in nodes if node["durability"] != "durable"]
    if late:
        raise CheckpointUnavailable(
            f"{len(late)} of {len(nodes)} checkpoints are not stored: {', '.join(late[:3])} ...",
            hint="Wait until they are durable ('arc-fabric tree' shows it); deleted ones cannot be exported.",
        )
    target = output or Path(f"{branch}.zip")
    facts = {"nodes": nodes, "sessions": tree["sessions"]}
    with reachable_store(settings_of(context)) as settings:
        bundle = export_bundle(backend_from_settings(settings), [node["id"] for node in nodes], target, extra=facts)
    emit(
        {"file": str(target), "bytes": target.stat().st_size, "checkpoints": list(bundle.checkpoints)}, as_json, _bundle
    )


@app.command(name="import")
@extra("server")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that 'export' wrote.")],
    as_json: JsonFlag = False,
) -> None:
    """Verify a bundle, store its checkpoints here and put them into the tree, to look at, fork and continue.

    Its sessions come closed: fork a checkpoint, or reopen one.
    """
    from arc_fabric.cli.local.import_bundle import import_file
    from arc_fabric.services.find_servers import reachable_store

    with reachable_store(settings_of(context), ledger=True) as settings:
        bundle, imported = import_file(settings, file)
    facts = {"file": str(file), "bytes": bundle.size, "checkpoints": list(bundle.checkpoints)}
    emit(facts | {"nodes": list(imported.nodes), "sessions": list(imported.sessions)}, as_json, _bundle)


def _nodes(remote: Remote, branch: str, whole: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The tree, and its nodes to export, the root first."""
    if branch.startswith("ckp_"):
        leaf, session = branch, remote.get(f"/api/checkpoints/{branch}")["session_id"]
    else:
        found = remote.session(branch)
        leaf, session = found["head"], found["id"]
    tree = whole_tree(remote, session)
    if whole:
        return tree, tree["nodes"]
    known = {node["id"]: node for node in tree["nodes"]}
    path = []
    while leaf in known:
        path.append(known[leaf])
        leaf = known[leaf]["parent"]
    return tree, path[::-1]


@contextmanager
def _ledger(settings: Settings, backend: Backend) -> Iterator[Ledger | None]:
    """The ledger, where one could be found."""
    from arc_fabric.ledger import Ledger, Limits
    from arc_fabric.resting import attach

    ledger = Ledger(settings.redis_url, limits=Limits.from_settings(settings)) if settings.redis_url else None
    try:
        yield attach(ledger, backend) if ledger else None
    finally:
        if ledger is not None:
            ledger.close()


def _at_rest(settings: Settings, backend: Backend) -> list[Problem]:
    """What is wrong with the records of trees that rest, where the ledger that knows of them could be found."""
    from arc_fabric.ledger import REDIS_OUTAGE
    from arc_fabric.resting.check import damaged_trees
    from arc_fabric.store.upkeep.check import Problem

    try:
        with _ledger(settings, backend) as ledger:
            found = [] if ledger is None else list(damaged_trees(ledger, backend))
    except REDIS_OUTAGE as error:
        err.print(f"trees that rest were not looked at: Redis does not answer ({type(error).__name__})")
        found = []
    return [Problem("tree", key, what, (tree_id,)) for tree_id, key, what in found]


def _repair(settings: Settings, backend: Backend, report: CheckReport) -> dict[str, Any]:
    """Mend what can be; the report keeps the rest."""
    if not any(problem.rebuildable for problem in report.problems):
        return {"repaired": [], "why": {}}
    with extra("sdk"):
        from arc_fabric.store.upkeep.repair import repair_kv
        from arc_fabric.upkeep.rebuilder import Rebuilder

    rebuilder = Rebuilder(settings, backend)
    try:
        done = repair_kv(backend, report.problems, rebuilder)
    finally:
        rebuilder.close()
    report.problems = done.remaining
    return {"repaired": [asdict(problem) for problem in done.repaired], "why": done.why}


def _gc(facts: dict[str, Any]) -> None:
    verb = "could be freed now" if facts["dry_run"] else "freed"
    out.print(f"{facts['checkpoints']} checkpoints; {size(facts['freed_bytes'])} in {facts['deleted']} objects {verb}")
    waiting = facts["candidates"] - facts["deleted"]
    if waiting:
        rest = facts["candidate_bytes"] - facts["freed_bytes"]
        out.print(f"{size(rest)} in {waiting} objects wait until their grace period is over")
    if facts["orphans"]:
        fate = "would be deleted" if facts["dry_run"] else "are deleted now; their data waits as above"
        out.print(f"{facts['orphans']} checkpoints that no node names, {size(facts['orphan_bytes'])}, {fate}")
    for one in facts.get("expired", ()):
        fate = "would be deleted" if facts["dry_run"] else "is deleted"
        days = one["untouched_s"] / 86400
        out.print(
            f"tree {one['tree_id']} {fate}: untouched for {days:.1f} days ({escape(one['rule'])})", soft_wrap=True
        )
    if facts.get("leftover"):
        out.print(f"{size(facts['leftover_bytes'])} in {facts['leftover']} objects of trees that rest no more {verb}")
    if facts.get("others"):
        out.print(
            f"[yellow]{len(facts['others'])} other systems (another Redis) stored in this bucket[/]: what was stored "
            "while they did is left alone; give each system a bucket of its own", soft_wrap=True
        )  # fmt: skip
    if facts["inputs"]:
        out.print(f"{size(facts['input_bytes'])} of these in {facts['inputs']} given pictures that nothing names")
    if facts["inputs"] is None:
        out.print("given pictures and checkpoints without a node were left alone: no Redis that says which are in use")
        out.print("(name it with redis_url)")
    if facts["budget"] is not None:
        _budget(facts["budget"], verb)
    for key in facts["unreadable"]:
        out.print(
            f"[red]unreadable manifest {escape(key)}[/]: nothing is deleted while there is one; see 'arc-fabric fsck'"
        )


def _budget(facts: dict[str, Any], verb: str) -> None:
    out.print(f"{size(facts['stored_bytes'])} stored of a budget of {size(facts['budget_bytes'])}")
    if facts["chosen"]:
        out.print(f"KV of {facts['dropped']} checkpoints, {size(facts['freed_bytes'])}, {verb}")
        waiting = len(facts["chosen"]) - facts["dropped"]
        rest = facts["chosen_bytes"] - facts["freed_bytes"]
        out.print(f"KV of {waiting} more, {size(rest)}, waits until its grace period is over")
    if facts["excess_bytes"]:
        out.print(f"[yellow]{size(facts['excess_bytes'])} over the budget are in use[/]: raise it, unpin or delete")


def _fsck(facts: dict[str, Any]) -> None:
    read = f", {facts['pieces_read']} pieces ({size(facts['bytes_read'])}) read" if facts["pieces_read"] else ""
    out.print(f"{facts['checkpoints']} checkpoints, {facts['objects']} objects, {facts['pieces']} pieces{read}")
    for problem in facts.get("repaired", ()):
        out.print(f"[green]rebuilt[/] {escape(problem['object'])}: {escape(problem['what'])}", soft_wrap=True)
    for checkpoint_id, reason in facts.get("why", {}).items():
        out.print(f"[red]not rebuilt[/] from {checkpoint_id}: {escape(reason)}", soft_wrap=True)
    for problem in facts["problems"]:
        mend = " (KV: --repair rebuilds it from latents)" if problem["rebuildable"] and "why" not in facts else ""
        out.print(
            f"[red]{problem['kind']}[/] {escape(problem['object'])}: {escape(problem['what'])}{mend}", soft_wrap=True
        )
        out.print(f"  affects {', '.join(problem['checkpoints'])}", soft_wrap=True)
    out.print("[green]all good[/]" if facts["ok"] else f"[bold red]{len(facts['affected'])} checkpoints affected[/]")


def _bundle(facts: dict[str, Any]) -> None:
    out.print(
        f"{escape(facts['file'])}  {len(facts['checkpoints'])} checkpoints, {size(facts['bytes'])}", soft_wrap=True
    )
    if "nodes" in facts:
        out.print(f"{len(facts['nodes'])} new nodes; new sessions (closed): {', '.join(facts['sessions']) or 'none'}")
