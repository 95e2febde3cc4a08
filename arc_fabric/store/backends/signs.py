"""Who stores here: each ledger puts its sign into the bucket, again and again while it is in use.

Two systems with a Redis each may share one bucket. Neither knows the other's checkpoints, so each must leave alone what
may be the other's: all that was stored until the other signed last, and a while longer.

    gc/ledgers/<id>   the sign of one ledger; its time is what it says
"""

from __future__ import annotations

from arc_fabric.store.backends.base import Backend

SIGNS = "gc/ledgers/"
EVERY_S = 300.0
"""How often each worker of a ledger signs."""
VALID_S = 3 * EVERY_S
"""For so long after its last sign a ledger may have stored something."""


def sign(backend: Backend, ledger_id: str) -> None:
    """Say that this ledger stores here. Raises StoreUnavailable."""
    backend.put(SIGNS + ledger_id, b"")


def others(backend: Backend, ledger_id: str) -> dict[str, float]:
    """The other ledgers that ever signed, and until when, by the storage's clock, what is stored here may be theirs.
    Raises StoreUnavailable."""
    signed = ((info.key.removeprefix(SIGNS), info.modified) for info in backend.list(SIGNS))
    return {other: modified + VALID_S for other, modified in signed if other != ledger_id}
