"""Shapes of answers and ids: what OpenAPI shows."""
