"""The door for plain Celery."""
