"""A reverse proxy: `python -m tests.support.reverse_proxy <port> <upstream> <path> cuts|keeps`.

Tornado's own server and clients, as Flower brings them. It shows what is at `upstream` below `path`, cuts the path off
what it passes on or keeps it, and passes Host on, WebSockets included.
"""

from __future__ import annotations

import asyncio
import sys

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler, websocket_connect

HOP = {"connection", "content-length", "transfer-encoding", "keep-alive", "upgrade"}


class Pass(RequestHandler):
    """HTTP."""

    def initialize(self, upstream: str, cut: str) -> None:
        self.upstream, self.cut = upstream, cut

    async def prepare(self) -> None:
        """Pass it on, whatever the method."""
        request = self.request
        asked = HTTPRequest(
            self.upstream + request.uri.removeprefix(self.cut), request.method, request.headers,
            request.body or None, follow_redirects=False, allow_nonstandard_methods=True, decompress_response=False,
            request_timeout=60,
        )  # fmt: skip
        answer = await AsyncHTTPClient().fetch(asked, raise_error=False)
        self.set_status(answer.code, answer.reason)
        for name, value in answer.headers.get_all():
            if name.lower() not in HOP:
                self.add_header(name, value)
        self.finish(answer.body if answer.code not in (204, 304) else None)


class PassStream(WebSocketHandler):
    """WebSocket."""

    def initialize(self, upstream: str, cut: str) -> None:
        self.upstream, self.cut = upstream, cut

    def check_origin(self, origin: str) -> bool:
        """The server behind decides."""
        return True

    async def open(self) -> None:
        """Open the other half, and pass on what comes from there."""
        url = self.upstream.replace("http", "ws", 1) + self.request.uri.removeprefix(self.cut)
        self.far = await websocket_connect(HTTPRequest(url, headers={"Host": self.request.host}))
        self.passing = asyncio.ensure_future(self._back())

    async def on_message(self, message: str | bytes) -> None:
        await self.far.write_message(message, isinstance(message, bytes))

    def on_close(self) -> None:
        self.far.close()

    async def _back(self) -> None:
        while (message := await self.far.read_message()) is not None:
            await self.write_message(message, isinstance(message, bytes))
        self.close()


async def main(port: str, upstream: str, path: str, how: str) -> None:
    """For ever."""
    how_to = {"upstream": upstream, "cut": path if how == "cuts" else ""}
    app = Application([(rf"{path}/ws/.*", PassStream, how_to), (rf"{path}/.*", Pass, how_to)])
    app.listen(int(port), "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
