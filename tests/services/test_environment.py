"""Variables that mean other programs steer nothing of ours: another account's AWS, another project's Celery, ..."""

from __future__ import annotations

import os

import pytest

from arc_fabric.base import environment
from arc_fabric.client import ArcFabric
from arc_fabric.settings import Settings
from arc_fabric.store.backends import backend_from_settings
from tests.services.conftest import ADMIN, FOREIGN
from tests.services.stack import RunningStack
from tests.support.waiting import eventually


@pytest.mark.timeout(300)
def test_a_system_serves_in_a_foreign_environment(guarded_stack: RunningStack) -> None:
    """It starts, steps, stores and shows it, and no part heard of the variables."""
    with ArcFabric(guarded_stack.url, token=ADMIN) as fabric:
        session = fabric.new_session("pick up the red cup")
        session.step(2)
        eventually(lambda: fabric.checkpoint(str(session.head)).durability == "durable")
        assert len(fabric.workers()) == 2
        session.close()


def test_storage_is_reached_in_a_foreign_environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """By our key pair alone; the process keeps its variables."""
    for name, value in FOREIGN.items():
        monkeypatch.setenv(name, value)
    backend = backend_from_settings(settings)
    backend.put("probe/foreign", b"x")
    assert backend.get("probe/foreign") == b"x"
    backend.delete("probe/foreign")
    assert os.environ["AWS_SESSION_TOKEN"] == "of-another-account"


def test_what_is_foreign_is_left_out() -> None:
    """All of them, and nothing else."""
    ours = {"HOME": "/root", "ARC_FABRIC_FLOWER_PORT": "1", "OMP_NUM_THREADS": "2"}
    assert environment.without_foreign({**FOREIGN, **ours}) == ours
