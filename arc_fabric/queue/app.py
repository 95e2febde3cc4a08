"""The Celery app that sends tickets. Importing it loads neither torch nor anything of the workers."""

from __future__ import annotations

from celery import Celery

app = Celery("arc_fabric", set_as_current=True)
app.config_from_object("celeryconfig")
