"""Variables of the environment that mean other programs, and would steer the libraries and servers that we use past
our settings: an account of AWS, another project's Celery, options of gunicorn, Flower or SeaweedFS.

>>> without_foreign({"HOME": "/root", "CELERY_BROKER_URL": "amqp://elsewhere", "AWS_PROFILE": "work"})
{'HOME': '/root'}
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

FOREIGN = ("AWS_", "CELERY_", "FLOWER_", "GUNICORN_", "WEED_", "FLASK_", "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS")
"""Beginnings of their names."""
_one_at_a_time = threading.Lock()


def without_foreign(environment: Mapping[str, str]) -> dict[str, str]:
    """What a process of ours is to see of an environment."""
    return {name: value for name, value in environment.items() if not name.startswith(FOREIGN)}


def forget_foreign(*beginnings: str) -> None:
    """Take the variables that begin so (without any: all foreign ones) out of this process."""
    for name in [name for name in os.environ if name.startswith(beginnings or FOREIGN)]:
        del os.environ[name]


@contextmanager
def hidden(*beginnings: str) -> Iterator[None]:
    """Take them out for a moment: this process may be somebody else's, who needs them."""
    with _one_at_a_time:
        found = {name: value for name, value in os.environ.items() if name.startswith(beginnings)}
        forget_foreign(*beginnings)
        try:
            yield
        finally:
            os.environ.update(found)
