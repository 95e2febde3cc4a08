"""Every port that `up` opens, tried by strangers: other users of the machine, and pages in a browser.

The table in SECURITY.md says what is promised; a port that it does not name fails here.
"""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import psutil
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.services.conftest import ADMIN, KEY, ROOT
from tests.services.stack import RunningStack
from tests.services.test_servers import listening

pytestmark = pytest.mark.timeout(600)
FOREIGN = {"Host": "elsewhere.example", "Origin": "http://elsewhere.example"}
NOBODY = 65534
STRANGER = httpx.Client(verify=False, trust_env=False)
METHODS = ("GET", "POST", "DELETE", "OPTIONS")
PATHS = (
    "/", "/metrics", "/api/sessions", "/api/workers", "/status", "/ui/index.html", "/cluster/status", "/dir/assign",
    "/buckets/arc-fabric/?recursive=true", "/arc-fabric/probe/ready", "/1,01", "/debug/pprof/", "/tasks", "/ws/stream",
)  # fmt: skip
OPEN = {
    "web": {"/healthz", "/readyz", "/login", "/static/icon.svg", "/openapi"},
    "flower": {"/healthcheck", "/static/favicon.ico"},
    "openpi": {"/healthz"},
    "s3": {"/healthz", "/status"},
}
"""What anyone may read, by service: it says nothing of what is stored."""


def ports(running: RunningStack) -> dict[str, set[int]]:
    """Ports by service."""
    found = {}
    for part in running.facts["services"]:
        family = [psutil.Process(part["pid"]), *psutil.Process(part["pid"]).children(recursive=True)]
        found[part["name"]] = {port for process in family for _, port in listening(process.pid)}
    return found


def ask(
    port: int, method: str, path: str, headers: dict[str, str], scheme: str = "http", timeout: float = 10.0
) -> httpx.Response | None:
    """The answer; None where there is none in HTTP."""
    with suppress(httpx.HTTPError):
        return STRANGER.request(method, f"{scheme}://127.0.0.1:{port}{path}", headers=headers, timeout=timeout)
    return None


def told(answer: httpx.Response) -> bool:
    """Whether an answer says more than that there is a server: a refusal, or the way to the login, does not."""
    return bool(answer.is_success and answer.content) or (
        answer.is_redirect and answer.headers["location"] not in ("login", "/login")
    )


def test_the_ports_are_those_of_the_table(guarded_stack: RunningStack) -> None:
    """One each of Redis, web app, Flower and OpenPI, ten of the object store, none of the workers; SECURITY.md has a
    line for each."""
    counts = {name: len(found) for name, found in ports(guarded_stack).items()}
    assert counts == {"redis": 1, "s3": 10, "gpu.0": 0, "media": 0, "web": 1, "flower": 1, "openpi": 1}
    table = re.findall(r"^\| `(\w+)`", (ROOT / "SECURITY.md").read_text(), re.MULTILINE)
    assert {name for name, count in counts.items() if count} <= set(table)


@pytest.mark.parametrize("headers", [{}, FOREIGN, {"Authorization": "Bearer nonsense"}], ids=["user", "page", "guess"])
def test_no_port_tells_a_stranger_anything(guarded_stack: RunningStack, headers: dict[str, str]) -> None:
    """Over HTTP and HTTPS, with every method; no port lets pages of others read its answers (S3 does, and has only
    refusals for who cannot sign)."""
    doors = [(service, port) for service, found in ports(guarded_stack).items() for port in found]
    with ThreadPoolExecutor(len(doors)) as pool:
        list(pool.map(lambda door: _try(*door, headers), doors))


def _try(service: str, port: int, headers: dict[str, str]) -> None:
    """Every path and method at one port."""
    for path in (*PATHS, *OPEN.get(service, ())):
        for method in METHODS:
            answer = ask(port, method, path, headers)
            if answer is None:
                continue
            allowed = path in OPEN.get(service, ()) or method == "OPTIONS"
            assert allowed or not told(answer), (service, port, method, path, answer.text[:200])
            assert service == "s3" or "access-control-allow-origin" not in answer.headers, (service, path)
    assert service == "web" or ask(port, "GET", "/", headers, "https", 4.0) is None, (service, port)


def test_the_object_stores_parts_want_to_see_the_certificate(guarded_stack: RunningStack) -> None:
    """Nine ports speak TLS to who shows the one certificate; with another, or none, not a byte of HTTP/2 comes back.
    The tenth is S3, which wants its key."""
    secrets = guarded_stack.data_dir / "secrets"
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ours.check_hostname, ours.verify_mode = False, ssl.CERT_NONE
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    stranger.check_hostname, stranger.verify_mode = False, ssl.CERT_NONE
    ours.load_cert_chain(secrets / "s3-parts.pem")
    spoken = {
        port: (_says(port, ours), _says(port, stranger), _says(port, None)) for port in ports(guarded_stack)["s3"]
    }
    assert sorted(known for known, _, _ in spoken.values()) == [False] + [True] * 9
    assert not any(unknown or plain for _, unknown, plain in spoken.values())


def _says(port: int, context: ssl.SSLContext | None) -> bool:
    """Whether a server of gRPC or HTTP answers a client with this context with more than a refusal to speak."""
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        stream = context.wrap_socket(plain) if context else plain
        stream.sendall(preface)
        answer = stream.recv(64)
        return bool(answer) and not (context is None and answer.startswith((b"HTTP/1.", b"\x15")))
    return False


def test_redis_wants_its_password(guarded_stack: RunningStack) -> None:
    """Commands of a stranger are refused; it is no server of HTTP either."""
    (port,) = ports(guarded_stack)["redis"]
    for command in (b"PING", b"INFO", b"CONFIG GET *", b"FLUSHALL", b"SHUTDOWN NOSAVE", b"AUTH nonsense", b"HELLO 3"):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as stranger:
            stranger.sendall(command + b"\r\n")
            assert re.match(rb"-(NOAUTH|WRONGPASS)", stranger.recv(200)), command


def test_the_policy_endpoint_wants_its_key_and_no_page(guarded_stack: RunningStack) -> None:
    """Without the key nobody speaks to it; with it, only who is no page."""
    url = guarded_stack.facts["openpi_url"]
    for key, origin, status in ((None, None, 401), ("x" * 21, None, 401), (KEY, "http://elsewhere.example", 403)):
        headers = {"Authorization": f"Api-Key {key}"} if key else {}
        with pytest.raises(InvalidStatus) as refusal:
            connect(url, additional_headers=headers, origin=origin).__enter__()  # type: ignore[arg-type]
        assert refusal.value.response.status_code == status
    with connect(url, additional_headers={"Authorization": f"Api-Key {KEY}"}) as client:
        assert client.recv(timeout=30)


def test_flower_opens_for_the_admin(guarded_stack: RunningStack) -> None:
    """Its pages and figures, for who has a token of scope admin."""
    for path in ("/", "/metrics", "/tasks"):
        assert httpx.get(guarded_stack.facts["flower_url"] + path, auth=("chief", ADMIN)).status_code == 200, path
        assert httpx.get(guarded_stack.facts["flower_url"] + path, auth=("chief", "wrong")).status_code == 401, path


def test_secrets_are_in_files_of_their_owner_and_nowhere_else(guarded_stack: RunningStack) -> None:
    """Not in a log, on a command line, in what `up` and `settings` print, or in what Flower shows."""
    conf = (guarded_stack.data_dir / "secrets" / "redis.conf").read_text()
    pair = json.loads((guarded_stack.data_dir / "secrets" / "s3.json").read_text())
    secrets = [conf.split()[1], pair["secret_key"], ADMIN, KEY]
    shown = {str(log): log.read_text() for log in guarded_stack.data_dir.glob("logs/*")}
    shown["up"] = json.dumps(guarded_stack.facts) + (guarded_stack.data_dir / "running.json").read_text()
    shown["processes"] = " ".join(" ".join(process.cmdline()) for process in _family(guarded_stack))
    env = {**os.environ, "ARC_FABRIC_REDIS_URL": f"redis://:{secrets[0]}@127.0.0.1:1/0", "ARC_FABRIC_OPENPI_KEY": KEY}
    for flags in ([], ["--json"]):
        command = [sys.executable, "-m", "arc_fabric", "settings", *flags]
        shown["settings"] = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
        assert "***@127.0.0.1" in shown["settings"]
    for path in ("/", "/broker", "/workers", "/api/workers?refresh=1", "/api/tasks"):
        shown[path] = httpx.get(guarded_stack.facts["flower_url"] + path, auth=("chief", ADMIN), timeout=60).text
    for where, text in shown.items():
        assert not [secret for secret in secrets if secret in text], where
    for file in (*guarded_stack.data_dir.glob("secrets/*"), guarded_stack.data_dir / "s3" / "security.toml"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def _family(running: RunningStack) -> list[psutil.Process]:
    assert running.process is not None
    return [psutil.Process(running.process.pid), *psutil.Process(running.process.pid).children(recursive=True)]


def test_the_data_directory_is_its_owners(guarded_stack: RunningStack) -> None:
    """It existed with mode 755 and has 700 now; nor is what was made in it open to others."""
    assert stat.S_IMODE(guarded_stack.data_dir.stat().st_mode) == 0o700
    for path in guarded_stack.data_dir.iterdir():
        assert not stat.S_IMODE(path.lstat().st_mode) & 0o077, path


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_opens_no_socket_file(guarded_stack: RunningStack) -> None:
    """What listens on a path lets nobody else connect, wherever the path is."""
    paths = {c.laddr for process in _family(guarded_stack) for c in process.net_connections("unix") if c.laddr}
    assert any("seaweedfs" in path for path in paths)
    script = (
        f"import os, socket, sys\nos.setgid({NOBODY}); os.setuid({NOBODY})\n"
        "for path in sys.argv[1:]:\n"
        "    try: socket.socket(socket.AF_UNIX).connect(path)\n"
        "    except OSError: continue\n"
        "    print(path)\n"
    )
    absolute = [path if path.startswith("/") else str(guarded_stack.data_dir / "s3" / path) for path in sorted(paths)]
    done = subprocess.run([sys.executable, "-c", script, *absolute], capture_output=True, text=True, check=True)
    assert done.stdout == ""
