"""What runs beside the task thread: heartbeat, durability, reaper, watchdog, janitor, pins."""
