"""Object keys of clips: `videos/<checkpoint at its end>/<what is in it>`. A clip can be made again at any time."""

from __future__ import annotations

CLIPS = "videos/"
"""What all of them begin with."""


def checkpoint_of(key: str) -> str:
    """The checkpoint at the clip's end.

    >>> checkpoint_of("videos/ckp_a/0-5-8fps.mp4")
    'ckp_a'
    """
    return key.removeprefix(CLIPS).partition("/")[0]
