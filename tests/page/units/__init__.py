"""What can be said of the page's code without a browser: its files, its rooms, and its modules under node."""
