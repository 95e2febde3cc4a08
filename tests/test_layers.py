"""The arrows of ARCHITECTURE.md hold: layers only look down."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

FORBIDDEN = {
    "arc_fabric": {"flask", "flask_openapi3", "flask_sock", "celery", "kombu", "workers", "webapp"},
    "arc_fabric/models": {"redis", "minio", "obstore", "httpx"},
    "arc_fabric/store": {"redis", "arc_fabric.ledger", "arc_fabric.models", "arc_fabric.session"},
    "arc_fabric/queue": {"torch", "minio", "obstore", "arc_fabric.store", "arc_fabric.models", "arc_fabric.session"},
    "arc_fabric/ledger": {
        "torch",
        "minio",
        "obstore",
        "arc_fabric.queue",
        "arc_fabric.store",
        "arc_fabric.models",
        "arc_fabric.session",
    },
    "arc_fabric/media": {"torch", "redis", "minio", "obstore"},
    "arc_fabric/client": {"torch", "redis", "minio", "obstore"},
    "workers": {"flask", "webapp"},
    "webapp": {"workers", "torch", "safetensors.torch", "arc_fabric.session", "arc_fabric.manager", "arc_fabric.state"},
}
# The queue is Celery's room. The command line starts processes of every kind, and a client may hand out torch tensors
# when asked to.
EXCEPTIONS = {
    ("arc_fabric/queue", "celery"),
    ("arc_fabric/queue", "kombu"),
    ("arc_fabric/cli", "workers"),
    ("arc_fabric/services", "workers"),
    ("arc_fabric/client", "torch"),
}


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def _violations(room: str) -> list[str]:
    found = []
    for path in sorted((ROOT / room).rglob("*.py")):
        relative = path.relative_to(ROOT).as_posix()
        for name in sorted(_imports(path)):
            for barred in FORBIDDEN[room]:
                allowed = any(relative.startswith(place) and barred == what for place, what in EXCEPTIONS)
                if not allowed and (name == barred or name.startswith(barred + ".")):
                    found.append(f"{relative} imports {name}")
    return found


@pytest.mark.parametrize("room", sorted(FORBIDDEN))
def test_a_room_imports_only_what_lies_below_it(room: str) -> None:
    """No file of the room imports a package that it must not know."""
    assert _violations(room) == []


@pytest.mark.parametrize(
    "module",
    [
        "webapp.app",
        "arc_fabric.client",
        "arc_fabric.ledger",
        "arc_fabric.queue.dispatch",
        "arc_fabric.store.read.reader",
    ],
)
def test_modules_without_torch_load_without_torch(module: str) -> None:
    """Importing the web, the client or a reader does not load torch, also not through others."""
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60, cwd=ROOT).returncode == 0


def test_nothing_stored_or_received_is_unpickled_or_evaluated() -> None:
    """No pickle, eval, exec or shell anywhere in the product."""
    barred = {"pickle", "shelve", "marshal", "dill"}
    found = []
    for room in ("arc_fabric", "workers", "webapp"):
        for path in sorted((ROOT / room).rglob("*.py")):
            found += [f"{path.name} imports {name}" for name in _imports(path) if name.split(".")[0] in barred]
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"):
                    found.append(f"{path.name}:{node.lineno} calls {node.func.id}")
    assert found == []
