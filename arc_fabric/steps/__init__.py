"""What a step is given, checked, and what it gave."""
