"""As the client's tests."""

from tests.client.conftest import fabric, frame, trunk

__all__ = ["fabric", "frame", "trunk"]
