"""What each kind of job does. A function here runs in the task thread and ends with the job's final commit."""

from __future__ import annotations

from collections.abc import Callable

from arc_fabric.base.frames import frame_count
from arc_fabric.base.present import present
from arc_fabric.base.rewind import step_before, step_reached
from arc_fabric.errors import StoreError, StoreUnavailable
from arc_fabric.ids import new_id
from arc_fabric.ledger import NodeRecord
from arc_fabric.ledger.requests import in_tree
from arc_fabric.media.frames import pack_strip
from workers.jobs.commits import STORED_WITHIN_S
from workers.jobs.publish import send_live
from workers.jobs.run import GivesWay, JobRun, NotOurs
from workers.jobs.steps import take_steps
from workers.process.retry import through_store_outages


def create(run: JobRun) -> None:
    """The root checkpoint: the initial frame and what it is conditioned on."""
    params = run.job.params
    seed = run.runtime.manager.default_seed if params["seed"] is None else params["seed"]
    node_id = new_id("ckp")
    node = NodeRecord(
        id=node_id, session_id=run.session.id, tree_id=node_id, prompt=params["prompt"], seed=seed,
        state=params["state"], model_settings=params.get("model_settings", {}), job_id=run.job.id,
        worker=run.process.name, n_frames=1,
        internal={"_input_key": params["input_key"], "_embodiment_id": params["embodiment_id"]},
    )  # fmt: skip
    with run.timed("step_s"):
        session = run.payloads.make_root(node)
    node.model_settings = dict(session.snapshot.settings)
    info = present(run.runtime.manager.info(node_id))
    node.bytes_new, node.bytes_total = info.bytes_new, info.bytes_total
    frames = present(session.snapshot.frames).numpy()
    send_live(run.process.ledger, run.session.id, frames, 0, kept=(node_id, pack_strip(frames)))
    changes = {"head": node_id, "root": node_id, "tree_id": node_id, "seed": seed, "n_frames": 1}
    changes |= {"model": run.process.settings.model, "model_settings": node.model_settings}
    try:
        run.commit(
            node=node, changes=changes, final="succeeded",
            result={"session_id": run.session.id, "checkpoint_id": node_id},
        )  # fmt: skip
    except NotOurs:
        run.process.reporter.forget(run.runtime.store, node_id)
        raise
    run.runtime.keep(session)


def step(run: JobRun) -> None:
    """Advance the session; one commit per step."""
    take_steps(run, run.job.progress["total"], {})


def fork(run: JobRun) -> None:
    """The fork itself was made when it was accepted; here it takes its first steps, if it was asked to."""
    result = run.opening()
    if run.job.params["steps"]:
        take_steps(run, run.job.params["steps"], result)
    else:  # a fork that an older version accepted: today it ends when it is accepted
        run.succeed(result)


def rewind(run: JobRun) -> None:
    """Move the head up its lineage, after that forward again, or (`anywhere`) to any checkpoint of its tree. Nodes
    stay, and so do the session's prompt and seed."""
    ledger, params = run.process.ledger, run.job.params
    if params.get("anywhere"):
        node = in_tree(ledger.nodes.get(params["checkpoint_id"]), run.session)
        place = {"head": node.id, "frame_index": node.frame_index}
        return run.succeed(place, **place, n_frames=node.frames_to_end)
    lineage, target = ledger.nodes.path(present(run.session.head))[::-1], params.get("checkpoint_id")
    if target is None:
        step = step_before(len(lineage) - 1, params.get("n_steps", 1))
        target = lineage[step]
    else:
        own = ledger.nodes.get(target).session_id == run.session.id
        step = step_reached(lineage, ledger.nodes.path(target)[::-1], own=own)
    place = {"head": target, "frame_index": step}
    return run.succeed(place, **place, n_frames=frame_count(step, run.runtime.model.geometry.frames_per_step))


def checkpoint(run: JobRun) -> None:
    """Wait until the head is stored, and label it if asked to."""
    head, params = present(run.session.head), run.job.params
    try:
        through_store_outages(lambda: run.payloads.fetch(head))
        with run.timed("store_s"):
            through_store_outages(lambda: run.runtime.store.wait_durable(head, STORED_WITHIN_S))
    except StoreUnavailable:
        raise
    except StoreError as error:
        # It could not be stored from here (see durability.py); a fresh process makes it again and stores it.
        run.process.drain(f"storing {head} failed: {error}")
        raise GivesWay(failed=True) from error
    run.process.ledger.nodes.set_durability(head, "durable")
    if params.get("label") is not None:
        run.process.ledger.nodes.update(head, label=params["label"])
    run.succeed({"checkpoint_id": head, "durability": "durable"})


def close(run: JobRun) -> None:
    """Close the session after everything that was accepted before."""
    run.succeed({"head": run.session.head})
    run.runtime.drop(run.session.id)


def noop(run: JobRun) -> None:
    """Nothing: measures the way through the queue, and shows that a worker serves."""
    run.succeed({})


KINDS: dict[str, Callable[[JobRun], None]] = {
    "create": create, "step": step, "fork": fork, "rewind": rewind, "checkpoint": checkpoint, "close": close,
    "noop": noop,
}  # fmt: skip
