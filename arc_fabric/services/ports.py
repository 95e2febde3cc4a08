"""Free TCP ports on loopback.

Ports are drawn below the kernel's ephemeral range (32768 on Linux), so that no outgoing connection takes
one between our look and the server's bind. Nor does another process of ours: on Linux a drawn port is claimed by an
abstract socket of that name, until this process has drawn many more or ends.
"""

from __future__ import annotations

import random
import socket
import sys
from collections import deque
from contextlib import ExitStack, suppress

from arc_fabric.errors import ServiceError

_LOWEST, _HIGHEST = 10_000, 32_000
_draw = random.SystemRandom()
"""Not the seedable generator: processes that were seeded alike would all try the same ports."""
_KEPT = 64
"""Claims: a server has bound its port long before so many more are drawn."""
_claims: deque[socket.socket] = deque()


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could bind this port now."""
    with _probe(host) as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_ports(count: int, host: str = "127.0.0.1", *, pair: int = 0) -> list[int]:
    """`count` different ports that are free now; with `pair`, the port that many above each is free, too, and none of
    the others."""
    found: list[int] = []
    taken: set[int] = set()  # binding alone does not tell: probes share a port that nobody listens on
    with ExitStack() as held:
        for port in _draw.sample(range(_LOWEST, _HIGHEST - pair), 50 * count + 200):
            if len(found) == count:
                return found
            parts = {port, port + pair}
            if parts & taken:
                continue
            with suppress(OSError):
                _claim(port)
                for part in parts:
                    held.enter_context(_probe(host)).bind((host, part))
                found.append(port)
                taken |= parts
    raise ServiceError(f"No {count} free ports between {_LOWEST} and {_HIGHEST} on {host}.")


def choose_port(wanted: int, preferred: int | None = None, host: str = "127.0.0.1", *, what: str) -> int:
    """`wanted` if it is free (ServiceError if not); for 0 the preferred port if free, else any free one."""
    if wanted:
        if not is_free(wanted, host):
            raise ServiceError(
                f"Port {wanted} on {host}, wanted for {what}, is in use.",
                hint=f"Stop what listens there, or choose another port for {what} (0 finds a free one).",
                port=wanted,
            )
        return wanted
    if preferred and is_free(preferred, host):
        return preferred
    return free_ports(1, host)[0]


def _claim(port: int) -> None:
    """Take a socket that one process at a time can have; OSError while it is taken, here or elsewhere."""
    if sys.platform != "linux":
        return
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0arc-fabric-port-{port}")
    except OSError:
        claim.close()
        raise
    _claims.append(claim)
    if len(_claims) > _KEPT:
        _claims.popleft().close()


def _probe(host: str) -> socket.socket:
    probe = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: TIME_WAIT does not count
    return probe
