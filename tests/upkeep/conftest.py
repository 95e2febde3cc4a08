"""The workers' fixtures."""

from tests.workers.conftest import fleet

__all__ = ["fleet"]
