"""The Celery app. Importing it loads neither torch nor the model: the web process sends tickets through it."""

from __future__ import annotations

from celery import Celery

from workers.process.lifecycle import ServeStep, pin_device

app = Celery("arc_fabric", set_as_current=True)
app.config_from_object("celeryconfig")
app.steps["worker"].add(ServeStep)
pin_device.connect_to_celery()
