"""The wheel of this source tree, built once, and environments that it is installed in."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.install.environment import PIP, Environment

ROOT = Path(__file__).parents[2]
PACKAGES = ("arc_fabric", "workers", "webapp")
FILES = ("pyproject.toml", "README.md", "LICENSE", "celeryconfig.py")
_NOT_OURS = shutil.ignore_patterns("__pycache__", "*.pyc")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=_NOT_OURS)
    for name in FILES:
        shutil.copy(ROOT / name, source)
    build = ("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(target), str(source))
    subprocess.run([*PIP, *build], check=True, timeout=120)
    return next(target.glob("*.whl"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Environment]:
    """`installed(*extras)` is an environment with the wheel and these extras, made once."""
    made: dict[tuple[str, ...], Environment] = {}

    def get(*extras: str) -> Environment:
        if extras not in made:
            made[extras] = Environment.of_wheel(tmp_path_factory.mktemp("-".join(extras) or "base"), wheel, extras)
        return made[extras]

    return get
