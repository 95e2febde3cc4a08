"""Whether what rests is whole, without bringing it back: for `arc-fabric fsck`."""

from __future__ import annotations

from collections.abc import Iterator

from arc_fabric.errors import DamagedSnapshot, UnknownFormat
from arc_fabric.ledger import Ledger
from arc_fabric.resting.objects import Reader
from arc_fabric.store.backends import Backend


def damaged_trees(ledger: Ledger, backend: Backend) -> Iterator[tuple[str, str, str]]:
    """(tree, object, what is wrong) for each resting tree that could not be brought back; every object is read. One
    that comes back meanwhile is left out. Raises StoreUnavailable."""
    for tree_id, row in ledger.resting.rows():
        try:
            reader = Reader(backend, tree_id, row["token"], row["digest"])
            for kind in ("sessions", "nodes", "facts"):
                for _ in reader.read(kind):
                    pass
        except (DamagedSnapshot, UnknownFormat) as error:
            now = ledger.resting.row(tree_id)
            if now is not None and now["token"] == row["token"]:
                yield tree_id, str(error.context.get("object", tree_id)), error.message
