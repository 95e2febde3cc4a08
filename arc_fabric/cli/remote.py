"""The HTTP API as the commands need it: JSON in, JSON out, problems as our errors, jobs with a progress bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from arc_fabric import errors
from arc_fabric.cli.app import settings_of
from arc_fabric.cli.output import err
from arc_fabric.ids import new_id
from arc_fabric.services.lock import read_running
from arc_fabric.settings import Settings

DEFAULT_URL = "http://127.0.0.1:8321"
_POLL_S = 0.5
_ENDED = ("succeeded", "failed", "cancelled")


class Remote:
    """One web app. `url` is its address."""

    def __init__(self, settings: Settings) -> None:
        running = read_running(settings.data_dir) or {}
        self.url = settings.url or running.get("url") or DEFAULT_URL
        secret = settings.token.get_secret_value()
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=httpx.Timeout(90, connect=5))

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        """GET a JSON object; parameters that are None are left out."""
        return self._json("GET", path, params=_given(params))

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        """POST a JSON object, sent again with the same Idempotency-Key if the connection breaks."""
        headers = {"Idempotency-Key": new_id("key")}
        try:
            return self._json("POST", path, json=_given(body), headers=headers)
        except errors.ServiceError:
            return self._json("POST", path, json=_given(body), headers=headers)

    def patch(self, path: str, **body: Any) -> dict[str, Any]:
        """PATCH a JSON object."""
        return self._json("PATCH", path, json=_given(body))

    def delete(self, path: str) -> dict[str, Any]:
        """DELETE a resource."""
        return self._json("DELETE", path)

    def pages(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Every item of a list."""
        cursor = None
        while True:
            page = self.get(path, cursor=cursor, **params)
            yield from page["items"]
            cursor = page.get("next")
            if not cursor:
                return

    def session(self, name: str) -> dict[str, Any]:
        """A session by id, by label, or the one made last (`last`)."""
        if name.startswith("ses_"):
            return self.get(f"/api/sessions/{name}")
        known = sorted(self.pages("/api/sessions"), key=lambda session: session["created"], reverse=True)
        found = next((session for session in known if name in ("last", session["label"])), None)
        if found is None:
            raise errors.SessionNotFound(f"No session is called {name!r}.", hint="'arc-fabric sessions' lists them.")
        return found

    def finish(self, job: dict[str, Any], what: str, *, quiet: bool = False) -> dict[str, Any]:
        """Wait for a job, showing its progress; the finished job. Raises the job's error if it failed.

        Ctrl-C asks the server to cancel the job.
        """
        try:
            with _bar(what, quiet) as advance:
                while job["state"] not in _ENDED:
                    advance(job)
                    job = self.get(f"/api/jobs/{job['id']}", wait=_POLL_S)
                advance(job)
        except KeyboardInterrupt:
            self.delete(f"/api/jobs/{job['id']}")
            raise
        if job["state"] == "cancelled":
            raise errors.Cancelled(f"Job {job['id']} was cancelled.", job_id=job["id"])
        if job["error"]:
            raise _as_error(job["error"]["type"], job["error"]["message"], job["error"]["what_to_do"], {"job": job})
        return job

    def download(self, path: str, target: Path, **params: Any) -> int:
        """GET a file; the bytes written. A broken download leaves no file."""
        part = target.with_name(target.name + ".part")
        try:
            with self._answer("GET", path, params=_given(params), stream=True) as answer, part.open("wb") as file:
                for chunk in answer.iter_bytes():
                    file.write(chunk)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return target.stat().st_size

    def _json(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        with self._answer(method, path, **request) as answer:
            answer.read()
            body: dict[str, Any] = answer.json()
            return body

    @contextmanager
    def _answer(self, method: str, path: str, *, stream: bool = False, **request: Any) -> Iterator[httpx.Response]:
        built = self._http.build_request(method, path, **request)
        try:
            answer = self._http.send(built, stream=stream)
        except httpx.TransportError as error:
            raise errors.ServiceError(
                f"No Arc Fabric answers at {self.url} ({type(error).__name__}).",
                hint="Start one with 'arc-fabric up', or name one with --url or ARC_FABRIC_URL.",
            ) from None
        try:
            if answer.is_error:
                answer.read()
                raise _of_problem(answer)
            yield answer
        finally:
            answer.close()


def remote_of(context: typer.Context) -> Remote:
    """The web app that this call talks to."""
    return Remote(settings_of(context))


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name.rstrip("_"): value for name, value in values.items() if value is not None}


def _of_problem(answer: httpx.Response) -> errors.ArcFabricError:
    try:
        body = answer.json()
    except ValueError:
        body = {}
    detail = body.get("detail") or f"The server answered {answer.status_code}."
    return _as_error(body.get("code", ""), detail, body.get("what_to_do", ""), body)


def _as_error(code: str, message: str, what_to_do: str, context: dict[str, Any]) -> errors.ArcFabricError:
    kind = getattr(errors, code, errors.ArcFabricError)
    if not (isinstance(kind, type) and issubclass(kind, errors.ArcFabricError)):
        kind = errors.ArcFabricError
    return kind(message, hint=what_to_do, **{k: v for k, v in context.items() if k not in ("message", "hint")})


@contextmanager
def _bar(what: str, quiet: bool) -> Iterator[Callable[[dict[str, Any]], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, TimeElapsedColumn(), console=err, disable=quiet, transient=True) as progress:
        task = progress.add_task(what, total=None, rate="")

        def advance(job: dict[str, Any]) -> None:
            done, total = job["progress"]["done"], job["progress"]["total"]
            speed = progress.tasks[0].speed
            rate = f"{speed:.2f} steps/s" if speed else job["state"]
            progress.update(task, completed=done, total=total or None, rate=rate)

        yield advance
