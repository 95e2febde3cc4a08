"""The one call."""

from __future__ import annotations

from collections.abc import Sequence

from arc_fabric.errors import ArcFabricError
from arc_fabric.models.contract import is_declared
from arc_fabric.testing.checks import ALL, Skip, interleaves, rebuilds, restores, settings, survives_failure
from arc_fabric.testing.declarations import DECLARED, begins_anew, prompt_modes, streams
from arc_fabric.testing.report import Finding, NotConforming, Report
from arc_fabric.testing.run import Make, Subject, begin, light_manager

COMPARING = (restores, interleaves, settings, survives_failure, rebuilds, streams, begins_anew, prompt_modes)
"""Checks that hold steps against others: of a model that does not repeat itself they would only say so again."""


def check_model(make: Make, *, others: Sequence[Make] = (), raises: bool = True) -> Report:
    """Run every check on models that `make` makes (each call a fresh one, with the same weights).

    `others` make models with other weights or settings. Raises NotConforming, which lists what is wrong and how to mend
    it, unless `raises` is False.
    """
    subject = Subject(make, tuple(others))
    report = Report(subject.model.identity().name)
    for check in (*ALL, *DECLARED) if is_declared(subject.model) else ALL:
        name = check.__name__.replace("_", " ")
        if check in COMPARING and any(finding.check == "repeats" for finding in report.findings):
            report.skipped[name] = "the model does not repeat itself: mend that first"
            continue
        try:
            found = [Finding(name, problem, mend) for problem, mend in check(subject)]
        except Skip as why:
            report.skipped[name] = str(why)
            continue
        except Exception as error:  # noqa: BLE001  (of the model under test: it is the finding)
            mend = error.what_to_do if isinstance(error, ArcFabricError) else ""
            found = [Finding(name, f"{type(error).__name__}: {error}", mend or "See the traceback of a plain step.")]
        report.findings += found
        report.passed += [] if found else [name]
    if not report.findings:
        report.shared = _shared(subject)
    if raises and report.findings:
        raise NotConforming(report)
    return report


def _shared(subject: Subject) -> float:
    """Of the bytes of one window's checkpoints, the part that is stored once for several."""
    model = subject.make()
    manager = light_manager(model)
    session = begin(model, manager)
    ids = [
        str(session.step().checkpoint_id)
        for _ in range(min(subject.steps, model.geometry.steps_per_window or subject.steps))
    ]
    manager.store.flush()
    manifests = [manager.store.manifest(one) for one in ids]
    return 1 - sum(m.bytes_new for m in manifests) / max(1, sum(m.bytes_total for m in manifests))
