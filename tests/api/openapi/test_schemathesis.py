"""Generated requests against the served OpenAPI document: no 5xx, no answer outside its schema, no invalid input taken.

All of schemathesis' checks; tests/api/openapi/schemathesis.toml names the things that a schema cannot express.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.api.conftest import Made
from tests.api.http.test_security import WRITER, bearer, guarded
from tests.support.web_server import WebServer

__all__ = ["guarded"]
HERE = Path(__file__).resolve().parent


def run(url: str, folder: Path, *options: str) -> tuple[int, int, str]:
    """Exit status, number of generated cases, and the whole output."""
    tool = str(Path(sys.executable).with_name("schemathesis"))
    command = [tool, "--config-file", str(HERE / "schemathesis.toml"), "run", f"{url}/openapi/openapi.json"]
    common = ["--checks", "all", "--request-timeout", "70", "--no-color", "--continue-on-failure", "--warnings", "off"]
    done = subprocess.run([*command, *common, *options], cwd=folder, capture_output=True, text=True, check=False)
    found = re.search(r"(\d+) generated", done.stdout)
    cases = int(found.group(1)) if found else 0
    print(f"\n{cases} cases: {' '.join(options[:4])}")
    return done.returncode, cases, done.stdout


def test_examples_and_the_reading_routes(session: Made, tmp_path: Path) -> None:
    """The examples of the document, and generated requests to the operators' routes."""
    session.step()
    status, cases, output = run(session.web.url, tmp_path, "--phases", "examples")
    assert status == 0, output
    status, cases, output = run(
        session.web.url, tmp_path, "--phases", "coverage", "--include-tag", "operations", "--include-tag", "compare"
    )
    assert status == 0, output
    assert cases > 20


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_thousands_of_cases_without_a_token(session: Made, tmp_path: Path) -> None:
    """2,000 cases or more on a server that needs no token."""
    session.step()
    status, cases, output = run(session.web.url, tmp_path, "--phases", "examples,coverage,fuzzing", "-n", "10")
    assert status == 0, output
    assert cases >= 2000
    assert "Traceback" not in session.web.web.log_tail(400)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_thousands_of_cases_with_a_token(session: Made, guarded: WebServer, tmp_path: Path) -> None:
    """The same with a token, which the checks also leave out and falsify."""
    session.step()
    options = (
        "--phases",
        "examples,coverage,fuzzing",
        "-n",
        "6",
        "-H",
        f"Authorization: {bearer(WRITER)['Authorization']}",
    )
    status, cases, output = run(guarded.url, tmp_path, *options)
    assert status == 0, output
    assert cases >= 2000
    assert WRITER not in guarded.web.log_tail(400)
