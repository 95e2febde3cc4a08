"""Leases: which process of a name is the live one, and roles that one process at a time has.

A worker is alive while it renews its lease; the boot id in it tells a restarted process from the one before.
"""

from __future__ import annotations

from typing import Any

from arc_fabric.ledger.core import Core, codec


class Leases:
    """What processes hold while they live."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def announce(self, name: str, boot_id: str, record: dict[str, Any]) -> None:
        """Write the record of a process that does not serve (yet): it loads its model, or could not."""
        self._core.scripts.run("workers/register", name, boot_id, 0, codec.pack(record))

    def take(self, name: str, boot_id: str, record: dict[str, Any]) -> None:
        """Take the lease of this name, also from an older process that still has it: work may come."""
        self._core.scripts.run("workers/register", name, boot_id, self._core.lease_ms, codec.pack(record))

    def renew(self, name: str, boot_id: str, record: dict[str, Any]) -> bool:
        """Heartbeat; False when a newer process of the same name holds the lease: this one must end."""
        answer = self._core.scripts.run("workers/renew", name, boot_id, self._core.lease_ms, codec.pack(record))
        return bool(answer[0] == "ok")

    def release(self, name: str, boot_id: str) -> None:
        """Give the lease back at a planned end; the next sweep moves the sessions."""
        self._core.scripts.run("workers/leave", name, boot_id)

    def hold(self, role: str, holder: str, ttl_s: float) -> bool:
        """Take or keep a named role (the one reaper, the one janitor) for `ttl_s` seconds."""
        return bool(self._core.scripts.run("workers/hold", role, holder, int(ttl_s * 1000))[0] == "ok")
