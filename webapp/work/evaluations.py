"""From a checked plan to an evaluation: what only the settings, the ledger and the running model can say."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from arc_fabric import __version__
from arc_fabric.errors import CheckpointNotFound, CheckpointUnavailable, InvalidRequest
from arc_fabric.evaluation import scorers
from arc_fabric.evaluation.plan import Plan
from arc_fabric.ids import new_id
from arc_fabric.ledger import EvaluationRecord
from webapp.context import ctx
from webapp.model import abilities
from webapp.work import checks

T = TypeVar("T")


def check(plan: Plan) -> None:
    """Raise the error that every variant would end with: nothing is started for a plan that cannot work."""
    if plan.actions and abilities().get("steers_with_actions") is False:
        raise InvalidRequest("The model that runs does not follow given actions (abilities.steers_with_actions).")
    for one in plan.variants:
        if one.prompt is not None:
            _checked("prompt", checks.prompt, one.prompt)
    for settings in [*_each_value(plan), *(one.model_settings for one in plan.variants if one.model_settings)]:
        _checked("model_settings", checks.settings, settings)
    if plan.batch == "fast" and abilities().get("batches") is False:
        raise InvalidRequest(
            "The model that runs cannot step several variants in one forward pass (abilities.batches).",
            hint="Leave `batch` out: exact works with every model.",
        )
    check_scorers(plan)
    nodes = {node.id: node for node in ctx().ledger.nodes.many(plan.starts)}
    for checkpoint_id in plan.starts:
        if checkpoint_id not in nodes:
            raise CheckpointNotFound(f"No checkpoint {checkpoint_id}.", checkpoint_id=checkpoint_id)
        if nodes[checkpoint_id].durability in ("deleted", "damaged"):
            raise CheckpointUnavailable(f"The payload of {checkpoint_id} is {nodes[checkpoint_id].durability}.")


def _each_value(plan: Plan) -> list[dict[str, float]]:
    """Every value that is to be tried of a setting of the model."""
    return [{name: value} for name, values in plan.model_settings.items() for value in values]


def _checked(what: str, check: Callable[[T], T], value: T) -> None:
    """Raise InvalidRequest where a check of bodies refuses it."""
    try:
        check(value)
    except ValueError as error:
        raise InvalidRequest(f"{what}: {error}.") from error


def check_scorers(plan: Plan) -> None:
    """Raise InvalidRequest unless every scorer may be used, with its options."""
    for use in plan.scorers:
        scorers.check_name(use.name, tuple(ctx().settings.scorer_modules))
        scorers.check_options(use.name, use.options)


def expected(plan: Plan) -> dict[str, Any]:
    """What a plan will cost, from what its checkpoints' own steps cost: {variants, steps, bytes, seconds}."""
    ledger = ctx().ledger
    nodes = [node for node in ledger.nodes.many(plan.starts) if node.wall_s]
    wall = sum(node.wall_s for node in nodes) / len(nodes) if nodes else None
    size = sum(node.bytes_new for node in nodes) / len(nodes) if nodes else None
    workers = max(1, sum(w.role == "gpu" and w.state != "down" for w in ledger.workers.all()))
    steps = plan.total * plan.steps
    return {
        "variants": plan.total, "steps": steps,
        "bytes": None if size is None else int(size * steps),
        "seconds": None if wall is None else round(wall * steps / workers, 1),
    }  # fmt: skip


def _digest(identity: dict[str, Any]) -> str | None:
    """SHA-256 of what a restored state must agree with to go on with the same bits, as the model itself takes it."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest() if identity else None


def accept(plan: Plan, key: str | None, *, rescores: str | None = None, only: Sequence[int] = ()) -> EvaluationRecord:
    """Have an evaluation accepted, or find the one that its Idempotency-Key stands for; the media worker conducts it.
    With `rescores` it judges what that one made: the variants of the numbers in `only`."""
    card = ctx().ledger.model_card.read()
    identity: Any = card.get("identity") or {}
    record = EvaluationRecord(
        id=new_id("evl"), label=plan.label, tags=plan.tags, plan_digest=plan.digest(), total=len(only) or plan.total,
        rescores=rescores, priority=plan.priority,
        model={"name": card.get("name"), "digest": identity.get("weights_digest"), "identity": _digest(identity)},
        versions={**identity.get("software", {}), "arc-fabric": __version__, "python": platform.python_version()},
    )  # fmt: skip
    return ctx().ledger.evaluations.create(record, plan.model_dump_json(), only, idempotency_key=key)
