"""Serve a policy: `python -m arc_fabric.openpi --model tabletop --port 8000`, or `--url` of a running Arc
Fabric."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from typing import TYPE_CHECKING

from arc_fabric.base.threads import once
from arc_fabric.errors import ArcFabricError, Forbidden
from arc_fabric.extras import extra

if TYPE_CHECKING:
    from arc_fabric.openpi.backend import Backend


def main() -> int:
    """Until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m arc_fabric.openpi", description=__doc__)
    parser.add_argument("--url", help="a running Arc Fabric; without it a model is loaded here")
    parser.add_argument("--model", default="tabletop", help="tabletop, or dreamzero:<checkpoint dir>")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--seed", type=_seed, help="from 0 to 2147483647")
    options = parser.parse_args()
    key = os.environ.get("ARC_FABRIC_OPENPI_KEY")
    try:
        with extra("server"):
            from arc_fabric.openpi.server import make_server
        if os.environ.get("ARC_FABRIC_TOKEN") and not key:
            raise Forbidden(
                "Refusing to work with a token for anyone who connects.", hint="Set ARC_FABRIC_OPENPI_KEY, too."
            )
        backend = _backend(options)
        backend.warm_up()
        server = make_server(backend, options.host, options.port, api_key=key)
    except (ArcFabricError, OSError) as error:
        print(f"{error} {getattr(error, 'what_to_do', '')}".strip(), file=sys.stderr)
        return 1
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: once("shutdown", server.shutdown))
    print(f"policy server at ws://{options.host}:{server.socket.getsockname()[1]}", flush=True)
    server.serve_forever()
    return 0


def _seed(text: str) -> int:
    seed = int(text)
    if not 0 <= seed <= 2**31 - 1:
        raise argparse.ArgumentTypeError(f"the seed must be from 0 to {2**31 - 1}, got {text}")
    return seed


def _backend(options: argparse.Namespace) -> Backend:
    if options.url:
        from arc_fabric.client import ArcFabric
        from arc_fabric.openpi.remote import RemoteBackend

        return RemoteBackend(ArcFabric(options.url, os.environ.get("ARC_FABRIC_TOKEN")), seed=options.seed)
    with extra("sdk"):
        from arc_fabric.models.registry import load_model
        from arc_fabric.openpi.local import LocalBackend

    return LocalBackend(load_model(options.model, options.device), seed=options.seed)


if __name__ == "__main__":
    sys.exit(main())
