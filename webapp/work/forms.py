"""Job forms: any kind in one shape, alone or in lists."""

from __future__ import annotations

from arc_fabric.errors import ArcFabricError
from arc_fabric.ledger import Accepted, JobRequest
from webapp.context import ctx
from webapp.work import requests
from webapp.work.bodies import CheckpointForm, CreateForm, ForkForm, JobForm, RewindForm, StepForm, VideoForm


def of_form(form: JobForm, key: str | None) -> JobRequest:
    """What the kind's own route would ask for."""
    key = form.idempotency_key or key
    if isinstance(form, CreateForm):
        return requests.open_session(form.params, key)[0]
    if isinstance(form, ForkForm):
        return requests.fork(form.params, key)
    if isinstance(form, StepForm):
        return requests.step(form.session_id, form.params, key)
    if isinstance(form, RewindForm):
        return requests.rewind(form.session_id, form.params, key)
    if isinstance(form, CheckpointForm):
        return requests.checkpoint(form.session_id, form.params, key)
    if isinstance(form, VideoForm):
        return requests.video(form.params)
    return ctx().ledger.jobs.request(form.session_id, "close", idempotency_key=key)


def accept_forms(forms: list[JobForm], key: str | None) -> list[Accepted | ArcFabricError]:
    """Accept many in this order, in few round trips. Each by itself: an entry is what was accepted, or why it was
    refused."""
    found: list[Accepted | ArcFabricError | None] = [None] * len(forms)
    waiting: dict[int, JobRequest] = {}

    def flush() -> None:
        outcomes = ctx().dispatcher.accept_many(list(waiting.values()))
        for index, outcome in zip(waiting, outcomes, strict=True):
            found[index] = outcome
        waiting.clear()

    for index, form in enumerate(forms):
        if isinstance(form, RewindForm):
            flush()  # it is checked against what was accepted before it
        try:
            waiting[index] = of_form(form, f"{key}.{index}" if key else None)
        except ArcFabricError as error:
            found[index] = error
    flush()
    return [entry for entry in found if entry is not None]
