"""Output that cannot be written, and files that the environment names and that are not there: said, in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from arc_fabric.client import ArcFabric
from arc_fabric.errors import ServiceError

ROOT = Path(__file__).resolve().parents[2]


def _run(line: str, **env: str) -> tuple[int, str]:
    """Exit status and standard error of a command line of a shell, in which `af` is ours."""
    given = {**os.environ, "PYTHONPATH": str(ROOT), **env}
    script = f'af() {{ {sys.executable} -m arc_fabric "$@"; }}; {line}'
    done = subprocess.run(["bash", "-c", script], env=given, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("flags", ["", "--json"])
def test_a_full_disk_behind_standard_output(flags: str) -> None:
    """The command fails, with the reason."""
    code, said = _run(f"af settings {flags} > /dev/full")
    assert (code, said) == (1, "error: No space left on device\n")


@pytest.mark.parametrize("line", ["af settings >&-", "af settings 2>&-", "af --url http://[ sessions 2>&-"])
def test_closed_streams_are_no_error_of_ours(line: str) -> None:
    """What they would have shown goes nowhere."""
    code, said = _run(line)
    assert code in (0, 1)
    assert "Traceback" not in said and "Exception" not in said


@pytest.mark.parametrize("url", ["http://[", "http://127.0.0.1:99999", "ftp://127.0.0.1", f"http://{'a' * 300}"])
def test_an_address_of_no_server(url: str) -> None:
    """One line, not a traceback."""
    code, said = _run(f"af --url '{url}' sessions")
    assert code == 1
    assert said.startswith("error: ") and "Traceback" not in said


def test_files_of_tls_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names them."""
    monkeypatch.setenv("SSLKEYLOGFILE", "/no/such/folder/keys")
    with pytest.raises(ServiceError, match="/no/such/folder/keys"):
        ArcFabric("http://127.0.0.1:8321")
