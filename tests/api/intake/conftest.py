"""What tests of the intake share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from celery import Celery

from arc_fabric.ledger import Ledger
from arc_fabric.settings import Settings


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    """Of the test's Redis."""
    made = Ledger(settings.redis_url)
    yield made
    made.close()


@pytest.fixture
def stranger(settings: Settings) -> Iterator[Celery]:
    """A stranger's app, which knows the broker alone."""
    app = Celery("stranger", broker=settings.redis_url, set_as_current=False)
    yield app
    app.close()


@pytest.fixture
def session_id(ledger: Ledger) -> str:
    """A session whose creation waits, as its steps then do."""
    request = ledger.sessions.open_request(prompt="push it", input_key="inputs/none.png", seed=1)
    return ledger.jobs.accept(request).job.session_id
