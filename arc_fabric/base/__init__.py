"""Small things that every room may use: terms, keys of given pictures, one cache order, one way to try again."""
