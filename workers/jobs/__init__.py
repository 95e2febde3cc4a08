"""What a worker does with a ticket: claim, run, step, show, commit."""
