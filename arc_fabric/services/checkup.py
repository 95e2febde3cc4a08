"""The checks of `arc-fabric doctor`. Each returns one finding, or raises MissingExtra; none changes anything."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import httpx

from arc_fabric import __version__
from arc_fabric.base.hosts import is_loopback, proxies
from arc_fabric.errors import ArcFabricError, MissingExtra
from arc_fabric.extras import extra, require
from arc_fabric.services import allocator, devices
from arc_fabric.services.lock import read_running
from arc_fabric.services.ports import choose_port
from arc_fabric.settings import Settings

_LOW_DISK, _NO_DISK = 10 << 30, 1 << 30
_CLOCK_S = 5.0
_EPOCH_OF_THIS_SOFTWARE = 1_760_000_000


@dataclass(frozen=True)
class Finding:
    """What a check found; `mend` says what to do about it."""

    name: str
    state: Literal["ok", "warning", "broken"]
    message: str
    mend: str = ""


def python(settings: Settings) -> Finding:
    """The interpreter and where it lives, and what of ours is installed in it."""
    version = f"arc-fabric {__version__} on Python {'.'.join(map(str, sys.version_info[:3]))}"
    if sys.prefix == sys.base_prefix:
        mend = "make install puts everything into a virtual environment of its own."
        return Finding("python", "warning", f"{version} at {sys.executable}, not in a virtual environment", mend)
    return Finding("python", "ok", f"{version} at {sys.executable}")


def torch(settings: Settings) -> Finding:
    """The build of torch, seen without importing it."""
    require("sdk", "torch")
    version, cuda = importlib.metadata.version("torch"), devices.torch_cuda()
    return Finding("torch", "ok", f"{version}, {f'for CUDA {cuda}' if cuda else 'without CUDA'}")


def gpus(settings: Settings) -> Finding:
    """What the workers will run on, and whether torch can really use it."""
    try:
        places = devices.worker_devices(settings.devices)
    except ArcFabricError as error:
        return Finding("devices", "broken", error.message, error.what_to_do)
    present = len([path for path in Path("/dev").glob("nvidia*") if path.name[6:].isdigit()])
    if present and devices.torch_cuda() is None:
        mend = "Install the build of torch 2.13.0 for your CUDA version (see pytorch.org, Get Started)."
        return Finding("devices", "warning", f"{present} GPUs, but this build of torch cannot use them.", mend)
    if any(place.startswith("cuda") for place in places):
        return _cuda_works(places)
    threads = devices.threads_per_worker(len(places), settings.worker_threads)
    return Finding("devices", "ok", f"{', '.join(places)} ({threads} threads each, {os.cpu_count()} cores)")


def memory(settings: Settings) -> Finding:
    """The allocator that workers will use: a step on a CPU is a tenth faster with tcmalloc than with glibc's."""
    try:
        chosen = allocator.preload(settings.worker_allocator)
    except ArcFabricError as error:
        return Finding("allocator", "broken", error.message, error.what_to_do)
    name = allocator.name_of(chosen)
    if chosen or settings.worker_allocator != "auto" or os.environ.get(allocator.VARIABLE):
        return Finding("allocator", "ok", f"workers use {name}")
    return Finding("allocator", "ok", f"workers use {name}; on a CPU tcmalloc is faster (libtcmalloc-minimal4)")


@extra("server")
def redis_server(settings: Settings) -> Finding:
    """The Redis of the settings, the running one, or the one `up` would start."""
    import redis

    from arc_fabric.services import valkey
    from arc_fabric.services.find_servers import running_redis

    try:
        url = settings.redis_url or running_redis(settings)
    except ArcFabricError as error:
        return Finding("redis", "broken", error.message, error.what_to_do)
    if not url:
        return Finding("redis", "ok", f"'arc-fabric up' will start {valkey.binary().name}")
    try:
        with redis.Redis.from_url(url, socket_timeout=2, retry=None) as client:
            facts = client.info()
            policy = client.config_get("maxmemory-policy").get("maxmemory-policy")
    except (redis.RedisError, OSError) as error:
        return Finding("redis", "broken", f"No answer: {type(error).__name__}.", "Start it, or correct redis_url.")
    kind = facts.get("server_name", "redis")
    message = f"{kind} {facts.get(f'{kind}_version')}, {facts.get('used_memory_human')} in use"
    if policy not in ("noeviction", None):
        return Finding(
            "redis", "warning", f"{message}, maxmemory-policy {policy}", "Set it to noeviction: work would be lost."
        )
    if not facts.get("aof_enabled"):
        return Finding(
            "redis", "warning", f"{message}, no append-only file", "Set appendonly yes: a crash would lose work."
        )
    return Finding("redis", "ok", message)


@extra("server")
def object_store(settings: Settings) -> Finding:
    """The store of the settings takes and gives an object, or the binary that `up` would start is there."""
    from arc_fabric.services import weed
    from arc_fabric.services.find_servers import named_or_running

    found = named_or_running(settings)
    if found is None:
        return Finding("object store", "ok", f"'arc-fabric up' will start {weed.binary().name}")
    settings = found
    keys = (settings.s3_access_key, settings.s3_secret_key.get_secret_value())
    if weed.stores(settings.s3_endpoint, *keys, settings.s3_bucket, secure=settings.s3_secure):
        return Finding("object store", "ok", f"{settings.s3_endpoint} takes and gives objects in {settings.s3_bucket}")
    mend = "Check s3_endpoint, s3_secure, the keys, and that the bucket exists ('arc-fabric up' makes it)."
    return Finding("object store", "broken", f"{settings.s3_endpoint}/{settings.s3_bucket} does not work.", mend)


def web_port(settings: Settings) -> Finding:
    """Whether the web app's port is ours or free."""
    running = read_running(settings.data_dir)
    if running:
        return Finding("ports", "ok", f"'arc-fabric up' (process {running['pid']}) serves {running['url']}")
    try:
        port = choose_port(settings.port, 8321, settings.host, what="the web app (port)")
    except ArcFabricError as error:
        return Finding("ports", "broken", error.message, error.what_to_do)
    return Finding("ports", "ok", f"{settings.host}:{port} is free for the web app")


def proxy(settings: Settings) -> Finding:
    """Proxies of the environment: what is said to this machine never goes through one."""
    named = proxies()
    if not named:
        return Finding("proxy", "ok", "none in the environment")
    names = ", ".join(sorted(named))
    remote = [place for place in (settings.url, settings.s3_endpoint) if place and not is_loopback(place)]
    if any(value.startswith("socks") for value in named.values()) and remote and not find_spec("socksio"):
        mend = "Install httpx[socks], or name the hosts in NO_PROXY."
        return Finding(
            "proxy", "warning", f"{names}: SOCKS cannot be spoken, so {', '.join(remote)} is out of reach", mend
        )
    return Finding("proxy", "ok", f"{names}: for other machines; never for this one's own addresses")


def disk(settings: Settings) -> Finding:
    """Room for data, and whether we may write there."""
    folder = next(path for path in (settings.data_dir, *settings.data_dir.parents) if path.exists())
    if not os.access(folder, os.W_OK):
        return Finding("disk", "broken", f"{folder} is not writable.", "Choose another data_dir.")
    free = shutil.disk_usage(folder).free
    message = f"{free / (1 << 30):.1f} GiB free for {settings.data_dir}"
    if free < _NO_DISK:
        return Finding("disk", "broken", message, "Free some, run 'arc-fabric gc', or move data_dir.")
    if free < _LOW_DISK:
        return Finding("disk", "warning", message, "Checkpoints grow; 'arc-fabric gc' frees what is deleted.")
    return Finding("disk", "ok", message)


def clock(settings: Settings) -> Finding:
    """Our clock against the object store's: S3 refuses requests that are 15 minutes off."""
    running = read_running(settings.data_dir)
    where = settings.s3_endpoint or (running or {}).get("s3_url", "").removeprefix("http://").partition("/")[0]
    if not where:
        message = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
        plausible = time.time() > _EPOCH_OF_THIS_SOFTWARE
        return Finding("clock", "ok", message) if plausible else Finding("clock", "broken", message, "Set the clock.")
    scheme = "https" if settings.s3_secure else "http"
    try:
        answer = httpx.get(f"{scheme}://{where}/", timeout=3, trust_env=False)
        drift = time.time() - parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (httpx.HTTPError, KeyError, ValueError):
        return Finding("clock", "warning", "The object store tells no time to compare with.")
    if abs(drift) > _CLOCK_S:
        return Finding("clock", "broken", f"{drift:+.0f} s off the object store's.", "Synchronise the clocks (NTP).")
    return Finding("clock", "ok", f"within {_CLOCK_S:.0f} s of the object store's")


def weights(settings: Settings) -> Finding:
    """The model's files."""
    name, _, folder = settings.model.partition(":")
    if name == "dreamzero":
        path = Path(folder).expanduser()
        if not folder or not path.is_dir():
            return Finding("weights", "broken", f"{settings.model}: no such folder.", "Download the checkpoint first.")
        return Finding("weights", "ok", f"{settings.model}")
    if name != "tabletop":
        return Finding("weights", "broken", f"No model is called {name!r}.", "tabletop, or dreamzero:<checkpoint dir>")
    files = sorted((Path(__file__).parents[1] / "models" / "tabletop").rglob("*.safetensors"))
    if not files:
        return Finding("weights", "broken", "tabletop has no weights.", "Reinstall the package: they ship with it.")
    return Finding("weights", "ok", f"tabletop, {sum(file.stat().st_size for file in files) / (1 << 20):.1f} MiB")


CHECKS: dict[str, Callable[[Settings], Finding]] = {
    "python": python,
    "torch": torch,
    "devices": gpus,
    "allocator": memory,
    "redis": redis_server,
    "object store": object_store,
    "ports": web_port,
    "proxy": proxy,
    "disk": disk,
    "clock": clock,
    "weights": weights,
}


def findings(settings: Settings) -> Iterator[Finding]:
    """What every check finds. An extra that is not installed is a warning: this machine may not need it."""
    for name, check in CHECKS.items():
        try:
            yield check(settings)
        except MissingExtra as missing:
            yield Finding(name, "warning", missing.message, missing.what_to_do)


def _cuda_works(places: list[str]) -> Finding:
    """Ask torch in a process of its own: importing it here would make every command slow."""
    script = "import torch; print('; '.join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    names = done.stdout.strip()
    named = [one for place in places for one in place.split("+")]
    wanted = 1 + max(int(one[5:]) for one in named if one.startswith("cuda"))
    if done.returncode or len(names.split("; ")) < wanted or not names:
        last = (done.stderr.strip().splitlines() or [f"torch sees: {names or 'none'}"])[-1]
        mend = "Check the driver (nvidia-smi), CUDA_VISIBLE_DEVICES and the setting devices."
        return Finding("devices", "broken", f"{', '.join(places)}: {last}", mend)
    return Finding("devices", "ok", f"{', '.join(places)}: {names}")
