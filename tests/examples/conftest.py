"""As the client's tests."""

from tests.client.conftest import fabric

__all__ = ["fabric"]
