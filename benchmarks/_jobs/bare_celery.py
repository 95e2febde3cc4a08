"""A Celery app with our settings and one empty task: what any job costs before we add anything."""

from __future__ import annotations

import redis
from celery import Celery

app = Celery("bare")
app.config_from_object("celeryconfig")
app.conf.include = []
_client: redis.Redis | None = None


@app.task(name="bare.noop")
def noop(key: str) -> None:
    """Say that it was run."""
    global _client
    if _client is None:
        _client = redis.Redis.from_url(app.conf.broker_url)
    _client.lpush(key, 1)
