"""Clips (`videos/`): which of them may go. Each can be made again, unless its checkpoint is gone: then nobody asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from arc_fabric.base.clip_keys import CLIPS, checkpoint_of
from arc_fabric.store.backends.base import Backend, ObjectInfo


def old_clips(
    backend: Backend, lives: Callable[[str], bool], *, now: float, grace_s: float, kept_s: float
) -> Iterator[ObjectInfo]:
    """Those made more than `kept_s` seconds ago, and more than `grace_s` ago those whose checkpoint does not live.

    The grace covers clips of checkpoints that are on their way to storage.
    """
    for info in backend.list(CLIPS):
        age = now - info.modified
        if age >= kept_s or (age >= grace_s and not lives(checkpoint_of(info.key))):
            yield info
