"""Walks along the links of the OpenAPI document, by schemathesis: open a session, step it, follow its job, fork, look,
pin, rewind, close, in any order, each request made from the answer before it. All checks hold at every step.

Every walk begins with a session that can be opened. Left to itself schemathesis begins walks with any POST or list,
nearly all of them with ids that do not exist (which test_schemathesis.py covers already): of 8 walks none opened a
session, and 4 operations succeeded; with this start 11 did. It has no setting for where walks begin (4.32), so `walk`
replaces the function that chooses: a release without it fails here with AttributeError, one that does not ask it fails
by the counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import FlakyStrategyDefinition
from hypothesis.stateful import run_state_machine_as_test

from tests.support.web_server import WebServer

HERE = Path(__file__).resolve().parent
FIRST = "POST /api/sessions"
BATCH = 4


@pytest.fixture(scope="module")
def roomy(web_server: WebServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    """A second web app on the same data that lets many sessions be open: walks seldom close theirs."""
    chosen = web_server.settings.replaced(
        max_open_sessions=10_000, max_steps_per_job=20, data_dir=tmp_path_factory.mktemp("roomy")
    )
    server = WebServer(chosen, worker=False).start()
    yield server
    server.close_all()
    server.stop()


def walk(server: WebServer, walks: int, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """So many walks; how often each operation answered with success."""
    import schemathesis  # takes seconds, which only this file should cost
    from schemathesis.specs.openapi import stateful

    monkeypatch.setattr(stateful, "is_likely_root_transition", lambda operation, *_: operation.label == FIRST)
    schema = schemathesis.openapi.from_url(
        f"{server.url}/openapi/openapi.json", config=schemathesis.Config.from_path(HERE / "schemathesis.toml")
    )
    seen: Counter[str] = Counter()

    class Walk(schema.as_state_machine()):  # type: ignore[misc]
        """Counts what succeeded."""

        def after_call(self, response: Any, case: Any) -> None:
            if response.status_code < 300:
                seen[case.operation.definition.raw["operationId"]] += 1

    chosen = settings(
        max_examples=BATCH, stateful_step_count=12, deadline=None, database=None, phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    for _ in range(walks // BATCH):
        try:
            run_state_machine_as_test(Walk, settings=chosen)
        except* FlakyStrategyDefinition:
            pass  # hypothesis went the same way again and the world had moved on: no failure of the server
    assert "Traceback" not in server.web.log_tail(400)
    return seen


def test_answers_lead_to_valid_requests(roomy: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few walks get somewhere."""
    seen = walk(roomy, 8, monkeypatch)
    assert len(seen) >= 5, seen
    assert sum(seen.values()) >= 12, seen


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_many_walks(roomy: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of them reach every kind of work."""
    seen = walk(roomy, 240, monkeypatch)
    worked = {"create_session", "step", "rewind", "checkpoint", "fork", "close_session", "get_job"}
    looked = {"get_tree", "get_checkpoint", "pin_checkpoint", "patch_node", "get_frame", "get_session"}
    assert not (worked | looked) - seen.keys(), seen
