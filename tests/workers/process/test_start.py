"""What a worker does before it serves."""

from __future__ import annotations

import signal

from tests.workers.conftest import Fleet


def test_a_model_that_cannot_be_loaded_ends_the_worker_with_a_reason(fleet: Fleet) -> None:
    """No lease, no tickets, an exit status for the supervisor, the cause in the log, and the record says down."""
    fleet.settings = fleet.settings.replaced(model="python:tests.workers.faulty:no_such_model")
    child = fleet.start("gpu.0", wait=False)
    assert child.wait(90) == 69
    assert "ModelUnavailable" in child.log_tail(60)
    assert fleet.ledger.workers.find("gpu.0").state == "down"


def test_a_worker_that_loads_is_starting_and_gets_nothing(fleet: Fleet) -> None:
    """While the model loads the record says so; a session created meanwhile waits and then runs there."""
    fleet.start("gpu.0", wait=False, ARC_TEST_LOAD_S="2")
    session, job = fleet.ledger.sessions.open(prompt="p", input_key="inputs/toy.png")
    fleet.dispatcher.send(job)
    assert session.worker is None
    fleet.children["gpu.0"].wait_ready(lambda: [w.state for w in fleet.ledger.workers.all()] == ["starting"], 30)
    assert fleet.ledger.counts()["workers_alive"] == 0
    assert fleet.done(job).worker == "gpu.0"


def test_sigterm_while_the_model_loads_ends_at_once(fleet: Fleet) -> None:
    """There is nothing to put away; the record says down."""
    child = fleet.start("gpu.0", wait=False, ARC_TEST_LOAD_S="60")
    child.wait_ready(lambda: "the model loads" in child.log_tail(), 60)
    assert [w.state for w in fleet.ledger.workers.all()] == ["starting"]
    child.send(signal.SIGTERM)
    assert child.wait(30) == 0  # the model would take twice as long
    assert fleet.ledger.workers.find("gpu.0").state == "down"
