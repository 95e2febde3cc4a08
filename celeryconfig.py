"""Celery's configuration. Why each value is what it is: docs/reference/jobs.md.

Every process that talks to the broker must load this same file: Redis as a broker keeps the visibility timeout
in the client.
"""

from __future__ import annotations

from arc_fabric.settings import get_settings

_settings = get_settings()

broker_url = _settings.redis_url or "redis://127.0.0.1:6379/0"
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
broker_transport_options = {
    # A task longer than this would run twice at once. Recovery is ours (leases, the reaper), not the broker's.
    "visibility_timeout": 86_400,
    # Queues are served in the order of -Q: a worker's own, then interactive, then bulk.
    "queue_order_strategy": "priority",
    "priority_steps": [0, 3, 6, 9],
    "socket_timeout": 30,
    "socket_connect_timeout": 2,
    "health_check_interval": 25,
    "retry_on_timeout": True,
}

# The job record in Redis is the truth; Celery's own results would be a second, weaker one.
task_ignore_result = True
task_track_started = True
task_acks_late = True
task_reject_on_worker_lost = False
task_serializer = "json"
accept_content = ["json"]
task_default_queue = "interactive"
task_create_missing_queues = True

worker_prefetch_multiplier = 1
worker_pool = "threads"
worker_concurrency = 1
worker_hijack_root_logger = False
worker_enable_remote_control = True
worker_cancel_long_running_tasks_on_connection_loss = False

# Flower lives on these.
worker_send_task_events = True
task_send_sent_event = True

enable_utc = True
include = ["workers.startup.tasks"]
