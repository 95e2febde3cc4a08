"""Small things that every room may use: terminal states and other terms, keys of given pictures, one cache order."""
