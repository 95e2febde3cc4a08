"""Shapes of requests and answers: what the validators check and what OpenAPI shows."""
