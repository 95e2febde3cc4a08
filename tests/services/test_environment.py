"""Variables that mean other programs steer nothing of ours: another account's AWS, another project's Celery, ..."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from arc_fabric.base import environment
from arc_fabric.client import ArcFabric
from arc_fabric.settings import Settings
from arc_fabric.store.backends import backend_from_settings
from tests.services.stack import RunningStack
from tests.support.waiting import eventually
from tests.support.web_server import TOY

ROOT = Path(__file__).resolve().parents[2]
FOREIGN = {
    "AWS_SESSION_TOKEN": "of-another-account",
    "AWS_SKIP_SIGNATURE": "true",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_COPY_IF_NOT_EXISTS": "no such way",
    "AWS_ACCESS_KEY_ID": "theirs",
    "AWS_SECRET_ACCESS_KEY": "theirs-as-well",
    "CELERY_BROKER_URL": "redis://127.0.0.1:9/0",
    "CELERY_BROKER_WRITE_URL": "redis://127.0.0.1:9/0",
    "CELERY_RESULT_BACKEND": "no-such-backend://",
    "CELERY_LOADER": "no.such.loader",
    "FLOWER_URL_PREFIX": "elsewhere",
    "FLOWER_BASIC_AUTH": "someone:else",
    "GUNICORN_CMD_ARGS": "--workers=3 --threads=1 --worker-class=sync",
    "WEB_CONCURRENCY": "4",
    "WEED_JWT_SIGNING_KEY": "another",
    "FLASK_DEBUG": "1",
}


@pytest.mark.timeout(300)
def test_a_system_serves_in_a_foreign_environment(tmp_path: Path) -> None:
    """It starts, steps, stores and shows it, and no part heard of the variables."""
    env = {**FOREIGN, "PYTHONPATH": str(ROOT)}
    running = RunningStack(tmp_path / "data", "--devices", "cpu", "--model", TOY, env=env).start()
    try:
        with ArcFabric(running.url) as fabric:
            session = fabric.new_session("pick up the red cup")
            session.step(2)
            eventually(lambda: fabric.checkpoint(str(session.head)).durability == "durable")
            assert len(fabric.workers()) == 2
    finally:
        assert running.stop() == 0


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
