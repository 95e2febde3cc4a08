"""What a ledger allows."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Limits:
    """What the submit scripts enforce; filled from the settings of the same names."""

    max_open_sessions: int = 5
    max_jobs_per_session: int = 1000
    max_jobs_total: int = 10_000
    max_steps_per_job: int = 1000
    max_pinned: int = 50
    affinity_queue_bound: int = 4
    lease_ttl_s: float = 3.0

    @classmethod
    def from_settings(cls, settings: Any) -> Limits:
        """Take the fields of the same names from `arc_fabric.settings.Settings`."""
        return cls(**{f.name: getattr(settings, f.name) for f in fields(cls)})
