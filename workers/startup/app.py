"""The Celery app of a worker process: the queue's own, with the steps that start and end a worker."""

from __future__ import annotations

from arc_fabric.queue.app import app
from workers.startup.lifecycle import ServeStep, pin_device

__all__ = ["app"]

app.steps["worker"].add(ServeStep)
pin_device.connect_to_celery()
