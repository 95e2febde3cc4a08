"""Several sessions of one model stepping in one forward pass: see `together.step_together`."""
