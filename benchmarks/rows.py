"""The form of a benchmark's result: rows with a bar each, one JSON object, exit status 1 when a bar is missed.

report = Report("snapshot")
report.add("restore / memcpy", 1.1, "ratio", at_most=1.25, baselines={"memcpy_s": 0.4})
raise SystemExit(report.finish(as_json=True))
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

NOT_HERE = 3
"""Exit status of a benchmark that cannot be run on this machine."""


@dataclass(frozen=True)
class Row:
    """One measured figure. Without a bar it is printed for the record and always ok."""

    name: str
    value: float
    unit: str
    bar: str
    """Such as "<= 1.02"; empty: no bar."""
    ok: bool
    baselines: Mapping[str, Any] = field(default_factory=dict)
    """What it was held against, measured in the same run."""


class Report:
    """Collects rows and prints them."""

    def __init__(self, benchmark: str) -> None:
        self.benchmark = benchmark
        self.rows: list[Row] = []
        self._began = time.time()

    def add(
        self,
        name: str,
        value: float,
        unit: str,
        *,
        at_most: float | None = None,
        at_least: float | None = None,
        baselines: Mapping[str, Any] | None = None,
    ) -> None:
        """Add a row; it is ok when the value is a number within its bars."""
        ok = value == value and (at_most is None or value <= at_most) and (at_least is None or value >= at_least)
        bar = f"<= {at_most:g}" if at_most is not None else f">= {at_least:g}" if at_least is not None else ""
        self.rows.append(Row(name, value, unit, bar, ok, dict(baselines or {})))
        progress(f"  {name}: {value:.5g} {unit} {bar} {'ok' if ok else 'MISSED'} {dict(baselines or {})}")

    def finish(self, *, as_json: bool) -> int:
        """Print everything; returns the exit status."""
        body = {
            "benchmark": self.benchmark,
            "began": self._began,
            "seconds": round(time.time() - self._began, 1),
            "machine": machine(),
            "rows": [asdict(row) for row in self.rows],
            "ok": all(row.ok for row in self.rows),
        }
        print(json.dumps(body, indent=1) if as_json else self._table())
        return 0 if body["ok"] else 1

    def _table(self) -> str:
        lines = [f"{'':4} {'figure':72} {'value':>12} {'unit':8} bar"]
        for row in self.rows:
            mark = "ok" if row.ok else "MISS"
            lines.append(f"{mark:4} {row.name:72} {row.value:12.5g} {row.unit:8} {row.bar}")
            lines += [f"{'':7} {name} = {value}" for name, value in row.baselines.items()]
        return "\n".join(lines)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cpus": len(os.sched_getaffinity(0)),
        "torch_threads": torch.get_num_threads(),
        "load_average": os.getloadavg()[0],
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def progress(text: str) -> None:
    """A line on standard error, so that standard output stays one JSON object."""
    print(text, file=sys.stderr, flush=True)
