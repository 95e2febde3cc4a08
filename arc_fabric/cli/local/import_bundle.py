"""The import of a bundle: payloads into the object store, then nodes and sessions into the ledger."""

from __future__ import annotations

import time
from pathlib import Path

from arc_fabric.errors import InvalidRequest
from arc_fabric.ledger import Imported, Ledger, Limits
from arc_fabric.resting import attach
from arc_fabric.settings import Settings
from arc_fabric.store.backends import backend_from_settings, signs
from arc_fabric.store.upkeep.bundle import Bundle, import_bundle, read_bundle
from arc_fabric.store.upkeep.bundle_check import check_nodes


def import_file(settings: Settings, file: Path) -> tuple[Bundle, Imported]:
    """Everything is checked first. May be cut off and repeated: until the nodes are known, payloads are orphans that
    the collector removes after its grace period. Raises InvalidRequest, Conflict, DamagedSnapshot, StoreUnavailable."""
    backend = backend_from_settings(settings)
    ledger = attach(Ledger(settings.redis_url, limits=Limits.from_settings(settings)), backend)
    try:
        bundle, manifests = read_bundle(file)
        nodes, sessions = bundle.extra.get("nodes", []), bundle.extra.get("sessions", [])
        without = {node.get("id") for node in nodes if isinstance(node, dict)} - set(bundle.checkpoints)
        if without:
            raise InvalidRequest(
                f"The bundle lists nodes without their payload: {', '.join(sorted(map(str, without)))}."
            )
        check_nodes(nodes, manifests)
        ledger.imports.add(nodes, sessions, check_only=True)
        signs.sign(backend, ledger.inputs.ledger_id())
        began = time.monotonic()
        import_bundle(file, backend)
        imported = ledger.imports.add(nodes, sessions)
        if time.monotonic() - began > settings.gc_grace_s / 2:
            import_bundle(file, backend)  # what a collector took because it had no node yet
        return bundle, imported
    finally:
        ledger.close()
