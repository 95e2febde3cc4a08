"""What a worker process is: its state, its clients, its model and sessions, its reports and meters."""
