"""What is known of a worker process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from arc_fabric.records.record import Record, member
from arc_fabric.records.types import CheckpointId, Epoch, JobId, SessionId, says


@with_config(ConfigDict(extra="allow"))
class GpuView(TypedDict):
    """How busy a device is."""

    name: Annotated[str, says("As its driver calls it.", "NVIDIA H100 80GB HBM3")]
    utilisation_percent: Annotated[int | None, says("0 to 100, by NVML; null where it does not answer.", 61)]
    memory_used_bytes: Annotated[int, says("By all processes on the device.", 31_138_512_896)]
    memory_total_bytes: Annotated[int, says("Bytes of the device.", 85_520_809_984)]


@dataclass
class Worker(Record):
    """A worker process as its last heartbeat described it."""

    name: str = member("Its name; also its queue's.", example="gpu.0")
    state: Literal["starting", "idle", "busy", "draining", "down"] = member(
        "starting: loads its model; draining: ends after its step; down: its lease has run out.", "down"
    )
    role: Literal["gpu", "media"] = member("gpu: has a model and owns sessions, also on a CPU; media: clips.", "gpu")
    device: str = member("Where its model is.", "", example="cuda:0")
    model: str | None = member("The model it has loaded; null for media.", None, example="tabletop")
    boot_id: str = member("Of this very process, whatever its name.", "", example="9f2c51e07ab4d318")
    host: str = member("Its machine.", "", example="robot-lab-1")
    pid: int = member("Its process id there.", 0, example=4242)
    started: Epoch = member("Epoch seconds, UTC.", 0.0)
    last_seen: Epoch = member("Its last heartbeat; epoch seconds, UTC.", 0.0)
    current_job: JobId | None = member("What it works on; null while idle.", None)
    current_session: SessionId | None = member("The session of that job; null while idle.", None)
    resident: list[SessionId] = member("Sessions whose state is in its memory.", make=list)
    pinned: list[CheckpointId] = member("Pinned checkpoints that it keeps in host memory.", make=list)
    steps_done: int = member("Steps since it started.", 0, example=320)
    memory: dict[str, int] = member(
        "Bytes of this process: rss, device, tiers of the store.", make=dict,
        example={"rss": 812_646_400, "device": 0, "host": 42_000_000},
    )  # fmt: skip
    gpu: GpuView | None = member("Its device; null on a CPU.", None)
    machine: dict[str, float] = member(
        "{cpu_percent, memory_used_bytes, memory_total_bytes} of the machine it runs on; empty before the "
        "first heartbeat.", make=dict,
        example={"cpu_percent": 37.5, "memory_used_bytes": 4_100_000_000, "memory_total_bytes": 16_400_000_000},
    )  # fmt: skip
    sick: dict[str, str] = member(
        "Its background threads that fail now, and why; empty when all is well. One that cannot go on makes the "
        "process drain.", make=dict, example={"janitor": "StoreUnavailable: the object store does not answer"},
    )  # fmt: skip
    batch_rows: int = member("Variants that it steps together at most.", 1, example=4)
    queued: int = member("Tickets in its own queue.", 0, example=0)
    sessions: list[SessionId] = member("Open sessions that it owns.", make=list)
