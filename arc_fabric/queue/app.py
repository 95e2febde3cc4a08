"""The Celery app that sends tickets. Importing it loads neither torch nor anything of the workers."""

from __future__ import annotations

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

TRANSPORT_ALIASES |= dict.fromkeys(("redis", "rediss"), "arc_fabric.queue.transport:PatientTransport")
app = Celery("arc_fabric", set_as_current=True)
app.config_from_object("celeryconfig")
