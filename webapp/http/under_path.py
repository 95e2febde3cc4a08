"""The app below a path of a reverse proxy (the setting `root_path`), whether the proxy cuts the path off or not.

The page's own addresses are relative to where it is, so it needs to be told nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def under_path(app: Wsgi, root: str) -> Wsgi:
    """The app that takes `root` for its top."""
    if not root:
        return app

    def below(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == root or path.startswith(root + "/"):
            environ["PATH_INFO"] = path[len(root) :] or "/"
        environ["SCRIPT_NAME"] = root
        return app(environ, start_response)

    return below
