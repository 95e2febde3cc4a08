"""`arc-fabric doctor`: is this machine ready? Every finding says how to mend it. Exit code 1 if something is broken."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import typer
from rich.markup import escape

from arc_fabric.cli.app import app, settings_of
from arc_fabric.cli.output import JsonFlag, emit, out
from arc_fabric.services import checkup

_MARKS = {"ok": "[green]ok  [/]", "warning": "[yellow]warn[/]", "broken": "[bold red]FAIL[/]"}


@app.command()
def doctor(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Check Python, torch, devices, Redis, object store, ports, disk, clock and weights."""
    findings = list(checkup.findings(settings_of(context)))
    broken = any(finding.state == "broken" for finding in findings)
    facts = {"healthy": not broken, "findings": [asdict(finding) for finding in findings]}
    emit(facts, as_json, lambda found: _lines(findings))
    if broken:
        raise typer.Exit(1)


def _lines(findings: list[checkup.Finding]) -> Any:
    for finding in findings:
        out.print(f"{_MARKS[finding.state]}  {finding.name:<13} {escape(finding.message)}", soft_wrap=True)
        if finding.mend:
            out.print(f"      {'':<13} [dim]{escape(finding.mend)}[/]", soft_wrap=True)
