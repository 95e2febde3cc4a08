"""HTTP itself: who asks, what a request and an answer look like, errors, files, limits."""
