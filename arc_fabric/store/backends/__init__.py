"""Where stored objects live. None of these modules imports torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arc_fabric.store.backends.base import Backend, ObjectInfo
from arc_fabric.store.backends.disk import DiskBackend
from arc_fabric.store.backends.memory import MemoryBackend
from arc_fabric.store.backends.s3 import S3Backend

if TYPE_CHECKING:
    from arc_fabric.settings import Settings

__all__ = ["Backend", "DiskBackend", "MemoryBackend", "ObjectInfo", "S3Backend", "backend_from_settings"]


def backend_from_settings(settings: Settings) -> Backend:
    """The object store that the settings name."""
    return S3Backend(
        settings.s3_endpoint,
        settings.s3_access_key,
        settings.s3_secret_key.get_secret_value(),
        settings.s3_bucket,
        secure=settings.s3_secure,
    )
