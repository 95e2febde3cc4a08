"""What runs beside the task thread: heartbeat, reaper, watchdog, janitor, pins."""
