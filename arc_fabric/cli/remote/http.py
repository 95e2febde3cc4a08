"""The HTTP API as the commands need it: JSON as it comes, sessions by name, jobs with a progress bar."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from arc_fabric import errors
from arc_fabric.base.files import write_whole
from arc_fabric.base.terms import TERMINAL
from arc_fabric.cli.app import settings_of
from arc_fabric.cli.output import err
from arc_fabric.client import ArcFabric
from arc_fabric.client.transport import named_error
from arc_fabric.rules.addresses import without_password
from arc_fabric.services.lock import read_running
from arc_fabric.settings import Settings

DEFAULT_URL = "http://127.0.0.1:8321"
_WAIT_S = 0.5


class Remote:
    """One web app. `fabric` is its typed client; the methods here give JSON for `--json` to pass on."""

    def __init__(self, settings: Settings) -> None:
        running = read_running(settings.data_dir) or {}
        self.url = settings.url or running.get("url") or DEFAULT_URL
        _must_listen(self.url)
        self.fabric = ArcFabric(self.url, settings.token.get_secret_value() or None)

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        """GET a JSON object; parameters that are None are left out."""
        return self._json("GET", path, params=params)

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        """POST a JSON object; members that are None are left out."""
        return self._json("POST", path, body=body)

    def patch(self, path: str, **body: Any) -> dict[str, Any]:
        """PATCH a JSON object; members that are None are left out."""
        return self._json("PATCH", path, body=body)

    def delete(self, path: str) -> dict[str, Any]:
        """DELETE a resource."""
        return self._json("DELETE", path)

    def pages(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Every item of a list."""
        return self.fabric.transport.pages(path, **params)

    def session(self, name: str) -> dict[str, Any]:
        """A session by id, by label, or the one made last (`last`)."""
        if name.startswith("ses_"):
            return self.get(f"/api/sessions/{name}")
        known = sorted(self.pages("/api/sessions"), key=lambda session: session["created"], reverse=True)
        found = next((session for session in known if name in ("last", session["label"])), None)
        if found is None and name == "last":
            raise errors.SessionNotFound(
                "There are no sessions.", hint="Start one: arc-fabric new 'pick up the red cup'"
            )
        if found is None:
            raise errors.SessionNotFound(f"No session is called {name!r}.", hint="'arc-fabric sessions' lists them.")
        return found

    def finish(self, job: dict[str, Any], what: str, *, quiet: bool = False) -> dict[str, Any]:
        """Wait for a job, showing its progress; the finished job. Raises the job's error if it failed.

        Ctrl-C asks the server to cancel the job.
        """
        try:
            with _bar(what, quiet) as advance:
                while job["state"] not in TERMINAL:
                    advance(job)
                    job = self.fabric.awaited(job["id"], _WAIT_S)
                advance(job)
        except KeyboardInterrupt:
            self.delete(f"/api/jobs/{job['id']}")
            raise
        if job["state"] == "cancelled":
            raise errors.Cancelled(f"Job {job['id']} was cancelled.", job_id=job["id"])
        if job["error"]:
            error = job["error"]
            raise named_error(error["type"], error["message"], error["what_to_do"], {"job_id": job["id"]})
        return job

    def download(self, path: str, target: Path, what: str, *, quiet: bool = False, **params: Any) -> int:
        """GET a clip, waiting for the job that makes it; the bytes written. A broken download leaves no file."""
        with _bar(what, quiet, "frames/s") as advance:
            data = self.fabric.clip(path, params, on_progress=lambda job: advance(vars(job)))
        write_whole(target, data)
        return len(data)

    def _json(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.fabric.transport.json(method, path, **request)
        return answer


def remote_of(context: typer.Context) -> Remote:
    """The web app that this call talks to."""
    return Remote(settings_of(context))


def _must_listen(url: str) -> None:
    """The client waits out a restart of the server; a person who forgot to start one should hear at once."""
    parts = urlsplit(url)
    try:
        socket.create_connection(
            (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)), 5
        ).close()
    except (OSError, UnicodeError) as error:  # a name that is too long for DNS is no Unicode to Python
        why = getattr(error, "strerror", None) or type(error).__name__
        raise errors.ServiceError(
            f"No Arc Fabric answers at {without_password(url)} ({why}).",
            hint="Start one with 'arc-fabric up', or name one with --url or ARC_FABRIC_URL.",
            url=without_password(url),
        ) from None


@contextmanager
def _bar(what: str, quiet: bool, unit: str = "steps/s") -> Iterator[Callable[[dict[str, Any]], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(
        *columns, TimeElapsedColumn(), console=err, disable=quiet or not err.is_terminal, transient=True
    ) as progress:
        task = progress.add_task(what, total=None, rate="")

        def advance(job: dict[str, Any]) -> None:
            done, total = job["progress"]["done"], job["progress"]["total"]
            speed = progress.tasks[0].speed
            rate = f"{speed:.2f} {unit}" if speed else job["state"]
            progress.update(task, completed=done, total=total or None, rate=rate)

        yield advance
