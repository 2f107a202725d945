"""The same full-screen terminal in a browser on this machine, through textual-serve.

Every user of a login node can reach a port of its loopback, and every web page a browser opens can ask for one: who
has no token is refused. The token stands in the address that is printed; the browser keeps it in a cookie that goes to
no other site's requests.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import shlex
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web
from textual_serve.server import Server

from gpuq_tui.running import PROGRAM

_COOKIE = "gpuq"
_OWN_ONLY = "default-src 'self' 'unsafe-inline' data: blob:; connect-src 'self' ws:"
_LEAVE_S = 1.0  # a page that is open ends by itself only when its browser leaves it
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Page(Server):
    """Serves one command to those who know the token; each page is a process of its own."""

    def __init__(self, words: Sequence[str], *, port: int, token: str) -> None:
        super().__init__(shlex.join(words), host="127.0.0.1", port=port, title="gpuq top")
        self._token = token

    @property
    def address(self) -> str:
        """Where a browser finds it."""
        return f"{self.public_url}/?token={self._token}"

    def initialize_logging(self) -> None:
        """Say nothing of requests."""

    async def on_startup(self, app: web.Application) -> None:
        """Say nothing before it listens."""

    async def listen(self, listener: socket.socket) -> None:
        """Serve what comes to a bound socket until SIGINT or SIGTERM."""
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, ended.set)
        runner = web.AppRunner(await self._make_app(), shutdown_timeout=_LEAVE_S)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        print(f"gpuq top is at {self.address}\nCtrl-C ends it.", flush=True)
        await ended.wait()
        await runner.cleanup()

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(self._guard)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse who has no token, and pages of other sites, also of one whose name has come to mean this machine."""
        origin = request.headers.get("Origin")
        typed = request.query.get("token")
        given = typed if typed is not None else request.cookies.get(_COOKIE, "")
        is_known = hmac.compare_digest(given.encode(errors="surrogateescape"), self._token.encode())
        is_ours = f"http://{request.host}" == self.public_url and origin in (None, self.public_url)
        if not is_known or not is_ours:
            raise web.HTTPForbidden(text="Open the address that gpuq top --web has printed.")
        if typed is not None:  # out of the address, where history and screens would show it
            answer = web.HTTPFound("/")
            answer.set_cookie(_COOKIE, self._token, httponly=True, samesite="Strict")
            raise answer
        answer = await handler(request)
        if not answer.prepared:  # nothing is fetched from elsewhere, as the page's font would be
            answer.headers["Content-Security-Policy"] = _OWN_ONLY
        return answer


def serve(words: Sequence[str], *, port: int | None) -> None:
    """Serve `gpuq` with these words until the user ends it; `port` None is any free one.

    Raises:
        OSError: the port is taken.
    """
    with socket.create_server(("127.0.0.1", port or 0)) as listener:
        command = [sys.executable, "-P", "-c", PROGRAM, *words]
        page = Page(command, port=listener.getsockname()[1], token=secrets.token_urlsafe(24))
        asyncio.run(page.listen(listener))
