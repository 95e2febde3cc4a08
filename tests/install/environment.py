"""A fresh environment that holds what `pip install 'arc-fabric[...]'` would bring, and nothing else, in a second.

Our wheel is installed by pip. What its metadata asks for, and what that asks for, is linked from the environment that
runs the tests: the distributions that the requirements lead to, in the versions that are installed there, which must
be among those that the requirements allow. A package that no requirement leads to is not there, so that an import of
it fails as it would on the machine of somebody who installed the wheel.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PathDistribution, distribution
from pathlib import Path
from zipfile import Path as ZipPath

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

NAME = "arc-fabric"
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


class Environment:
    """A virtual environment of some distributions; `run` runs Python in it, outside the source tree."""

    def __init__(self, folder: Path, distributions: Iterable[Distribution]) -> None:
        venv.create(folder, with_pip=False)
        self.folder, self.python = folder, folder / "bin" / "python"
        self.site = next(folder.glob("lib/python*/site-packages"))
        for found in distributions:
            self._link(found)

    @classmethod
    def of_packages(cls, folder: Path, *requirements: str) -> Environment:
        """What `pip install <requirements>` brings: none of ours."""
        return cls(folder, _all([Requirement(text) for text in requirements], {}).values())

    @classmethod
    def of_wheel(cls, folder: Path, wheel: Path, extras: Iterable[str] = ()) -> Environment:
        """Our wheel with some of its extras."""
        made = cls(folder, required(wheel, extras).values())
        made._install(wheel)
        return made

    def _install(self, wheel: Path) -> None:
        install = ("--python", str(self.python), "install", "--no-deps", "--no-index", "--no-compile", str(wheel))
        subprocess.run([*PIP, *install], env=self.env(), check=True, timeout=60)

    def run(self, *arguments: str, code: int = 0, **env: str) -> str:
        """The output of `python <arguments>`, standard error included; it must end with `code`."""
        done = subprocess.run(
            [self.python, *arguments], env=self.env(**env), cwd=self.folder, text=True, timeout=240, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == code, done.stdout
        return done.stdout

    def env(self, **more: str) -> dict[str, str]:
        """Our environment without what leads to the source tree or to settings."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "ARC_"))}
        return kept | {"PYTHONPATH": "", "PYTHONSAFEPATH": "1", "CUDA_VISIBLE_DEVICES": "", "COLUMNS": "200"} | more

    def _link(self, found: Distribution) -> None:
        """Make the distribution's packages, metadata and binaries visible here; scripts name another interpreter."""
        binaries = self.folder / "bin"
        for file in found.files or ():
            real = Path(str(found.locate_file(file))).resolve()
            if file.parts[0] == "..":
                if real.parent.name == "bin" and not _is_script(real):
                    (binaries / real.name).symlink_to(real)
                continue
            top = self.site / file.parts[0]
            if file.parts[0] != "__pycache__" and not top.exists():
                top.symlink_to(Path(str(found.locate_file(file.parts[0]))))


def _is_script(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(2) == b"#!"


def required(wheel: Path, extras: Iterable[str]) -> dict[str, Distribution]:
    """The distributions that the wheel with these extras requires, by name, themselves and through others."""
    found = _all([Requirement(f"{NAME}[{','.join(extras)}]")], {NAME: _metadata(wheel)})
    del found[NAME]
    return found


def _all(wanted: Iterable[Requirement], known: dict[str, Distribution]) -> dict[str, Distribution]:
    """`known` and what is wanted, with all that these require."""
    seen: set[tuple[str, str]] = set()
    todo = list(wanted)
    while todo:
        one = todo.pop()
        name = canonicalize_name(one.name)
        found = known[name] if name in known else known.setdefault(name, distribution(name))
        assert one.specifier.contains(found.version, prereleases=True), f"{one} is wanted, there is {found.version}"
        for extra in {"", *one.extras} - {extra for other, extra in seen if other == name}:
            seen.add((name, extra))
            todo += _requirements(found, extra)
    return known


def _requirements(found: Distribution, extra: str) -> Iterator[Requirement]:
    for wanted in map(Requirement, found.requires or ()):
        if wanted.marker is None or wanted.marker.evaluate({"extra": extra}):
            yield wanted


def _metadata(wheel: Path) -> Distribution:
    folder = next(entry for entry in ZipPath(wheel).iterdir() if entry.name.endswith(".dist-info"))
    return PathDistribution(folder)  # type: ignore[arg-type]
