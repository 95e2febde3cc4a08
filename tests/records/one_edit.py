"""Run with a Redis URL: adds a line to the definitions of session, job and node, and prints where it shows up."""

from __future__ import annotations

import json
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType
from typing import Any

NAMES = tuple(f"arc_fabric.records.{name}" for name in ("session", "job", "node"))
MEMBER = '\n    mood: str = member("How it feels.", "calm", example="calm", later=True)\n'


class Edited(SourceFileLoader):
    """Loads a module as if MEMBER were at the end of its source, in its last class."""

    def get_code(self, fullname: str) -> CodeType:
        """Its code with the member; no cached one."""
        return self.source_to_code(self.get_data(self.path) + MEMBER.encode(), self.path)


class Definitions(MetaPathFinder):
    """Finds the definitions, edited."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """The module's own spec, with our loader."""
        if fullname not in NAMES:
            return None
        spec = PathFinder.find_spec(fullname, path)
        spec.loader = Edited(fullname, spec.origin)
        return spec


def stored(redis_url: str) -> dict[str, Any]:
    """What the ledger stores and decodes of one session, its job and its root, and what an import brings elsewhere."""
    from arc_fabric.ledger import Ledger
    from tests.ledger.conftest import Hand

    ledger = Ledger(redis_url)
    hand = Hand.up(ledger, "gpu.0")
    session, job = ledger.sessions.open(prompt="red cup", input_key="sample:x")
    hand.commit_node(hand.claim(job), mood="merry")
    session, job = ledger.sessions.get(session.id), ledger.jobs.get(job.id)
    (event, *_) = [e for e in ledger.events.read(None, "0") if e.kind == "node.committed"]
    node = ledger.nodes.get(session.head)
    views = [session.to_dict() | {"mood": "moved"}, job.to_dict(), node.to_dict()]
    ledger.redis.flushdb()
    ledger.imports.add([views[2]], [views[0]])
    return {
        "ledger": [session.mood, job.mood, node.mood],
        "event": event.data["mood"],
        "views": views,
        "imported": [ledger.sessions.get(session.id).mood, ledger.nodes.get(node.id).mood],
    }


def shown() -> dict[str, Any]:
    """The member in the schemas of the API, which the page's types are made of too."""
    from arc_fabric.settings import Settings
    from webapp.app import create_app

    schemas = create_app(Settings(redis_url="redis://127.0.0.1:1/0")).document["components"]["schemas"]
    names = ("SessionView", "JobView", "NodeView", "CheckpointAnswer")
    return {name: (schemas[name]["properties"]["mood"], "mood" in schemas[name]["required"]) for name in names}


def held(views: list[dict[str, Any]]) -> list[str]:
    """The member of the client's views."""
    from arc_fabric.client import Job, Node, SessionInfo

    return [kind.of(view).mood for kind, view in zip((SessionInfo, Job, Node), views, strict=True)]  # type: ignore[attr-defined]


def main() -> None:
    """Everything as one JSON object."""
    sys.meta_path.insert(0, Definitions())
    told = stored(sys.argv[1])
    print(json.dumps(told | {"schemas": shown(), "client": held(told["views"])}))


if __name__ == "__main__":
    main()
