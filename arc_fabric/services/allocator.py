"""The memory allocator of processes that run a model.

A step of a model on a CPU is thousands of small tensors. glibc's allocator finds room for them more slowly the more
snapshots are kept between them (a tabletop step takes a tenth longer); tcmalloc and jemalloc do not mind, which is why
PyTorch's tuning guide names them. They come as Debian's libtcmalloc-minimal4 and libjemalloc2, and are loaded before
all else through LD_PRELOAD (ld.so(8)), so whoever starts the process sets it. The bits of a step do not depend on it.
"""

from __future__ import annotations

import ctypes.util
import os
import sys
from pathlib import Path

from arc_fabric.errors import InvalidRequest

KNOWN = ("tcmalloc_minimal", "tcmalloc", "jemalloc")
"""Libraries that `auto` looks for, best first."""
VARIABLE = "LD_PRELOAD"


def preload(wanted: str = "auto") -> dict[str, str]:
    """Environment of a process that shall use this allocator: "auto" (the first of `KNOWN` that is installed),
    "system", or the path of a library. Empty where the system's own is used, or where the variable is set already.

    Raises InvalidRequest when there is no such library.
    """
    if wanted == "system" or sys.platform != "linux" or os.environ.get(VARIABLE):
        return {}
    if wanted == "auto":
        found = next(filter(None, map(ctypes.util.find_library, KNOWN)), None)
        return {VARIABLE: found} if found else {}
    if not Path(wanted).is_file():
        raise InvalidRequest(
            f"worker_allocator: {wanted!r} is no library.", hint="Write auto, system, or the path of a shared library."
        )
    return {VARIABLE: wanted}


def name_of(environment: dict[str, str]) -> str:
    """What `preload` chose, for people."""
    chosen = environment.get(VARIABLE) or os.environ.get(VARIABLE)
    return Path(chosen.split(":")[0]).name.removeprefix("lib").partition(".")[0] if chosen else "the system's"
