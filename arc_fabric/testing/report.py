"""What the suite found."""

from __future__ import annotations

from dataclasses import dataclass, field

from arc_fabric.errors import ModelError


@dataclass(frozen=True)
class Finding:
    """One promise that a model does not keep."""

    check: str
    problem: str
    mend: str

    def __str__(self) -> str:
        return f"{self.check}: {self.problem}\n    To mend it: {self.mend}"


@dataclass
class Report:
    """All of a run."""

    model: str
    passed: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    """Check -> why it does not apply."""
    findings: list[Finding] = field(default_factory=list)
    shared: float | None = None
    """Of the bytes of the checkpoints of one window, the part that was not stored again."""

    def __str__(self) -> str:
        lines = [f"{self.model}: {len(self.passed)} checks passed, {len(self.findings)} failed"]
        lines += [f"  {finding}" for finding in self.findings]
        lines += [f"  not checked, {name}: {why}" for name, why in self.skipped.items()]
        lines += [] if self.shared is None else [f"  {self.shared:.0%} of the bytes of its checkpoints are shared"]
        return "\n".join(lines)


class NotConforming(ModelError):
    """A model does not keep the contract; `report` has the findings."""

    def __init__(self, report: Report) -> None:
        super().__init__(str(report), hint="Mend what each finding names, and run the suite again.")
        self.report = report
