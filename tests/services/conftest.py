"""One system that wants tokens, for the tests of its doors, started in an environment that means other programs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from arc_fabric.services.ports import free_ports
from tests.services.stack import RunningStack
from tests.support.kept import kept
from tests.support.web_server import TOY

ROOT = Path(__file__).resolve().parents[2]
ADMIN, KEY = "a-secret-of-the-admin", "a-key-for-openpi-only"
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


@contextmanager
def _guarded(folder: Path) -> Iterator[RunningStack]:
    """All that `up` can start, with tokens, on a directory that others could look into. It ends in order."""
    env = {
        **FOREIGN,
        "ARC_FABRIC_OPENPI_PORT": str(free_ports(1)[0]),
        "ARC_FABRIC_OPENPI_KEY": KEY,
        "ARC_FABRIC_TOKENS": f"chief:admin:{ADMIN}",
        "PYTHONPATH": str(ROOT),
    }
    folder.mkdir()
    folder.chmod(0o755)
    running = RunningStack(folder, "--devices", "cpu", "--model", TOY, env=env)
    try:
        yield running.start()
    finally:
        status = running.stop() if running.process is not None else None
    assert status == 0


@pytest.fixture(scope="module")
def guarded_stack(tmp_path_factory: pytest.TempPathFactory) -> RunningStack:
    """That system, kept for all its tests."""
    made: RunningStack = kept.get("guarded_stack", lambda: _guarded(tmp_path_factory.mktemp("doors") / "data"))
    return made
