"""Which device each worker gets, found out without loading torch.

>>> worker_devices("cpu,cpu")
['cpu', 'cpu']
>>> worker_devices("cuda:1")
['cuda:1']
>>> worker_devices("cuda:0+cuda:1,cuda:2+cuda:3")        # two workers, each with a model over two GPUs
['cuda:0+cuda:1', 'cuda:2+cuda:3']
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
from pathlib import Path

from arc_fabric.errors import InvalidRequest

_FORM = re.compile(r"cpu(\+cpu){0,15}|cuda:[0-9]{1,3}(\+cuda:[0-9]{1,3}){0,15}")
_MOST = 256


def worker_devices(devices: str) -> list[str]:
    """One device per worker; 'auto' is every GPU torch can use, else two times cpu."""
    if devices == "auto":
        return [f"cuda:{index}" for index in range(gpu_count())] or ["cpu", "cpu"]
    wanted = [part.strip() for part in devices.split(",")]
    wrong = [part for part in wanted if not _FORM.fullmatch(part)]
    if wrong:
        raise InvalidRequest(
            f"devices: {wrong[0]!r} is no device.",
            hint="Write auto, or a comma list of cpu and cuda:<n>; "
            "cuda:0+cuda:1 is one worker with a model over two GPUs.",
        )
    if len(wanted) > _MOST:
        raise InvalidRequest(
            f"devices: {len(wanted)} workers on one machine are more than {_MOST}.", hint="Name fewer."
        )
    return wanted


def threads_per_worker(workers: int, wanted: int) -> int:
    """Torch threads of one worker: what was asked for, else the cores shared out."""
    return wanted or max(1, len(os.sched_getaffinity(0)) // max(1, workers))


def set_threads(count: int) -> None:
    """Torch's own threads in this process; to be called before any parallel work. Loads torch."""
    import torch

    torch.set_num_threads(max(1, count))
    with contextlib.suppress(RuntimeError):  # it may be set only once per process
        torch.set_num_interop_threads(1)


def gpu_count() -> int:
    """GPUs that this process may use and this build of torch can drive."""
    if torch_cuda() is None:
        return 0
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([part for part in visible.split(",") if part.strip() not in ("", "-1")])
    return len([path for path in Path("/dev").glob("nvidia*") if path.name[6:].isdigit()])


def torch_cuda() -> str | None:
    """The CUDA version torch was built for; None for a CPU build or no torch."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return None
    text = Path(found.origin).with_name("version.py").read_text()
    version = re.search(r"^cuda\b[^=]*=\s*['\"]([^'\"]+)['\"]", text, re.MULTILINE)
    return version.group(1) if version else None
