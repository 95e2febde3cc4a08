"""A worker process's start and end: its Celery app and tasks, its device, its model."""
