"""One worker process: its start and end, its model, its Celery app and tasks."""
