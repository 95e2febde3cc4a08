"""Evaluations: plans, statistics, results, reports."""
