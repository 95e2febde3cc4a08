"""Starting the other ranks of a model as processes of this machine, and joining them.

    python -m arc_fabric.ranks <module>:<callable> <rank> <size> <meeting place> <device> <backend> [<argument> ...]

is what each of them runs. They meet at a file, talk over loopback, and end with the process that started them.
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from weakref import finalize

import torch
import torch.distributed as dist

from arc_fabric.errors import ModelUnavailable
from arc_fabric.models.contract import Model, is_declared
from arc_fabric.ranks.follower import StepFollower
from arc_fabric.ranks.group import Group, said_of
from arc_fabric.ranks.model import RankedModel
from arc_fabric.ranks.windowed import HeadFollower, RankedWorldModel

JOIN = timedelta(seconds=120)
LOOPBACK = "lo"


def launch(
    maker: str, devices: Sequence[str], backend: str = "", arguments: Sequence[str] = ()
) -> RankedModel | RankedWorldModel:
    """A model over as many ranks as `devices`, the first in this process. `maker` names a function, `module:callable`,
    that every rank calls with its `Group`, its device and `arguments`; it returns the rank's shard, which computes with
    `group.group`, and begins no process: a DeclaredModel, or one of DreamZero's surface that says which caches this
    rank `holds`. `backend`: nccl where the devices are GPUs, else gloo.

    Raises ModelUnavailable: what a rank's maker raised, or that this process has ranks already.
    """
    if dist.is_initialized():
        raise ModelUnavailable(
            "This process is in a process group already.", hint="One model over several ranks, in a process of its own."
        )
    backend = backend or ("nccl" if devices[0].startswith("cuda") else "gloo")
    place = Path(tempfile.mkdtemp(prefix="arc-fabric-ranks-"))
    size = str(len(devices))
    command = [sys.executable, "-m", "arc_fabric.ranks", maker]
    same = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}  # one number of threads, one set of bits
    started = [
        subprocess.Popen([*command, str(rank), size, str(place / "meet"), device, backend, *arguments], env=same)
        for rank, device in enumerate(devices) if rank
    ]  # fmt: skip
    try:
        group = _join(0, len(devices), place / "meet", backend)
    except BaseException:
        _end(None, started, place)
        raise
    ended = finalize(group, _end, dist.group.WORLD, started, place)
    try:
        shard, processes = _made(maker, group, devices[0], arguments), [process.pid for process in started]
        if is_declared(shard):
            return RankedModel(group, shard, ended, processes)
        return RankedWorldModel(group, shard, ended, processes)
    except BaseException:
        ended()
        raise


def follow(
    maker: str, rank: int, size: int, place: Path, device: str, backend: str, arguments: Sequence[str] = ()
) -> None:
    """Be one of the other ranks, until rank 0 ends it."""
    group = _join(rank, size, place, backend)
    try:
        shard = _made(maker, group, device, arguments)
    except ModelUnavailable as error:
        group.next()  # rank 0 asks who is there
        group.answer({"error": said_of(error)}, {})
        group.next()  # and that all renew their group
        group.renew()
        raise
    (StepFollower(group, shard) if is_declared(shard) else HeadFollower(group, shard)).serve()


def _join(rank: int, size: int, place: Path, backend: str) -> Group:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", LOOPBACK)  # else it listens where the host's name leads
    try:
        store = dist.FileStore(str(place), size)
        dist.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=JOIN)
        return Group(backend)
    except RuntimeError as error:
        raise ModelUnavailable(f"The ranks did not meet: {said_of(error)}") from error


def _made(maker: str, group: Group, device: str, arguments: Sequence[str]) -> Model:
    if device.startswith("cuda"):
        torch.cuda.set_device(device)
    module, _, name = maker.partition(":")
    try:
        made: Model = getattr(importlib.import_module(module), name)(group, device, *arguments)
    except Exception as error:  # code from elsewhere; the cause is chained
        group.break_off()
        raise ModelUnavailable(f"Making rank {group.rank} of {maker} failed: {said_of(error)}") from error
    return made


def _end(world: dist.ProcessGroup | None, started: Sequence[subprocess.Popen[bytes]], place: Path) -> None:
    """The ranks keep nothing that is not elsewhere."""
    if world is not None and dist.is_initialized() and dist.group.WORLD is world:
        dist.destroy_process_group()
    for process in started:
        process.terminate()
    for process in started:
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    shutil.rmtree(place, ignore_errors=True)
