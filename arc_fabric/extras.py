"""Extras of the distribution: parts whose packages a plain `pip install arc-fabric` leaves out.

    store    stored checkpoints, without torch        local   all that `arc-fabric up` starts
    sdk      worlds in this process                   gym     the client's Gymnasium environment
    server   web app, workers, Flower                 all     all of these

What needs one imports its packages inside `extra`, or is a function that it decorates:

>>> with extra("sdk"):
...     import a_package_that_is_not_there
Traceback (most recent call last):
arc_fabric.errors.MissingExtra: This needs the extra `sdk`: the package a_package_that_is_not_there is not installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from arc_fabric.errors import MissingExtra

OURS = ("arc_fabric", "workers", "webapp", "celeryconfig")


@contextmanager
def extra(name: str, *, instead: str = "") -> Iterator[None]:
    """Turn a package that is missing inside it into MissingExtra, which says what to install, or do `instead`.

    A context manager and a decorator.
    """
    try:
        yield
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        if package in OURS:
            raise
        raise missing_extra(name, package, instead=instead) from missing


def require(name: str, package: str) -> None:
    """Raise MissingExtra where a package of an extra is missing, without importing it."""
    if find_spec(package) is None:
        raise missing_extra(name, package)


def missing_extra(name: str, package: str, *, instead: str = "") -> MissingExtra:
    """The error that says that a package of an extra is missing."""
    return MissingExtra(
        f"This needs the extra `{name}`: the package {package} is not installed.",
        hint=f"pip install 'arc-fabric[{name}]'{instead and f', or {instead}'}",
        extra=name,
        package=package,
    )
