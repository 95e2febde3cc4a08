"""Buckets of the test session's object store."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from minio import Minio


@contextmanager
def new_bucket(client: Minio) -> Iterator[str]:
    """The name of an empty bucket; it goes, with what is in it.

    Each bucket takes at least one volume of SeaweedFS, of up to 1 GiB, and there are no more volumes than fit on the
    free disk: kept, some 60 buckets fill a disk of 60 GB with next to nothing in them.
    """
    name = f"test-{uuid.uuid4().hex[:12]}"
    client.make_bucket(name)
    try:
        yield name
    finally:
        client.remove_bucket(name)
