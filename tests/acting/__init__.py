"""Policies from outside."""
