"""The Celery app that sends tickets. Importing it loads neither torch nor anything of the workers."""

from __future__ import annotations

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

from arc_fabric.base.environment import forget_foreign

# Celery takes these over its configuration: tickets would go out here and be waited for at another project's broker.
forget_foreign("CELERY_BROKER_", "CELERY_RESULT_BACKEND", "CELERY_LOADER", "CELERY_CONFIG_MODULE")
TRANSPORT_ALIASES |= dict.fromkeys(("redis", "rediss"), "arc_fabric.queue.transport:PatientTransport")
app = Celery("arc_fabric", set_as_current=True)
app.config_from_object("celeryconfig")
