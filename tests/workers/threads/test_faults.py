"""The model fails, the device fails, a step hangs, the process dies: the job says so, the session goes on."""

from __future__ import annotations

import pytest

from tests.support.waiting import eventually
from tests.workers.conftest import Fleet


@pytest.mark.parametrize(
    ("prompt", "error", "words"),
    [("raise", "ModelError", "InjectedFaultError"), ("nan", "NonFiniteLatents", "NaN"),
     ("oom", "ModelOutOfMemory", "out of memory")],
)  # fmt: skip
def test_a_model_error_fails_the_job_and_nothing_else(two: Fleet, prompt: str, error: str, words: str) -> None:
    """The job has cause and advice; the head stays; the next step has the bits of one that nothing disturbed."""
    session, twin = two.create(), two.create()
    before = two.step(session)
    two.step(twin)
    pid = two.ledger.workers.find(session.worker).pid
    failed = two.done(two.submit(session, steps=3, prompt=prompt), state="failed")
    assert failed.error["type"] == error and words in failed.error["message"] and failed.error["what_to_do"]
    now = two.ledger.sessions.get(session.id)
    assert (now.head, now.prompt) == (before.result["head"], "pick up the red cup")
    after = two.step(session)
    assert two.latents(after.result["head"]) == two.latents(two.step(twin).result["head"])
    assert two.ledger.workers.find(session.worker).pid == pid


def test_bad_inputs_fail_with_their_own_error(two: Fleet) -> None:
    """Actions of a wrong shape, a missing picture, a rewind beyond the root, a checkpoint off the lineage."""
    session = two.create()
    two.step(session)
    wrong = two.done(two.submit(session, steps=1, actions=[[[1.0, 2.0]]]), state="failed")
    assert wrong.error["type"] == "InvalidRequest" and "shape" in wrong.error["message"]
    beyond = two.done(two.submit(session, "rewind", n_steps=2), state="failed")
    assert beyond.error["type"] == "RewindBeyondRoot" and beyond.error["context"]["frame_index"] == 1
    other = two.create()
    off = two.done(two.submit(session, "rewind", checkpoint_id=other.head), state="failed")
    assert off.error["type"] == "Conflict" and "lineage" in off.error["message"]
    lost, job = two.ledger.sessions.open(prompt="p", input_key="inputs/none.png")
    two.dispatcher.send(job)
    assert two.done(job, state="failed").error["type"] == "InvalidImage"
    assert two.ledger.sessions.get(lost.id).state == "closed"


def test_given_actions_are_recorded_and_steer(two: Fleet) -> None:
    """A given action is in the node as given; without one the policy's prediction is."""
    session, twin = two.create(), two.create()
    action = [[0.5, 0.0, -0.5, 1.0]] * 8
    given = two.ledger.nodes.get(two.step(session, actions=[action]).result["head"])
    free = two.ledger.nodes.get(two.step(twin).result["head"])
    assert (given.action_source, given.actions) == ("given", action)
    assert free.action_source == "predicted" and len(free.actions) == 8
    assert given.internal["_digest"] != free.internal["_digest"]
    assert (given.steered, free.steered) == (True, None)


def test_a_model_that_only_records_actions_says_so(two: Fleet) -> None:
    """`steered` is False in the node and in the job's answer, and the actions had no effect."""
    session, twin = two.create(prompt="ignore actions"), two.create(prompt="ignore actions")
    given = two.step(session, actions=[[[0.5, 0.0, -0.5, 1.0]] * 8])
    free = two.step(twin)
    node = two.ledger.nodes.get(given.result["head"])
    assert (node.action_source, node.steered, given.result["steps"][0]["steered"]) == ("given", False, False)
    assert node.internal["_digest"] == two.latents(free.result["head"])
    assert free.result["steps"][0]["steered"] is None


def test_prompt_and_seed_of_a_job_stay_with_the_session(two: Fleet) -> None:
    """They apply from the job's first step and to later jobs."""
    session = two.create()
    two.step(session, prompt="push the cup", seed=42)
    now = two.ledger.sessions.get(session.id)
    assert (now.prompt, now.seed) == ("push the cup", 42)
    node = two.ledger.nodes.get(two.step(session).result["head"])
    assert (node.prompt, node.seed) == ("push the cup", 42)


def test_a_worker_drains_after_repeated_device_errors(fleet: Fleet) -> None:
    """After the third device error in a row it gives its sessions away and ends with a status that says restart."""
    child = fleet.start("gpu.0")
    session = fleet.create()
    for _ in range(3):
        fleet.done(fleet.submit(session, prompt="oom"), state="failed")
    assert child.wait(60) == 75
    job = fleet.submit(session)
    fleet.start("gpu.0")
    assert fleet.done(job).result["frame_index"] == 1


def test_a_hanging_step_ends_its_worker_and_fails_at_the_second_time(fleet: Fleet) -> None:
    """The watchdog ends the process (status 70); the job is tried once more, then fails; the session goes on."""
    fleet.settings = fleet.settings.replaced(step_deadline_s=1.0)
    first = fleet.start("gpu.0")
    session = fleet.create()
    job = fleet.submit(session, prompt="sleep 60")
    assert first.wait(60) == 70
    second = fleet.start("gpu.0")
    assert second.wait(60) == 70
    fleet.start("gpu.0")
    failed = fleet.done(job, state="failed")
    assert failed.error["type"] == "DeadlineExceeded"
    assert fleet.step(session).result["frame_index"] == 1


def test_a_step_that_kills_the_process_does_not_go_on_for_ever(fleet: Fleet) -> None:
    """A crash in native code costs the worker; the reaper gives the job to the next one; the rest is in the ledger's
    tests (six crashes in a row fail the job)."""
    child = fleet.start("gpu.0")
    session = fleet.create()
    job = fleet.submit(session, prompt="segv")
    assert child.wait(60) == -11
    fleet.ledger.jobs.cancel(job.id)
    fleet.start("gpu.0")
    assert fleet.step(session).result["frame_index"] == 1
    eventually(lambda: fleet.ledger.sessions.get(session.id).running_job is None)
